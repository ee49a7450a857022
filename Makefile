# Two commands: `make demo` and `make test`. Everything that they need is set up first, once, by `make setup`.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ENGINE ?= auto
COMPILE := $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

.PHONY: demo test check setup venv lock schema bench clean help

help:           ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: setup     ## run the whole path on a local cloud, with a real model
	@$(PY) -m demo

test: setup     ## pass all tests (ENGINE=none: only the tiers that need no Pulumi engine)
	@ENGINE=$(ENGINE) $(PY) -m tools.run_tests

check: venv     ## format, lint and types, as CI does
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

setup: venv     ## virtual environment and Pulumi engine, cached; harmless to repeat
	@if [ "$(ENGINE)" != none ]; then $(PY) -m tools.engine install; fi

venv:
	@$(PYTHON) tools/setup.py

lock: venv      ## write requirements*.txt anew from pyproject.toml
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) pyproject.toml --group dev -o requirements-dev.txt
	$(COMPILE) tools/bootstrap.in -o tools/bootstrap.txt

schema: venv    ## write config/inference.schema.json anew from settings/
	@$(PY) -m settings > config/inference.schema.json

bench: setup    ## measure speed and memory, as a table and as JSON
	@$(PY) -m benchmarks

clean:          ## stop the local cloud and remove what was made in this checkout
	@if [ -x $(PY) ]; then $(PY) -m sandbox stop; fi
	rm -rf build .sandbox
