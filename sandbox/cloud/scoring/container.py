"""What a container is made of, and where its code lies in a model archive."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MODEL_DIR = PurePosixPath("/opt/ml/model")
DEFAULT_PROGRAM = "inference.py"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a model.

    Args:
        image: its image; the repository's name tells the scikit-learn container from the others.
        model_data_url: `s3://BUCKET/KEY` of a `.tar.gz`; None: the image brings its model.
        environment: sorted pairs of its variables.
        account: 12 digits.
        region: for example `us-east-1`.
    """

    image: str
    model_data_url: str | None
    environment: tuple[tuple[str, str], ...]
    account: str
    region: str

    @property
    def is_scikit_learn(self) -> bool:
        """Whether AWS's scikit-learn container runs it, which has no default program."""
        return "sagemaker-scikit-learn" in self.image


class BadLayout(Exception):
    """The archive does not hold what the container needs; the text says what is missing where."""


def find_program(container: Container, unpacked: Path) -> tuple[Path, str]:
    """Find the folder of the code and the name of the program's module.

    SAGEMAKER_SUBMIT_DIRECTORY and SAGEMAKER_PROGRAM decide; the model's own archive as the directory means its root, as the
    containers download and unpack it (the predecessor's packages say so). Without them the containers on
    sagemaker-inference-toolkit take `code/inference.py`; the scikit-learn container cannot start.
    Sources: https://github.com/aws/sagemaker-scikit-learn-container (serving.py) and
    https://github.com/aws/sagemaker-inference-toolkit (environment.py).

    Returns:
        The folder (inside `unpacked`) and the module's name without `.py`.

    Raises:
        BadLayout: there is no such folder, file, or a name or path that leads elsewhere.
    """
    variables = dict(container.environment)
    program = variables.get("SAGEMAKER_PROGRAM")
    if program is None and container.is_scikit_learn:
        raise BadLayout(
            "the scikit-learn container needs the variable SAGEMAKER_PROGRAM (for example inference.py) "
            "in the container's Environment"
        )
    program = program or DEFAULT_PROGRAM
    submitted = variables.get("SAGEMAKER_SUBMIT_DIRECTORY")
    own = submitted is not None and submitted == container.model_data_url
    folder = unpacked if own else _code_folder(submitted, unpacked, program)
    file = folder / (program if program.endswith(".py") else f"{program}.py")
    if not file.is_file():
        msg = f"{program} is not in {_shown(folder, unpacked)} of the archive; it holds: {_listing(unpacked)}"
        raise BadLayout(msg)
    try:
        ast.parse(file.read_bytes(), filename=program)
    except (SyntaxError, ValueError) as error:
        msg = f"{program} cannot be parsed: {error}"
        raise BadLayout(msg) from error
    return folder, file.stem


def _code_folder(submitted: str | None, unpacked: Path, program: str) -> Path:
    if submitted is None:
        inside = unpacked / "code"
        return inside if (inside / program).is_file() or not (unpacked / program).is_file() else unpacked
    path = PurePosixPath(submitted)
    if submitted.startswith("s3://") or not path.is_relative_to(MODEL_DIR) or ".." in path.parts:
        msg = (
            f"SAGEMAKER_SUBMIT_DIRECTORY is {submitted}; the local cloud knows only the model's own archive and "
            f"folders under {MODEL_DIR}, such as {MODEL_DIR}/code"
        )
        raise BadLayout(msg)
    return unpacked / path.relative_to(MODEL_DIR)


def _shown(folder: Path, unpacked: Path) -> str:
    relative = folder.relative_to(unpacked).as_posix()
    return "the root" if relative == "." else f"{relative}/"


def _listing(unpacked: Path) -> str:
    names = sorted(path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file())
    return ", ".join(names[:20]) + (" …" if len(names) > 20 else "") or "nothing"
