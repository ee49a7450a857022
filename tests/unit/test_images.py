"""Which image serves a model, and the reason that is given."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import ArtifactError, NoImageError
from registry.framework_images import FRAMEWORKS, registry_host
from registry.images import ImageChoice, choose_image, closest, processor_of

OWN = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/own:1"
PYFUNC = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/pyfunc:1"


def sklearn(version: str = "1.9.1") -> dict[str, Any]:
    return {"flavors": {"python_function": {}, "sklearn": {"sklearn_version": version}}}


def choose(mlmodel: dict[str, Any], **arguments: Any) -> ImageChoice:
    return choose_image(mlmodel, **{"tags": {}, "parameters": {}, "region": "us-east-1", **arguments})


def tag_of(choice: ImageChoice) -> str:
    return choice.image_uri.rpartition(":")[2]


def test_the_order_is_that_of_the_predecessor() -> None:
    everything: dict[str, Any] = {
        "tags": {"sagemaker_deploy_image": OWN},
        "parameters": {"sklearn": "own/sklearn:2", "python_function": PYFUNC},
    }
    by_tag = choose(sklearn(), **everything)
    assert (by_tag.image_uri, by_tag.flavour) == (OWN, "sklearn")
    assert "tag sagemaker_deploy_image" in by_tag.reason
    by_parameter = choose(sklearn(), parameters=everything["parameters"])
    assert by_parameter.image_uri == "own/sklearn:2"
    assert "parameter sklearn_image_uri" in by_parameter.reason
    of_aws = choose(sklearn(), parameters={"python_function": PYFUNC})
    assert (
        of_aws.image_uri
        == "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
    )
    assert of_aws.reason == (
        "the model was saved with scikit-learn 1.9.1; AWS's image has 1.9, the same minor version, for cpu"
    )
    last = choose({"flavors": {"python_function": {}, "prophet": {}}}, parameters={"python_function": PYFUNC})
    assert (last.image_uri, last.flavour) == (PYFUNC, "python_function")
    assert "AWS has no image for the flavour prophet" in last.reason


def test_the_tag_of_the_flavour_overrides_the_models_own() -> None:
    choice = choose(
        sklearn(), tags={"sagemaker_deploy_flavor": "python_function"}, parameters={"python_function": PYFUNC}
    )
    assert (choice.image_uri, choice.flavour) == (PYFUNC, "python_function")
    assert "tag sagemaker_deploy_flavor" in choice.reason


def test_the_tag_of_the_flavour_may_name_one_that_only_a_parameter_knows() -> None:
    choice = choose(sklearn(), tags={"sagemaker_deploy_flavor": "fast"}, parameters={"fast": OWN})
    assert (choice.image_uri, choice.flavour) == (OWN, "fast")


def test_a_flavour_that_nobody_knows_is_refused_with_those_known() -> None:
    with pytest.raises(NoImageError, match=r"'sklaern'.*Known are python_function, sklearn; correct the tag"):
        choose(sklearn(), tags={"sagemaker_deploy_flavor": "sklaern"})


@pytest.mark.parametrize(
    ("version", "tag", "is_exact", "said"),
    [
        ("0.20.3", "0.20.0-cpu-py3", True, "the same minor version"),
        ("0.23.2", "0.23-1-cpu-py3", True, "the same minor version"),
        ("0.21.0", "0.23-1-cpu-py3", False, "the next newer one"),
        ("1.0.2", "1.0-1-cpu-py3", True, "the same minor version"),
        ("1.1.3", "1.2-1-cpu-py3", False, "the next newer one"),
        ("1.2.1", "1.2-1-cpu-py3", True, "the same minor version"),
        ("1.4.2", "1.4-2-py312-cpu-py3", True, "the same minor version"),
        ("1.5.2", "1.9-0-cpu-py3", False, "the next newer one"),
        ("1.9.dev0", "1.9-0-cpu-py3", True, "the same minor version"),
        ("1.10.0", "1.9-0-cpu-py3", False, "which is OLDER"),
        ("0.24.1", "0.23-1-cpu-py3", False, "which is OLDER"),
    ],
)
def test_defect_20_the_closest_compatible_version_is_chosen_and_not_the_newest_of_the_major(
    version: str, tag: str, is_exact: bool, said: str
) -> None:
    choice = choose(sklearn(version))
    assert (tag_of(choice), choice.is_exact) == (tag, is_exact)
    assert said in choice.reason


@pytest.mark.parametrize(
    "instance_type", [None, "ml.m5.large", "ml.c7i.xlarge", "ml.t3.medium", "ml.r5d.large"]
)
def test_defect_20_cpu_images_are_chosen_unless_the_instance_has_a_gpu(instance_type: str | None) -> None:
    keras = {"flavors": {"keras": {}}}
    arguments = {"requirements": "tensorflow==2.16.1", "instance_type": instance_type}
    assert tag_of(choose(keras, **arguments)) == "2.16.1-cpu"
    assert tag_of(choose(keras, **{**arguments, "instance_type": "ml.g5.xlarge"})) == "2.16.1-gpu"


@pytest.mark.parametrize(
    ("instance_type", "processor"),
    [
        ("ml.g4dn.xlarge", "gpu"), ("ml.g5.xlarge", "gpu"), ("ml.p3.2xlarge", "gpu"), ("ml.p4de.24xlarge", "gpu"),
        ("ml.g6e.xlarge", "gpu"), ("ml.gr6.4xlarge", "gpu"), ("ml.m6g.large", "arm64"), ("ml.c7gn.large", "arm64"),
        ("ml.r6gd.large", "arm64"), ("ml.g5g.xlarge", "arm64"), ("ml.m5.large", "cpu"), ("ml.m5d.large", "cpu"),
        ("ml.inf1.xlarge", None), ("ml.inf2.xlarge", None), ("ml.trn1.2xlarge", None), (None, "cpu"),
    ],
)  # fmt: skip
def test_the_processor_follows_from_the_family(instance_type: str | None, processor: str | None) -> None:
    assert processor_of(instance_type) == processor


@pytest.mark.parametrize(
    ("version", "instance_type", "tag"),
    [
        ("3.2.0", None, "3.2-0"),
        ("3.0.1", "ml.g5.xlarge", "3.0-5"),
        ("1.6.2", None, "1.7-1"),
        ("1.2.0", None, "1.2-2"),
        ("1.0.2", None, "1.0-1-cpu-py3"),
        ("0.90", None, "0.90-2-cpu-py3"),
        ("1.4.0", "ml.m6g.large", "1.5-1-arm64"),
    ],
)
def test_xgboost_images(version: str, instance_type: str | None, tag: str) -> None:
    mlmodel = {"flavors": {"xgboost": {"xgb_version": version}}}
    choice = choose(mlmodel, instance_type=instance_type)
    assert choice.image_uri == f"683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:{tag}"


@pytest.mark.parametrize(
    ("pin", "instance_type", "end"),
    [
        (
            "tensorflow==2.15.0",
            None,
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.16.1-cpu",
        ),
        ("tensorflow-cpu==2.20.0", None, "tensorflow-inference:2.20.0-cpu-py312"),
        ("tensorflow==1.15.2", None, "tensorflow-inference:1.15.5-cpu"),
        ("tensorflow==2.12.0", "ml.m7g.large", "tensorflow-inference-graviton:2.12.1-cpu-py310-ubuntu20.04"),
    ],
)
def test_tensorflow_images_by_the_version_that_requirements_pin(
    pin: str, instance_type: str, end: str
) -> None:
    mlmodel = {"flavors": {"tensorflow": {}}}
    choice = choose(mlmodel, requirements=f"mlflow==3\n{pin}\n", instance_type=instance_type)
    assert choice.image_uri.endswith(end)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("cn-north-1", "450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("cn-northwest-1", "451049120500.dkr.ecr.cn-northwest-1.amazonaws.com.cn"),
        ("us-gov-west-1", "414596584902.dkr.ecr.us-gov-west-1.amazonaws.com"),
        ("us-iso-east-1", "833128469047.dkr.ecr.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "281123927165.dkr.ecr.us-isob-east-1.sc2s.sgov.gov"),
        ("eu-central-1", "492215442770.dkr.ecr.eu-central-1.amazonaws.com"),
    ],
)
def test_defect_29_every_partition_of_aws_has_its_own_registry_and_domain(region: str, host: str) -> None:
    assert choose(sklearn(), region=region).image_uri == f"{host}/sagemaker-scikit-learn:1.9-0-cpu-py3"


@pytest.mark.parametrize(
    ("mlmodel", "arguments", "said"),
    [
        (sklearn("2.0.0"), {}, "no scikit-learn 2.x image for cpu (it has 0.20.0, 0.23, 1.0, 1.2, 1.4, 1.9)"),
        (sklearn(), {"region": "xx-new-1"}, "AWS lists no scikit-learn image in xx-new-1"),
        (sklearn(), {"instance_type": "ml.inf2.xlarge"}, "ml.inf2.xlarge has a chip of AWS's own"),
        (
            {"flavors": {"keras": {}}},
            {},
            "neither MLmodel nor requirements.txt tells the version of TensorFlow",
        ),
        ({"flavors": {"onnx": {}}}, {}, "nor has the model the flavour python_function"),
        ({"flavors": {"python_function": {}}}, {}, "no image for the flavour python_function"),
        ({"flavors": {"onnx": {}}}, {"parameters": {"python_function": PYFUNC}}, "nor has the model"),
    ],
)
def test_defect_21_no_image_at_all_is_one_error_that_says_what_to_set(
    mlmodel: dict[str, Any], arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(NoImageError, match=re.escape(said)) as caught:
        choose(mlmodel, **arguments)
    assert "Set the tag sagemaker_deploy_image on the model version, or the parameter" in str(caught.value)


@pytest.mark.parametrize("mlmodel", [{}, {"flavors": {}}])
def test_defect_21_a_model_without_flavours_is_one_error(mlmodel: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match="names no flavour"):
        choose(mlmodel)


@pytest.mark.parametrize("image", ["has space", "a;b", "-x", "a\nb", "x" * 256])
def test_what_is_no_image_is_refused_with_its_place(image: str) -> None:
    with pytest.raises(NoImageError, match=r"the tag sagemaker_deploy_image is .* which is no image"):
        choose(sklearn(), tags={"sagemaker_deploy_image": image})
    with pytest.raises(NoImageError, match="the parameter sklearn_image_uri is"):
        choose(sklearn(), parameters={"sklearn": image})


def test_blank_tags_and_parameters_count_as_none() -> None:
    tags = {"sagemaker_deploy_image": " ", "sagemaker_deploy_flavor": ""}
    assert tag_of(choose(sklearn(), tags=tags, parameters={"sklearn": "  "})) == "1.9-0-cpu-py3"


@given(st.sampled_from(sorted(FRAMEWORKS)), st.tuples(st.integers(0, 4), st.integers(0, 30)))
def test_an_image_is_never_older_than_the_model_when_a_newer_one_of_its_major_exists(
    flavour: str, saved: tuple[int, int]
) -> None:
    images = list(FRAMEWORKS[flavour].images)
    found = closest(saved, images)
    newer = [image for image in images if image.version[0] == saved[0] and image.version[:2] >= saved]
    if newer:
        assert found is not None
        assert found.version[:2] == min(image.version[:2] for image in newer)
    assert found is None or found.version[0] == saved[0]


@pytest.mark.parametrize("flavour", sorted(FRAMEWORKS))
def test_the_tables_hold_accounts_of_twelve_digits_and_legal_tags(flavour: str) -> None:
    framework = FRAMEWORKS[flavour]
    for region, account in framework.accounts.items():
        assert re.fullmatch(r"\d{12}", account)
        assert re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-\d", region)
        assert registry_host(account, region).startswith(f"{account}.dkr.ecr.{region}.")
    for image in framework.images:
        assert image.tag.startswith(".".join(str(part) for part in image.version))
        assert image.processors
