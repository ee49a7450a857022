"""A registered MLflow model as plain values, and a packer that packs nothing: what the sync talks to, without a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from registry.errors import RegistryError
from registry.metadata import PackedModel
from registry.mlflow_values import ModelVersion

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"


@dataclass
class FakeMlflow:
    """A registry with one model, ``churn``, that does as a person says. ``down``: what each read raises."""

    versions: dict[str, ModelVersion] = field(default_factory=dict)
    down: RegistryError | None = None
    exists: bool = True
    written: int = 0

    def read_versions(self, model: str) -> tuple[ModelVersion, ...] | None:
        if self.down:
            raise self.down
        return tuple(self.versions.values()) if self.exists and model == "churn" else None

    def write_tags(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        now = self.versions[version.version]
        changed = {key: text for key, text in tags.items() if now.tags.get(key) != text}
        self.written += len(changed)
        self.versions[version.version] = replace(now, tags={**now.tags, **changed})

    def put(self, number: int, stage: str = "None", *aliases: str, **more: object) -> None:
        """Make a version, or change it; an alias leaves the version that held it."""
        for other in self.versions.values():
            self.versions[other.version] = replace(other, aliases=other.aliases - set(aliases))
        kept = self.versions.get(str(number))
        tags = kept.tags if kept else {}
        values: dict[str, object] = {"tags": tags, **more}
        self.versions[str(number)] = ModelVersion(
            "churn",
            str(number),
            f"models:/m-{number}",
            stage=stage,
            aliases=frozenset(aliases),
            **values,  # type: ignore[arg-type]
        )


@dataclass
class FakePacker:
    """``fails``: what each try to pack raises."""

    fails: RegistryError | None = None
    texts: dict[str, str] = field(default_factory=dict)
    packed: int = 0

    def pack(self, version: ModelVersion, group: str, content: str) -> tuple[PackedModel, Mapping[str, str]]:
        if self.fails:
            raise self.fails
        self.packed += 1
        url = f"s3://models/{group}/{version.version}/{content}/model.tar.gz"
        return PackedModel(url, "0" * 64, IMAGE, "closest version"), {"SAGEMAKER_PROGRAM": "inference.py"}

    def keep_text(self, group: str, version: ModelVersion, content: str, text: str) -> str:
        url = f"s3://models/{group}/{version.version}/{content}/version.json"
        self.texts[url] = text
        return url
