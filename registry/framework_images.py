"""AWS's framework images that serve models: versions, tags and the accounts that hold them, as data.

Source: `sagemaker-core` 2.27.0 on PyPI (2026-10-21), its files image_uri_config/sklearn.json, xgboost.json, tensorflow.json
(scopes inference and inference_graviton) and image_uris.py (how a tag is made of them). To raise it, read the newest there;
AWS's own lists: https://docs.aws.amazon.com/sagemaker/latest/dg-ecr-paths/sagemaker-algo-docker-registry-paths.html and
https://github.com/aws/deep-learning-containers/blob/master/available_images.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Processor = Literal["cpu", "gpu", "arm64"]


@dataclass(frozen=True, slots=True)
class FrameworkImage:
    """One image: the framework's version in it, its repository and tag, and the processors that it runs on."""

    version: tuple[int, ...]
    repository: str
    tag: str
    processors: tuple[Processor, ...]


@dataclass(frozen=True, slots=True)
class Framework:
    """How a flavour is served by AWS's own images.

    Attributes:
        name: for a person.
        packages: names on PyPI, of which a pin tells the version.
        version_key: entry of the flavour in MLmodel that tells the version; None: none does.
        images: all of them, in order of their versions.
        accounts: that hold the images, by region.
    """

    name: str
    packages: tuple[str, ...]
    version_key: str | None
    images: tuple[FrameworkImage, ...]
    accounts: Mapping[str, str]


_ALGORITHMS = {
    "af-south-1": "510948584623",
    "ap-east-1": "651117190479",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "341280168497",
    "ca-west-1": "190319476487",
    "cn-north-1": "450853457545",
    "cn-northwest-1": "451049120500",
    "eu-central-1": "492215442770",
    "eu-central-2": "680994064768",
    "eu-north-1": "662702820516",
    "eu-south-1": "978288397137",
    "eu-south-2": "104374241257",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "il-central-1": "898809789911",
    "me-central-1": "272398656194",
    "me-south-1": "801668240914",
    "sa-east-1": "737474898029",
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-gov-east-1": "237065988967",
    "us-gov-west-1": "414596584902",
    "us-iso-east-1": "833128469047",
    "us-isob-east-1": "281123927165",
    "us-isof-east-1": "108575199400",
    "us-isof-south-1": "124985052026",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
}
"""Accounts of the scikit-learn and XGBoost images."""

_DEEP_LEARNING = {
    **dict.fromkeys(
        (
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-south-1",
            "ap-southeast-1",
            "ap-southeast-2",
            "ca-central-1",
            "eu-central-1",
            "eu-north-1",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "sa-east-1",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        ),
        "763104351884",
    ),
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "mx-central-1": "637423239942",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}
"""Accounts of the TensorFlow images."""

_TENSORFLOW = (
    "1.13.0 1.14.0 1.15.0 1.15.2 1.15.3 1.15.4 1.15.5 2.0.0 2.0.1 2.0.2 2.0.3 2.0.4 2.1.0 2.1.1 "
    "2.1.2 2.1.3 2.2.0 2.2.1 2.2.2 2.3.0 2.3.1 2.3.2 2.4.1 2.4.3 2.5.1 2.6.0 2.6.3 2.7.0 2.8.0 2.8.4 "
    "2.9.2 2.9.3 2.10.0 2.10.1 2.11.0 2.11.1 2.12.1 2.13.0 2.14.1 2.16.1 2.18.0 2.19.0 2.20.0"
)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-", 1)[0].split("."))


def _sklearn(text: str, tag: str = "") -> FrameworkImage:
    return FrameworkImage(
        _version(text),
        "sagemaker-scikit-learn",
        tag or f"{text}-cpu-py3",
        ("arm64",) if "arm64" in tag else ("cpu",),
    )


def _xgboost(text: str, processors: tuple[Processor, ...] = ("cpu", "gpu")) -> FrameworkImage:
    return FrameworkImage(_version(text), "sagemaker-xgboost", text, processors)


def _tensorflow(text: str) -> tuple[FrameworkImage, ...]:
    python = "-py312" if text == "2.20.0" else ""
    processors: tuple[Processor, ...] = ("cpu", "gpu")
    return tuple(
        FrameworkImage(_version(text), "tensorflow-inference", f"{text}-{processor}{python}", (processor,))
        for processor in processors
    )


def _tensorflow_arm(text: str, python: str) -> FrameworkImage:
    tag = f"{text}-cpu-{python}-ubuntu20.04"
    return FrameworkImage(_version(text), "tensorflow-inference-graviton", tag, ("arm64",))


_OF_TENSORFLOW = Framework(
    "TensorFlow",
    ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"),
    None,
    (
        *(image for text in _TENSORFLOW.split() for image in _tensorflow(text)),
        _tensorflow_arm("2.9.1", "py38"),
        *(_tensorflow_arm(text, "py310") for text in ("2.12.1", "2.13.0", "2.14.1", "2.16.1")),
    ),
    _DEEP_LEARNING,
)

FRAMEWORKS: Mapping[str, Framework] = {
    "sklearn": Framework(
        "scikit-learn",
        ("scikit-learn",),
        "sklearn_version",
        (
            *(_sklearn(text) for text in ("0.20.0", "0.23-1", "1.0-1", "1.2-1", "1.4-2-py312", "1.9-0")),
            _sklearn("1.0-1", "1.0-1-arm64-cpu-py3"),
        ),
        _ALGORITHMS,
    ),
    "xgboost": Framework(
        "XGBoost",
        ("xgboost", "xgboost-cpu"),
        "xgb_version",
        (
            *(_xgboost(f"{text}-cpu-py3", ("cpu",)) for text in ("0.90-1", "0.90-2", "1.0-1")),
            *(_xgboost(text) for text in ("1.2-1", "1.2-2", "1.3-1", "1.5-1", "1.7-1", "3.0-5", "3.2-0")),
            *(_xgboost(f"{text}-arm64", ("arm64",)) for text in ("1.3-1", "1.5-1")),
        ),
        _ALGORITHMS,
    ),
    "tensorflow": _OF_TENSORFLOW,
    "keras": _OF_TENSORFLOW,
}
"""Flavours that AWS's own images serve."""

_SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isoe-": "cloud.adc-e.uk",
    "eu-isoe-": "cloud.adc-e.uk",
    "us-isof-": "csp.hci.ic.gov",
    "eusc-": "amazonaws.eu",
}
"""Domain of AWS's partitions by the beginning of their regions' names (botocore's partitions.json)."""


def registry_host(account: str, region: str) -> str:
    """Give the address of an account's images in a region, in whichever partition of AWS that is."""
    suffix = next(
        (suffix for begin, suffix in _SUFFIXES.items() if region.startswith(begin)), "amazonaws.com"
    )
    return f"{account}.dkr.ecr.{region}.{suffix}"
