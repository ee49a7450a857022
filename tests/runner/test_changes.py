from types import SimpleNamespace

import pytest
from pulumi.automation import EngineEvent, OpType
from pulumi.automation.events import StepEventMetadata

from registry import ENDPOINT_TAG
from runner.changes import MODEL_TYPE, ChangeCollector, change_of, removed_endpoints
from runner.state import ENDPOINT_TYPE
from tests.support.fakes import change, child_urn, component_urn, package

URN = child_urn(ENDPOINT_TYPE, "churn-staging", "churn-staging")
TAGS = {ENDPOINT_TAG: "churn-staging"}
COMPONENT = "model-deployment:index:ModelEndpoint"


def metadata(op="update", urn=URN, type_=ENDPOINT_TYPE, new=None, old=None, **more):
    """A step as the engine tells it, in the SDK's own class."""

    def state(inputs):
        return SimpleNamespace(inputs=inputs) if inputs is not None else None

    return StepEventMetadata(OpType(op), urn, type_, "provider", old=state(old), new=state(new), **more)


def event(**parts):
    return EngineEvent(sequence=0, timestamp=0, **parts)


def starts(**step):
    return event(resource_pre_event=SimpleNamespace(metadata=metadata(**step)))


def ends(**step):
    return event(res_outputs_event=SimpleNamespace(metadata=metadata(**step)))


def error(message, urn=URN, severity="error", ephemeral=False):
    found = SimpleNamespace(message=message, urn=urn, severity=severity, ephemeral=ephemeral)
    return event(diagnostic_event=found)


def summary(**counts):
    changes = {OpType(op.replace("_", "-")): number for op, number in counts.items()}
    return event(summary_event=SimpleNamespace(resource_changes=changes))


@pytest.fixture
def said():
    return []


@pytest.fixture
def collector(said):
    return ChangeCollector(said.append)


def feed(collector, *events):
    for each in events:
        collector.on_event(each)
    return collector


def test_a_step_becomes_a_change_with_endpoint_and_properties():
    made = change_of(metadata(new={"tags": TAGS}, diffs=["tags", "endpointConfigName"], keys=["name"]))
    assert (made.op, made.urn, made.type, made.name, made.label, made.endpoint) == (
        "update",
        URN,
        ENDPOINT_TYPE,
        "churn-staging",
        "Endpoint churn-staging",
        "churn-staging",
    )
    assert made.properties == ("endpointConfigName", "name", "tags")


def test_a_models_change_names_its_package():
    container = {"primaryContainer": {"modelPackageName": package("churn", 8)}}
    assert change_of(metadata(type_=MODEL_TYPE, new=container)).package == package("churn", 8)
    assert change_of(metadata(new=container)).package is None


def test_a_deletion_is_told_by_the_old_inputs():
    assert change_of(metadata("delete", old={"tags": TAGS})).endpoint == "churn-staging"


UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # what the engine gives for a value that is not known yet


@pytest.mark.parametrize(
    "inputs",
    [None, {}, {"tags": None}, {"tags": UNKNOWN}, {"primaryContainer": UNKNOWN}, {"primaryContainer": None}],
)
def test_a_step_of_an_unknown_shape_never_raises(collector, inputs):
    feed(collector, starts(type_=MODEL_TYPE, new=inputs))
    (made,) = collector.changes
    assert (made.endpoint, made.package) == (None, None)


def test_events_of_no_interest_are_passed_over(collector):
    feed(collector, event(), ends(), error("", urn=None), error("a hint", severity="warning"))
    assert (collector.changes, collector.errors, collector.summary) == ((), (), None)


def test_each_step_is_said_when_it_begins_and_when_it_ends(collector, said):
    feed(collector, starts(op="create"), ends(op="create"))
    assert said[0] == "creating Endpoint churn-staging"
    assert said[1].startswith("created Endpoint churn-staging (")
    assert collector.changes[0].seconds is not None


@pytest.mark.parametrize(
    ("op", "words"),
    [
        ("create", "creating"),
        ("update", "updating"),
        ("delete", "deleting"),
        ("create-replacement", "replacing"),
    ],
)
def test_each_kind_of_step_has_its_word(collector, said, op, words):
    feed(collector, starts(op=op))
    assert said == [f"{words} Endpoint churn-staging"]


def test_unchanged_resources_components_and_providers_are_not_told(collector, said):
    feed(
        collector,
        starts(op="same"),
        starts(op="create", urn=component_urn("churn-staging"), type_=COMPONENT),
        starts(op="create", urn="urn::aws", type_="pulumi:providers:aws"),
    )
    assert (said, collector.changes) == ([], ())


def test_a_replacement_is_one_change(collector):
    feed(collector, *(starts(op=op) for op in ("create-replacement", "replace", "delete-replaced")))
    assert [made.op for made in collector.changes] == ["replace"]


def test_a_replacement_is_said_and_timed_by_the_making_of_the_new_resource(collector, said):
    steps = [
        (op, step) for op in ("delete-replaced", "replace", "create-replacement") for step in (starts, ends)
    ]
    feed(collector, *(step(op=op) for op, step in steps))
    assert said[0] == "replacing Endpoint churn-staging"
    assert said[1].startswith("replaced Endpoint churn-staging (")
    (made,) = collector.changes
    assert made.seconds == collector._changes["create-replacement", made.urn].seconds


def test_events_and_summary_that_agree_are_complete(collector):
    steps = [starts(op=op) for op in ("create-replacement", "replace", "delete-replaced")]
    counted = summary(create_replacement=1, replace=1, delete_replaced=1, same=7)
    assert feed(collector, *steps, counted).is_complete


def test_components_count_in_the_comparison_with_the_summary(collector):
    step = starts(op="create", urn=component_urn("churn-staging"), type_=COMPONENT)
    assert feed(collector, step, summary(create=1)).is_complete


@pytest.mark.parametrize("counted", [{"create": 2}, {"create": 1, "delete": 1}, {}, {"update": 1}])
def test_a_summary_that_counts_otherwise_is_not_complete(collector, counted):
    assert not feed(collector, starts(op="create"), summary(**counted)).is_complete


def test_without_a_summary_nothing_is_complete(collector):
    assert not feed(collector, starts(op="create")).is_complete


def test_an_error_is_kept_once_with_the_name_of_its_resource(collector):
    feed(
        collector,
        error(" refused\n"),
        error("refused"),
        error("refused", urn=None),
        error("…", ephemeral=True),
    )
    assert collector.errors == (("churn-staging", "refused"), ("", "refused"))


@pytest.mark.parametrize(
    ("op", "removed"), [("delete", True), ("replace", True), ("update", False), ("create", False)]
)
def test_deleted_and_replaced_endpoints_are_removals(op, removed):
    assert removed_endpoints((change(op),)) == (("churn-staging",) if removed else ())


def test_replaced_models_and_configurations_are_no_removals():
    assert removed_endpoints((change("replace", MODEL_TYPE, "churn-staging-model"),)) == ()


def test_an_endpoint_without_our_tag_is_named_by_its_resource():
    assert removed_endpoints((change("delete", endpoint=None),)) == ("churn-staging",)
