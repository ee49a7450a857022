"""Which container image serves a model: a plain decision in the predecessor's order, with the reason."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.errors import NoImageError
from registry.framework_images import FRAMEWORKS, Framework, FrameworkImage, Processor, registry_host
from registry.mlmodel import PYFUNC, flavours, main_flavour, pinned_version

IMAGE_TAG, FLAVOUR_TAG = "sagemaker_deploy_image", "sagemaker_deploy_flavor"
"""Tags of a model version in MLflow."""

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelPackageContainerDefinition.html (read 2026-11)
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """The image that serves a model.

    Attributes:
        image_uri: as SageMaker takes it.
        reason: why this one, for a person.
        flavour: that it serves: what `plan_archive` lays the files out for.
        is_exact: whether it has the framework's minor version that the model was saved with, or is somebody's own choice.
    """

    image_uri: str
    reason: str
    flavour: str
    is_exact: bool = True


def choose_image(
    mlmodel: Mapping[str, Any],
    *,
    tags: Mapping[str, str],
    parameters: Mapping[str, str],
    region: str,
    instance_type: str | None = None,
    requirements: str | None = None,
) -> ImageChoice:
    """Choose the image that serves a model.

    The first of these that there is: the tag ``sagemaker_deploy_image``; the parameter of the flavour; AWS's framework image
    of the closest compatible version; the parameter of ``python_function`` for models that have this flavour. The flavour is
    what the tag ``sagemaker_deploy_flavor`` says, else the model's main one.

    Args:
        mlmodel: the MLmodel file, parsed.
        tags: of the model version in MLflow.
        parameters: image by flavour, from the SSM parameters ``…/<flavor>_image_uri``.
        region: where the model will be served.
        instance_type: such as ``ml.m5.large``; None for serverless or unknown: CPU.
        requirements: the artifact's requirements.txt, which may tell the framework's version.

    Returns:
        The image with the reason.

    Raises:
        NoImageError: there is none, or a tag or parameter is not an image or flavour.
        ArtifactError: MLmodel names no flavour.
    """
    flavour = _flavour(mlmodel, tags, parameters)
    if image := tags.get(IMAGE_TAG, "").strip():
        return ImageChoice(_checked(image, f"the tag {IMAGE_TAG}"), f"the tag {IMAGE_TAG} names it", flavour)
    by = f" (which the tag {FLAVOUR_TAG} names)" if tags.get(FLAVOUR_TAG, "").strip() else ""
    if image := parameters.get(flavour, "").strip():
        where = f"the parameter {flavour}_image_uri"
        return ImageChoice(_checked(image, where), f"{where} names it for the flavour {flavour}{by}", flavour)
    found = _framework_image(flavour, mlmodel, region, instance_type, requirements)
    if isinstance(found, ImageChoice):
        return found
    if (image := parameters.get(PYFUNC, "").strip()) and PYFUNC in flavours(mlmodel):
        where = f"the parameter {PYFUNC}_image_uri"
        return ImageChoice(_checked(image, where), f"{where} names it, as {found}", PYFUNC)
    message = (
        f"no image is known for the model: {found}; and there is no parameter {PYFUNC}_image_uri that could serve it"
        f"{'' if PYFUNC in flavours(mlmodel) else f' (nor has the model the flavour {PYFUNC})'}. Set the tag {IMAGE_TAG} "
        f"on the model version, or the parameter {flavour}_image_uri"
    )
    raise NoImageError(message)


def _flavour(mlmodel: Mapping[str, Any], tags: Mapping[str, str], parameters: Mapping[str, str]) -> str:
    named = tags.get(FLAVOUR_TAG, "").strip()
    if not named:
        return main_flavour(mlmodel)
    known = [*flavours(mlmodel), *parameters]
    if named not in known:
        message = (
            f"the tag {FLAVOUR_TAG} is {named[:80]!r}, which is neither a flavour of the model nor one with a parameter. "
            f"Known are {', '.join(dict.fromkeys(known))}; correct the tag"
        )
        raise NoImageError(message)
    return named


def _framework_image(
    flavour: str,
    mlmodel: Mapping[str, Any],
    region: str,
    instance_type: str | None,
    requirements: str | None,
) -> ImageChoice | str:
    """Choose AWS's own image; or say why there is none, as the middle of a sentence."""
    framework = FRAMEWORKS.get(flavour)
    if framework is None:
        return f"AWS has no image for the flavour {flavour} that serves it without a program"
    account = framework.accounts.get(region)
    if account is None:
        return f"AWS lists no {framework.name} image in {region}"
    processor = processor_of(instance_type)
    if processor is None:
        return f"{instance_type} has a chip of AWS's own, for which models are compiled"
    saved = _saved_version(framework, flavours(mlmodel).get(flavour, {}), requirements)
    if saved is None:
        return f"neither MLmodel nor requirements.txt tells the version of {framework.name}"
    usable = [image for image in framework.images if _runs_on(image, processor)]
    image = closest(saved, usable)
    if image is None:
        versions = ", ".join(dict.fromkeys(_shown(image.version) for image in usable)) or "none"
        return f"AWS has no {framework.name} {saved[0]}.x image for {processor} (it has {versions})"
    uri = f"{registry_host(account, region)}/{image.repository}:{image.tag}"
    is_exact = image.version[:2] == saved[:2]
    return ImageChoice(uri, _reason(framework, saved, image, processor), flavour, is_exact)


def closest(saved: tuple[int, ...], images: list[FrameworkImage]) -> FrameworkImage | None:
    """Choose the image closest to a version: the same minor; else the next newer of that major; else the newest older one.

    Of one minor version the last image is taken, as it only has more corrections. None: no image has the same major.
    """
    same = [image for image in images if image.version[0] == saved[0]]
    newer = [image for image in same if image.version[:2] >= saved[:2]]
    if newer:
        minor = min(image.version[:2] for image in newer)
        return max(
            (image for image in newer if image.version[:2] == minor),
            key=lambda image: (image.version, image.tag),
        )
    return max(same, key=lambda image: (image.version, image.tag), default=None)


def processor_of(instance_type: str | None) -> Processor | None:
    """Tell the processor of an instance type; None for AWS's own chips (Inferentia, Trainium).

    ``ml.g…`` and ``ml.p…`` have GPUs, a ``g`` after the generation (``ml.c7g``) means Graviton (``ml.g5g`` has both, and no
    framework image): https://aws.amazon.com/sagemaker/ai/pricing/
    """
    if instance_type is None:
        return "cpu"
    family = instance_type.removeprefix("ml.").split(".")[0]
    found = re.fullmatch(r"([a-z]+)\d+([a-z-]*)", family)
    if found is None:
        return "cpu"
    letters, attributes = found.groups()
    if letters in ("inf", "trn"):
        return None
    if attributes.startswith("g"):
        return "arm64"
    return "gpu" if letters in ("g", "gr", "p") else "cpu"


def _runs_on(image: FrameworkImage, processor: Processor) -> bool:
    # scikit-learn has images for CPUs only; they also run where a GPU lies idle.
    return processor in image.processors or (
        processor == "gpu" and image.repository == "sagemaker-scikit-learn" and "cpu" in image.processors
    )


def _saved_version(
    framework: Framework, content: Mapping[str, Any], requirements: str | None
) -> tuple[int, ...] | None:
    told = content.get(framework.version_key) if framework.version_key else None
    text = str(told or pinned_version(requirements, framework.packages) or "")
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in found.groups() if part is not None) if found else None


def _reason(framework: Framework, saved: tuple[int, ...], image: FrameworkImage, processor: Processor) -> str:
    begin = f"the model was saved with {framework.name} {_shown(saved)}"
    has = f"AWS's image has {_shown(image.version)}"
    if image.version[:2] == saved[:2]:
        return f"{begin}; {has}, the same minor version, for {processor}"
    if image.version[:2] > saved[:2]:
        return f"{begin}; {has}, the next newer one of the same major version that there is for {processor}"
    return f"{begin}; {has}, which is OLDER: AWS has no newer one of the same major version for {processor}"


def _checked(image: str, where: str) -> str:
    if len(image) > _LONGEST or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*", image):
        message = (
            f"{where} is {image[:80]!r}, which is no image: letters, digits and ._/:@- without spaces, at most {_LONGEST}. "
            "Correct it, such as 123456789012.dkr.ecr.us-east-1.amazonaws.com/name:tag"
        )
        raise NoImageError(message)
    return image


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
