import io

import joblib
import pytest

from demo.__main__ import telling_flowers
from demo.training import Flowers, TrainedModel, held_out, train

VERSIONS = (1, 2, 3)


def test_each_version_is_better_than_the_one_before():
    accuracies = [train(version).accuracy for version in VERSIONS]
    assert accuracies == sorted(set(accuracies))
    assert accuracies[0] > 0.8


def test_no_two_versions_answer_alike_so_that_an_answer_tells_its_version():
    answers = {tuple(train(version).predictions) for version in VERSIONS}
    assert len(answers) == len(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_saved_model_answers_as_it_did_when_it_was_trained(version):
    model = train(version)
    loaded = joblib.load(io.BytesIO(model.saved))
    assert loaded.predict(held_out().measures).tolist() == model.predictions


@pytest.mark.parametrize("version", VERSIONS)
def test_training_again_gives_the_same_model(version):
    assert train(version) == train(version)


def test_the_accuracy_is_that_of_the_predictions():
    model, flowers = train(1), held_out()
    right = [said == true for said, true in zip(model.predictions, flowers.species, strict=True)]
    assert model.accuracy == sum(right) / len(right)


def test_the_flowers_shown_are_one_of_each_species_and_wrong_ones_first():
    flowers = Flowers([[1.0], [2.0], [3.0], [4.0]], ["b", "a", "a", "b"])
    model = TrainedModel(1, "", 0.75, ["b", "a", "b", "b"], b"")
    assert telling_flowers(flowers, model) == [2, 0]


def test_the_better_version_names_a_shown_flower_right_that_the_other_named_wrong():
    flowers, second, third = held_out(), train(2), train(3)
    shown = telling_flowers(flowers, second)
    assert any(third.predictions[i] == flowers.species[i] != second.predictions[i] for i in shown)
