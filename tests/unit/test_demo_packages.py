import io
import re
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from demo.packages import CONTAINER_VARIABLES, GROUP, IMAGE, mlflow_metadata, model_archive
from demo.training import train

ROOT = Path(__file__).parents[2]
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html
ALLOWED_IN_METADATA = re.compile(r"[\w\s.:/=+\-@]{0,256}")


def entries(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {entry.name: entry for entry in tar}


def test_an_archive_has_the_layout_of_the_scikit_learn_container():
    assert sorted(entries(model_archive(b"model"))) == [
        "code/inference.py",
        "code/requirements.txt",
        "model.joblib",
    ]


def test_the_container_is_told_the_folder_and_the_file_that_the_archive_has():
    folder = CONTAINER_VARIABLES["SAGEMAKER_SUBMIT_DIRECTORY"].removeprefix("/opt/ml/model/")
    assert f"{folder}/{CONTAINER_VARIABLES['SAGEMAKER_PROGRAM']}" in entries(model_archive(b"model"))


def test_an_archive_holds_no_time_no_owner_and_only_plain_files():
    archive = model_archive(b"model")
    assert int.from_bytes(archive[4:8], "little") == 0, "gzip's time"
    for entry in entries(archive).values():
        assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, 0, "", "")
        assert entry.isfile()
        assert entry.mode == 0o644


@given(st.binary(max_size=1000))
def test_the_same_model_gives_the_same_archive(saved):
    assert model_archive(saved) == model_archive(saved)


def test_another_model_gives_another_archive():
    assert model_archive(train(1).saved) != model_archive(train(2).saved)


def test_the_archive_asks_the_container_for_the_scikit_learn_that_saved_the_model():
    sklearn = sys.modules["sklearn"]
    with tarfile.open(fileobj=io.BytesIO(model_archive(b"model"))) as tar:
        content = tar.extractfile("code/requirements.txt")
        assert content is not None
        assert content.read().decode() == f"scikit-learn=={sklearn.__version__}\n"


@given(
    st.integers(1, 999),
    st.sampled_from(["None", "Staging", "Production", "Archived"]),
    st.uuids(),
)
def test_metadata_stays_within_the_rules_of_aws(version, stage, run):
    metadata = mlflow_metadata(
        version,
        stage,
        run_id=run.hex,
        source=f"mlflow-artifacts:/1/{run.hex}/artifacts/model",
        now=datetime(2026, 11, 23, tzinfo=UTC),
    )
    assert len(metadata) <= 50
    assert all(len(key) <= 128 for key in metadata)
    assert all(ALLOWED_IN_METADATA.fullmatch(text) for text in [*metadata, *metadata.values()])


def test_metadata_names_what_the_registry_selects_by():
    metadata = mlflow_metadata(3, "Staging", run_id="r", source="s", now=datetime(2026, 11, 23, tzinfo=UTC))
    assert (metadata["mlflow_name"], metadata["mlflow_version"]) == (GROUP, "3")
    assert metadata["mlflow_current_stage"] == "Staging"


def test_the_shipped_stacks_serve_the_group_of_the_demo():
    for stack in ("staging", "production"):
        settings = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
        assert settings["model-deployment:models"] == [GROUP]
        assert f".{settings['aws:region']}." in IMAGE
