from __future__ import annotations

import pytest

from tools import engine, run_tests


def test_a_file_that_pytest_never_looks_at_is_named() -> None:
    items = ["tests/unit/test_a.py::test_one", "tests/unit/test_a.py::TestB::test_two[x::y]"]
    files = ["tests/unit/test_a.py", "tests/unit/a_test.py", "runner/test_c.py"]
    assert run_tests.never_collected(items, files) == ["runner/test_c.py", "tests/unit/a_test.py"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def test_x(): ...", True),
        ("async def test_x(): ...", True),
        ("class TestX:\n    def test_y(self): ...", True),
        ("def tested(): ...\nx = 'def test_'", False),
    ],
)
def test_a_module_with_tests_is_known(source: str, expected: bool) -> None:
    assert run_tests.has_tests(source) is expected


def test_all_test_files_of_this_checkout_are_seen() -> None:
    assert "tests/unit/test_engine_run_tests.py" in run_tests.files_with_tests()


def test_another_choice_than_auto_and_none_is_refused() -> None:
    with pytest.raises(run_tests.RunError, match="ENGINE=non is neither of auto, none"):
        run_tests.engine_kind("non")


def test_a_missing_engine_is_one_line_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_installed() -> engine.Engine:
        raise engine.EngineError("no Pulumi engine is installed.")

    monkeypatch.setattr(engine, "installed", none_installed)
    with pytest.raises(run_tests.RunError, match=r"no Pulumi engine is installed.*ENGINE=none") as raised:
        run_tests.engine_kind("auto")
    assert "\n" not in str(raised.value)


def test_without_engine_no_engine_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(engine, "installed")
    assert run_tests.engine_kind("none") is None


@pytest.mark.parametrize("exit_codes", [(0, 0), (1, 0), (0, 2), (5, 0)])
def test_the_exit_code_is_that_of_the_first_failure(
    monkeypatch: pytest.MonkeyPatch, exit_codes: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest_code, go_code = exit_codes
    monkeypatch.setenv("ENGINE", "auto")
    monkeypatch.setattr(run_tests, "engine_kind", lambda choice: "built")
    monkeypatch.setattr(run_tests, "collected", lambda: ["tests/unit/test_a.py::test_one"])
    monkeypatch.setattr(run_tests, "run_pytest", lambda choice: pytest_code)
    monkeypatch.setattr(run_tests, "run_go", lambda: go_code)
    assert run_tests.main() == (pytest_code or go_code)
    told = capsys.readouterr().out
    assert "tests: unit 1" in told
    assert ("all passed" in told) is (exit_codes == (0, 0))


def test_what_was_left_out_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENGINE", "none")
    monkeypatch.setattr(run_tests, "collected", lambda: ["tests/unit/test_a.py::test_one"])
    monkeypatch.setattr(run_tests, "run_pytest", lambda choice: 0)
    assert run_tests.main() == 0
    assert "ENGINE=none left out every test marked `engine`" in capsys.readouterr().out
