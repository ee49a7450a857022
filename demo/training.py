"""Trains the demo's models: three versions of one iris classifier, each better than the one before."""

import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

# Which flowers are held out. With these, each version gives some of them another answer than the version before, so an
# answer tells which version gave it.
_SPLIT = 9


@dataclass(frozen=True, slots=True)
class Flowers:
    """Measured flowers and what they are.

    Attributes:
        measures: one row for each flower: sepal length and width, petal length and width, in cm.
        species: the true class of each, such as ``setosa``.
    """

    measures: list[list[float]]
    species: list[str]


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """One trained version.

    Attributes:
        version: 1, 2 or 3, as MLflow counts.
        recipe: what was trained, in a few words.
        accuracy: share of the held-out flowers that it names right, 0 to 1.
        predictions: its own answer for each held-out flower.
        saved: the model as joblib saves it.
    """

    version: int
    recipe: str
    accuracy: float
    predictions: list[str]
    saved: bytes


def train(version: int) -> TrainedModel:
    """Train a version; the same version gives the same model.

    Args:
        version: 1, 2 or 3.
    """
    recipe, model = _recipe(version)
    learn, ask = _split()
    model.fit(learn.measures, learn.species)
    predictions = [str(name) for name in model.predict(ask.measures)]
    right = sum(said == true for said, true in zip(predictions, ask.species, strict=True))
    saved = io.BytesIO()
    joblib.dump(model, saved)
    return TrainedModel(version, recipe, right / len(predictions), predictions, saved.getvalue())


def held_out() -> Flowers:
    """Give the flowers that no version has seen in training."""
    return _split()[1]


def _recipe(version: int) -> tuple[str, Any]:
    recipes = {
        1: ("decision tree of depth 2", DecisionTreeClassifier(max_depth=2, random_state=0)),
        2: ("logistic regression", make_pipeline(StandardScaler(), LogisticRegression())),
        3: ("support vector machine", make_pipeline(StandardScaler(), SVC(C=10.0))),
    }
    return recipes[version]


@cache
def _split() -> tuple[Flowers, Flowers]:
    iris = load_iris()
    species = [str(iris.target_names[label]) for label in iris.target]
    learn, ask, learn_species, ask_species = train_test_split(
        iris.data.tolist(), species, test_size=1 / 3, random_state=_SPLIT, stratify=species
    )
    return Flowers(learn, learn_species), Flowers(ask, ask_species)
