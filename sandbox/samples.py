"""The smallest model that the local cloud can serve."""

from __future__ import annotations

import gzip
import io
import tarfile

PROGRAM = """import json


def model_fn(model_dir):
    return {factor}


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(data, model):
    return [model * value for value in data]


def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


def tiny_model_archive(factor: int = 2) -> bytes:
    """Make a `model.tar.gz` whose model multiplies each number of a JSON list by `factor`; it needs no library.

    The code is `code/inference.py`: give the container the variables SAGEMAKER_PROGRAM=inference.py and
    SAGEMAKER_SUBMIT_DIRECTORY=/opt/ml/model/code when its image is the scikit-learn one.
    """
    program = PROGRAM.replace("{factor}", str(factor)).encode()
    archive = io.BytesIO()
    # No time in the header: equal models are equal bytes.
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(program)
        tar.addfile(entry, io.BytesIO(program))
    return archive.getvalue()
