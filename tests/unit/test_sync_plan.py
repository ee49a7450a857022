"""The sync's decisions: which versions are wanted, and what becomes of each package."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.metadata import CONTENT_KEY, ENVIRONMENTS_KEY, identity, promotion
from registry.mlflow_values import ModelVersion
from registry.sync_plan import plan_steps
from registry.values import Package
from registry.wanted import DEFAULT_ALIASES, content_digest, environments_of, wanted_versions

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn"


def version(number, stage="None", *aliases, **more):
    return ModelVersion(
        "churn", str(number), f"models:/m-{number}", stage=stage, aliases=frozenset(aliases), **more
    )


def package(number, metadata, **more):
    values = {"status": "Completed", "approval": "Approved", **more}
    return Package(arn=f"{ARN}/{number}", group="churn", version=number, metadata=metadata, **values)


def made_from(number, of, environments, **more):
    """The package as the sync made it."""
    metadata = {**identity(of, content_digest(of, {})), **promotion(of, frozenset(environments))}
    return package(number, metadata, **more)


def plan(versions, packages=(), served=()):
    wanted = wanted_versions(versions, DEFAULT_ALIASES)
    contents = {each.version: content_digest(each, {}) for each in versions}
    return plan_steps("churn", versions, wanted, contents, packages, frozenset(served))


def told(steps):
    return [(step.action, step.version, step.package.version if step.package else None) for step in steps]


@pytest.mark.parametrize(
    ("of", "environments"),
    [
        (version(1, "Staging"), {"Staging"}),
        (version(1, "production"), {"Production"}),
        (version(1, "None", "champion"), {"Production"}),
        (version(1, "Staging", "champion"), {"Production", "Staging"}),
        (version(1, "None", "champion", "challenger"), {"Production", "Staging"}),
        (version(1, "Archived", "blue"), set()),
    ],
)
def test_stages_and_aliases_say_where_a_version_is_wanted(of, environments):
    assert environments_of(of, DEFAULT_ALIASES) == environments


def test_a_promoted_version_is_registered_and_the_others_are_left_alone():
    (step,) = plan([version(1), version(2, "Staging"), version(3, "Archived")])
    assert (step.action, step.version, step.reason) == (
        "register",
        "2",
        "Staging: no package yet of what it is now",
    )


def test_a_package_that_is_equal_is_kept():
    of = version(2, "Staging")
    assert told(plan([of], [made_from(1, of, {"Staging"})])) == [("keep", "2", 1)]


def test_a_version_whose_artifacts_are_not_complete_is_waited_for():
    assert told(plan([version(1, "Staging", status="PENDING_REGISTRATION")])) == [("wait", "1", None)]


def test_an_alias_that_moves_updates_both_versions_and_registers_nothing():
    old, new = version(1), version(2, "None", "champion")
    packages = [made_from(1, version(1, "None", "champion"), {"Production"}), made_from(2, version(2), ())]
    steps = plan([old, new], packages)
    assert told(steps) == [("update", "1", 1), ("update", "2", 2)]
    assert (steps[0].write, steps[0].remove) == ({ENVIRONMENTS_KEY: "None"}, ("mlflow_aliases",))
    assert steps[1].write == {ENVIRONMENTS_KEY: "Production", "mlflow_aliases": "champion"}


@pytest.mark.parametrize("tag", ["sagemaker_deploy_image", "sagemaker_deploy_flavor"])
def test_defect_12_another_image_or_flavour_of_the_same_version_makes_another_package(tag):
    before, after = version(1, "Staging"), version(1, "Staging", tags={tag: "other"})
    first = made_from(1, before, {"Staging"})
    assert told(plan([after], [first])) == [("register", "1", None), ("keep", "1", 1)]
    second = made_from(2, after, {"Staging"})
    assert told(plan([after], [first, second], served=[first.arn])) == [("keep", "1", 2), ("keep", "1", 1)]
    assert told(plan([after], [first, second])) == [("keep", "1", 2), ("retire", "1", 1)]


def test_a_former_package_stays_until_the_new_one_is_approved():
    before, after = version(1, "Staging"), version(1, "Staging", tags={"sagemaker_deploy_image": "other"})
    packages = [
        made_from(1, before, {"Staging"}),
        made_from(2, after, {"Staging"}, approval="PendingManualApproval"),
    ]
    assert told(plan([after], packages)) == [("keep", "1", 2), ("keep", "1", 1)]


def test_other_tags_change_nothing():
    of = version(1, "Staging")
    tagged = replace(of, tags={"owner": "me", "sagemaker.package_arn": "x"})
    assert told(plan([tagged], [made_from(1, of, {"Staging"})])) == [("keep", "1", 1)]


def test_defect_5_a_package_leaves_the_selection_first_and_the_group_only_when_nothing_serves_it():
    promoted, demoted = version(1, "Production"), version(1, "Archived")
    served = made_from(1, promoted, {"Production"})
    assert told(plan([demoted], [served], served=[served.arn])) == [("update", "1", 1)]
    left = made_from(1, demoted, ())
    assert told(plan([demoted], [left], served=[left.arn])) == [("keep", "1", 1)]
    assert told(plan([demoted], [left])) == [("retire", "1", 1)]


def test_a_version_that_is_gone_from_mlflow_is_retired_in_the_same_two_steps():
    of = version(1, "Staging")
    (step,) = plan([], [made_from(1, of, {"Staging"})])
    assert (step.action, step.write) == ("update", {ENVIRONMENTS_KEY: "None", "mlflow_current_stage": "None"})
    gone = package(1, {**identity(of, "c"), ENVIRONMENTS_KEY: "None", "mlflow_current_stage": "None"})
    assert told(plan([], [gone])) == [("retire", "1", 1)]


def test_defect_14_packages_of_others_are_named_and_never_touched():
    foreign = [
        package(1, {}),
        package(2, {"mlflow_name": "other", "mlflow_version": "1"}),
        package(3, {"mlflow_version": "9"}),
    ]
    steps = plan([], foreign)
    assert [step.action for step in steps] == ["ignore"] * 3
    assert "never touched" in steps[0].reason


def test_a_package_of_the_predecessor_is_known_by_its_version_and_kept():
    theirs = package(1, {"mlflow_name": "churn", "mlflow_version": "1", "mlflow_current_stage": "Staging"})
    (step,) = plan([version(1, "Staging")], [theirs])
    assert (step.action, step.write) == ("update", {ENVIRONMENTS_KEY: "Staging"})


def test_defect_11_two_versions_of_one_run_and_versions_without_run_are_told_apart():
    versions = [
        version(1, "Staging", run_id="r"),
        version(2, "Production", run_id="r"),
        version(3, "Production"),
    ]
    assert told(plan(versions)) == [("register", "1", None), ("register", "2", None), ("register", "3", None)]


def test_a_package_that_failed_is_made_anew():
    of = version(1, "Staging")
    failed = made_from(1, of, {"Staging"}, status="Failed")
    assert told(plan([of], [failed]))[0] == ("register", "1", None)


VERSIONS = st.lists(
    st.builds(
        version,
        st.integers(1, 6),
        st.sampled_from(["None", "Staging", "Production", "Archived"]),
        st.sampled_from(["champion", "challenger", "blue"]),
    ),
    unique_by=lambda each: each.version,
)


def applied(steps, versions, packages):
    """The group after the steps, by a simple model of AWS."""
    after = {each.arn: each for each in packages}
    known = {each.version: each for each in versions}
    for step in steps:
        if step.action == "register":
            number = max((each.version for each in after.values()), default=0) + 1
            made = made_from(number, known[step.version], step.environments)
            after[made.arn] = made
        elif step.action == "update":
            metadata = {**step.package.metadata, **step.write}
            after[step.package.arn] = replace(
                step.package, metadata={key: text for key, text in metadata.items() if key not in step.remove}
            )
        elif step.action == "retire":
            del after[step.package.arn]
    return list(after.values())


@given(VERSIONS, VERSIONS)
def test_from_any_state_two_runs_reach_one_where_nothing_is_left_to_do(before, after):
    packages = applied(plan(before), before, [package(99, {})])
    for _ in range(2):
        packages = applied(plan(after, packages), after, packages)
    assert {step.action for step in plan(after, packages)} <= {"keep", "ignore"}
    served = {
        each.metadata["mlflow_version"]: each.metadata[ENVIRONMENTS_KEY] for each in packages if each.metadata
    }
    wanted = {
        number: " ".join(sorted(where)) for number, where in wanted_versions(after, DEFAULT_ALIASES).items()
    }
    assert served == wanted
    assert any(not each.metadata for each in packages)


@given(VERSIONS, VERSIONS)
def test_what_is_served_is_never_retired(before, after):
    packages = applied(plan(before), before, [])
    served = [each.arn for each in packages]
    for _ in range(3):
        steps = plan(after, packages, served)
        assert "retire" not in {step.action for step in steps}
        packages = applied(steps, after, packages)


def test_the_content_of_a_package_is_in_its_metadata():
    of = version(1, "Staging")
    assert made_from(1, of, {"Staging"}).metadata[CONTENT_KEY] == content_digest(of, {})
    assert content_digest(of, {}) != content_digest(of, {"sklearn": "image"})
