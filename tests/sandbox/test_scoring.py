from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from sandbox import tiny_model_archive
from sandbox.cloud.scoring.archive import BadArchive, unpack

SKLEARN_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SKLEARN_ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
}
LOADS_PICKLE = b"""
import os, pickle
def model_fn(model_dir):
    with open(os.path.join(model_dir, "model.pkl"), "rb") as file:
        return pickle.load(file)
"""


def archive(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def iris() -> tuple[Any, bytes]:
    features, classes = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(features, classes)
    return model, archive({"model.pkl": pickle.dumps(model), "code/inference.py": LOADS_PICKLE})


def test_a_scikit_learn_model_answers_as_it_does_here_in_json_csv_and_npy(
    aws: Any, iris: tuple[Any, bytes]
) -> None:
    model, packed = iris
    assert (
        aws.serve(packed, Image=SKLEARN_IMAGE, Environment=SKLEARN_ENVIRONMENT)["EndpointStatus"]
        == "InService"
    )
    features = load_iris().data[[0, 75, 149]].astype(np.float32)
    expected = model.predict(features).tolist()
    assert json.loads(aws.invoke(json.dumps(features.tolist()).encode())) == expected
    rows = "\n".join(",".join(map(str, row)) for row in features.tolist()).encode()
    answer = aws.invoke(rows, ContentType="text/csv", Accept="text/csv").decode()
    assert [int(line) for line in answer.split()] == expected
    binary = io.BytesIO()
    np.save(binary, features)
    answer = aws.invoke(binary.getvalue(), ContentType="application/x-npy", Accept="application/x-npy")
    assert np.load(io.BytesIO(answer)).tolist() == expected


def test_the_answer_names_variant_and_content_type(aws: Any, tiny: bytes) -> None:
    aws.serve(tiny)
    answer = aws.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="endpoint", Body=b"[1]", ContentType="application/json"
    )
    assert (answer["InvokedProductionVariant"], answer["ContentType"]) == ("main", "application/json")
    assert answer["Body"].read() == b"[2]"


def test_an_update_moves_requests_from_the_old_model_to_the_new(aws: Any, until: Any) -> None:
    aws.serve(tiny_model_archive(2))
    aws.model("three", ModelDataUrl=aws.upload(tiny_model_archive(3), "three.tar.gz"))
    aws.config("config-three", model="three")
    aws.sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName="config-three")
    assert aws.invoke() in (b"[2, 4]", b"[3, 6]")
    aws.settled()
    assert aws.invoke() == b"[3, 6]"


def test_an_update_to_the_same_configuration_serves_on(aws: Any, tiny: bytes) -> None:
    aws.serve(tiny)
    aws.sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    aws.settled()
    assert aws.invoke() == b"[2, 4]"


def test_an_object_replaced_after_the_creation_is_not_served(aws: Any) -> None:
    aws.serve(tiny_model_archive(2))
    aws.client("s3").put_object(Bucket="models", Key="model.tar.gz", Body=tiny_model_archive(5))
    assert aws.invoke() == b"[2, 4]"


def test_a_package_brings_its_container_and_the_models_environment_is_added(aws: Any) -> None:
    program = b"""
import json, os
def model_fn(model_dir): return [os.environ["OWN"], os.environ["PACKAGE"]]
def input_fn(body, content_type): return body
def predict_fn(data, model): return model
"""
    url = aws.upload(archive({"code/inference.py": program}))
    aws.sagemaker.create_model_package_group(ModelPackageGroupName="iris")
    package = aws.sagemaker.create_model_package(
        ModelPackageGroupName="iris",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [
                {"Image": "x:1", "ModelDataUrl": url, "Environment": {"PACKAGE": "p", "OWN": "no"}}
            ]
        },
    )["ModelPackageArn"]
    aws.sagemaker.create_model(
        ModelName="model",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/r",
        PrimaryContainer={"ModelPackageName": package, "Environment": {"OWN": "o"}},
    )
    aws.config()
    aws.endpoint()
    assert json.loads(aws.invoke()) == ["o", "p"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"inference.txt": b""}, "inference.py is not in code/ of the archive; it holds: inference.txt"),
        ({"model/code/inference.py": LOADS_PICKLE}, "it holds: model/code/inference.py"),
        ({"code/inference.py": b"def predict_fn(data, model): return 1"}, "has no model_fn"),
        ({"code/inference.py": LOADS_PICKLE}, "model.pkl"),
        ({"code/inference.py": b"import nothing_of_this_name"}, "nothing_of_this_name"),
        ({"code/inference.py": b"def model_fn(:"}, "cannot be parsed"),
    ],
)
def test_an_archive_that_the_container_cannot_use_fails_the_endpoint(
    aws: Any, files: dict[str, bytes], said: str
) -> None:
    answer = aws.serve(archive(files))
    assert answer["EndpointStatus"] == "Failed"
    assert answer["FailureReason"].startswith(
        "The primary container for production variant main did not pass the ping health check. "
    )
    assert said in answer["FailureReason"]


def test_the_scikit_learn_container_needs_to_be_told_its_program(aws: Any, iris: tuple[Any, bytes]) -> None:
    answer = aws.serve(iris[1], Image=SKLEARN_IMAGE)
    assert answer["EndpointStatus"] == "Failed"
    assert "SAGEMAKER_PROGRAM" in answer["FailureReason"]


def test_a_package_of_the_predecessor_names_its_own_archive_as_the_folder_of_its_code(aws: Any) -> None:
    program = (
        b"def model_fn(folder):\n    return 3\n\ndef predict_fn(data, model):\n    return data * model\n"
    )
    url = aws.upload(archive({"inference.py": program}), "model.tar.gz")
    variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": url}
    answer = aws.serve(archive({"inference.py": program}), Image=SKLEARN_IMAGE, Environment=variables)
    assert answer["EndpointStatus"] == "InService", answer.get("FailureReason")
    assert json.loads(aws.invoke(b"[1, 2]")) == [3, 6]


def test_code_outside_of_the_archive_is_refused(aws: Any, tiny: bytes) -> None:
    answer = aws.serve(tiny, Environment={"SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/../../etc"})
    assert (answer["EndpointStatus"], "/opt/ml/model" in answer["FailureReason"]) == ("Failed", True)


def test_an_archive_that_is_not_there_or_none_fails_the_endpoint(aws: Any) -> None:
    aws.model(ModelDataUrl="s3://nothing/there.tar.gz")
    aws.config()
    answer = aws.endpoint()
    assert answer["EndpointStatus"] == "Failed"
    assert answer["FailureReason"].startswith("Failed to download model data")
    aws.model("text", ModelDataUrl=aws.upload(b"this is no archive"))
    aws.config("text", model="text")
    assert "Failed to extract model data archive" in aws.endpoint("text", "text")["FailureReason"]


def test_an_update_to_a_container_that_cannot_start_rolls_back_and_the_old_one_serves_on(
    aws: Any, tiny: bytes
) -> None:
    aws.serve(tiny)
    aws.model("bad", ModelDataUrl=aws.upload(archive({"x": b""}), "bad.tar.gz"))
    aws.config("bad", model="bad")
    aws.sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName="bad")
    after = aws.settled()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "config")
    assert "ping health check" in after["FailureReason"]
    assert aws.invoke() == b"[2, 4]"


def test_what_the_code_raises_is_a_model_error_with_a_log(aws: Any, tiny: bytes) -> None:
    aws.serve(tiny)
    with pytest.raises(ClientError) as caught:
        aws.invoke(b"no json")
    error = caught.value.response
    assert (error["Error"]["Code"], error["OriginalStatusCode"]) == ("ModelError", 500)
    assert "JSONDecodeError" in error["OriginalMessage"]
    logs = [str(log) for log in aws.sandbox.files.logs.glob("model-*.log")]
    assert any(log in error["Error"]["Message"] for log in logs)


def test_an_unknown_content_type_is_refused_by_the_default_handlers(
    aws: Any, iris: tuple[Any, bytes]
) -> None:
    aws.serve(iris[1])
    with pytest.raises(ClientError) as caught:
        aws.invoke(b"<a/>", ContentType="text/xml")
    assert caught.value.response["OriginalStatusCode"] == 415


def test_an_endpoint_that_is_not_there_or_not_yet_in_service_is_not_found(aws: Any) -> None:
    with pytest.raises(
        ClientError, match=r"ValidationError.*Endpoint nobody of account 123456789012 not found"
    ):
        aws.invoke(name="nobody")
    aws.model()
    aws.config()
    aws.control.set_endpoint_seconds(600)
    aws.sagemaker.create_endpoint(EndpointName="endpoint", EndpointConfigName="config")
    with pytest.raises(ClientError, match="not found"):
        aws.invoke()


def test_payload_limits_are_those_of_the_kind(aws: Any, tiny: bytes) -> None:
    aws.serve(tiny)
    aws.config("serverless", ServerlessConfig={"MemorySizeInMB": 1024, "MaxConcurrency": 1})
    aws.endpoint("serverless", "serverless")
    five = json.dumps([1] * (5 * 1024**2 // 3)).encode()
    assert len(aws.invoke(five)) == len(five)
    with pytest.raises(ClientError, match="less than or equal to 4194304"):
        aws.invoke(five, name="serverless")
    with pytest.raises(ClientError, match="less than or equal to 6291456"):
        aws.invoke(b"[" + b" " * 6 * 1024**2 + b"]")


def test_an_image_without_archive_comes_into_service_but_is_not_scored(aws: Any) -> None:
    aws.model()
    aws.config()
    assert aws.endpoint()["EndpointStatus"] == "InService"
    with pytest.raises(ClientError, match="does not emulate images that bring their own model"):
        aws.invoke()


TELLS_PID = b"""
import json, os
def model_fn(model_dir): return os.getpid()
def input_fn(body, content_type): return json.loads(body)
def predict_fn(data, model):
    if data == "die":
        os._exit(3)
    print("this goes into the log")
    return model
"""


def test_deleting_an_endpoint_ends_its_process(aws: Any, until: Any) -> None:
    aws.serve(archive({"code/inference.py": TELLS_PID}))
    pid = int(aws.invoke(b"1"))
    assert alive(pid)
    aws.sagemaker.delete_endpoint(EndpointName="endpoint")
    until(lambda: not alive(pid))


def test_a_process_that_died_is_a_model_error_once_and_then_started_anew(aws: Any) -> None:
    aws.serve(archive({"code/inference.py": TELLS_PID}))
    first = int(aws.invoke(b"1"))
    with pytest.raises(ClientError, match="ModelError"):
        aws.invoke(b'"die"')
    assert int(aws.invoke(b"1")) not in (first, os.getpid())


def test_endpoints_of_one_archive_share_a_process(aws: Any) -> None:
    aws.serve(archive({"code/inference.py": TELLS_PID}))
    aws.endpoint("second")
    assert aws.invoke(b"1") == aws.invoke(b"1", name="second")
    aws.sagemaker.delete_endpoint(EndpointName="endpoint")
    assert int(aws.invoke(b"1", name="second"))


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped-absolute"])
def test_an_archive_cannot_write_outside_of_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inside"
    with suppress(BadArchive):
        unpack(archive({name: b"x"}), folder)
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents]
    assert outside == []
    assert not Path("/tmp/escaped-absolute").exists()


def test_a_link_out_of_the_archive_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(BadArchive, match=r"cannot|link"):
        unpack(made.getvalue(), tmp_path / "inside")
