import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import GroupRequest, Package, Select, select
from registry.selection import mlflow_aliases


def package(version, *, group="churn", **values):
    known = {"status": "Completed", "approval": "Approved", "metadata": {"mlflow_current_stage": "Staging"}}
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/{version}"
    return Package(arn=arn, group=group, version=version, **(known | values))


def chosen(packages, wanted=None, environment="Staging", *, per_version=False):
    """Endpoint names with the version they get, and the reason of each version that gets none."""
    selection = select(GroupRequest("churn", wanted or Select(), per_version), environment, packages)
    ignored = {int(entry.package_arn.rpartition("/")[2]): entry.reason for entry in selection.ignored}
    return {name: package.version for name, package in selection.chosen.items()}, ignored


def staged(version, stage, **values):
    metadata = {"mlflow_current_stage": stage, "mlflow_version": str(version)}
    return package(version, metadata=metadata, **values)


def test_the_stage_of_the_environments_name_serves_unless_told_otherwise():
    packages = [staged(1, "Archived"), staged(2, "Staging"), staged(3, "Production")]
    assert chosen(packages) == (
        {"churn-staging": 2},
        {1: "mlflow stage is Archived, not Staging", 3: "mlflow stage is Production, not Staging"},
    )
    assert chosen(packages, environment="Production")[0] == {"churn-production": 3}
    assert chosen(packages, Select("MlflowStage", "Archived"))[0] == {"churn-staging": 1}


def test_the_environments_that_the_sync_wrote_go_before_the_stage():
    both = package(
        1, metadata={"mlflow_current_stage": "Archived", "deploy_environments": "Production Staging"}
    )
    none = package(2, metadata={"mlflow_current_stage": "Staging", "deploy_environments": "None"})
    assert chosen([both, none]) == ({"churn-staging": 1}, {2: "it is for None, not for Staging"})
    assert chosen([both, none], environment="Production")[0] == {"churn-production": 1}


def test_of_two_versions_for_one_endpoint_the_newest_approved_serves_and_the_other_is_named():
    packages = [staged(9, "Staging"), staged(10, "Staging"), staged(11, "Staging", approval="Rejected")]
    assert chosen(packages) == (
        {"churn-staging": 10},
        {
            9: "version 10 is newer and claims the same endpoint churn-staging",
            11: "approval status is Rejected, not Approved",
        },
    )


def test_an_endpoint_per_version_is_named_as_the_predecessor_named_it():
    packages = [staged(9, "Production"), staged(10, "Production")]
    assert chosen(packages, environment="Production", per_version=True) == (
        {"churn-9-Production": 9, "churn-10-Production": 10},
        {},
    )


def test_an_endpoint_per_version_without_mlflow_takes_the_package_version():
    assert chosen([package(4, metadata={})], Select("LatestApproved"), per_version=True)[0] == {
        "churn-4-Staging": 4
    }


def test_one_mlflow_version_registered_twice_serves_once():
    again = package(2, metadata={"mlflow_current_stage": "Staging", "mlflow_version": "1"})
    served, ignored = chosen([staged(1, "Staging"), again], per_version=True)
    assert served == {"churn-1-Staging": 2}
    assert ignored == {1: "version 2 is newer and claims the same endpoint churn-1-Staging"}


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Failed", "Deleting"])
def test_a_package_that_sagemaker_did_not_complete_is_ignored_with_its_status(status):
    assert chosen([package(1, status=status)]) == ({}, {1: f"package status is {status}, not Completed"})


@pytest.mark.parametrize("approval", ["Rejected", "PendingManualApproval", "not set"])
def test_a_package_that_nobody_approved_is_ignored_with_its_approval(approval):
    assert chosen([package(1, approval=approval)]) == (
        {},
        {1: f"approval status is {approval}, not Approved"},
    )


def test_a_package_without_a_container_is_ignored():
    _, ignored = chosen([package(1, deployable=False)], Select("LatestApproved"))
    assert "names no container" in ignored[1]


def test_the_alias_decides_where_it_is_asked_for():
    packages = [
        package(1, metadata={"mlflow_aliases": "['champion', 'blue']"}),
        package(2, metadata={"mlflow_aliases": "champion-2 champions"}),
        package(3, metadata={"mlflow_aliases": "[]"}),
    ]
    served, ignored = chosen(packages, Select("MlflowAlias", "champion"))
    assert served == {"churn-staging": 1}
    assert ignored[2] == "mlflow aliases are champion-2, champions; champion is not among them"
    assert ignored[3] == "mlflow aliases are none; champion is not among them"


@pytest.mark.parametrize(
    ("stored", "aliases"),
    [
        ("[]", set()),
        ("", set()),
        ("champion", {"champion"}),
        ("champion challenger", {"champion", "challenger"}),
        ("['champion']", {"champion"}),
        ("['champion', 'the-2nd_one']", {"champion", "the-2nd_one"}),
        ('["champion"]', {"champion"}),
    ],
)
def test_aliases_are_read_in_both_stored_forms(stored, aliases):
    assert mlflow_aliases(stored) == aliases


@given(st.sets(st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)))
def test_any_aliases_come_back_from_the_predecessors_text_and_from_the_plain_one(aliases):
    assert mlflow_aliases(str(sorted(aliases))) == aliases
    assert mlflow_aliases(" ".join(aliases)) == aliases


def test_the_life_cycle_decides_where_it_is_asked_for():
    packages = [
        package(1, metadata={}, stage="staging", stage_status="active"),
        package(2, metadata={}, stage="staging", stage_status="pending"),
        package(3, metadata={}, stage="production", stage_status="active"),
        package(4, metadata={}),
    ]
    assert chosen(packages, Select("LifeCycle"))[0] == {"churn-staging": 2}
    served, ignored = chosen(packages, Select("LifeCycle", "Staging/Active"))
    assert served == {"churn-staging": 1}
    assert ignored == {
        2: "life cycle is staging/pending, not Staging/Active",
        3: "life cycle is production/active, not Staging/Active",
        4: "the package has no ModelLifeCycle",
    }


def test_latest_approved_takes_the_highest_version_not_the_last_listed():
    assert chosen([package(10), package(9)], Select("LatestApproved"))[0] == {"churn-staging": 10}


@pytest.mark.parametrize("wanted", [Select(), Select("MlflowAlias", "champion")])
def test_defect_14_a_foreign_package_is_ignored_with_the_reason_and_stops_nobody(wanted):
    ours = package(1, metadata={"mlflow_current_stage": "Staging", "mlflow_aliases": "champion"})
    served, ignored = chosen([ours, package(2, metadata={}), package(3, metadata={"team": "x"})], wanted)
    assert served == {"churn-staging": 1}
    assert all("no MLflow metadata" in ignored[version] for version in (2, 3))


PACKAGES = st.lists(
    st.builds(
        package,
        st.integers(1, 60),
        status=st.sampled_from(["Completed", "Failed"]),
        approval=st.sampled_from(["Approved", "Rejected"]),
        metadata=st.dictionaries(
            st.sampled_from(["mlflow_current_stage", "mlflow_aliases", "mlflow_version", "other"]),
            st.sampled_from(["Staging", "Production", "champion", "3", ""]),
        ),
        stage=st.none() | st.sampled_from(["Staging", "Production"]),
        deployable=st.booleans(),
    ),
    unique_by=lambda package: package.version,
)
SELECTS = st.sampled_from(
    [Select(), Select("MlflowAlias", "champion"), Select("LifeCycle"), Select("LatestApproved")]
)


@given(PACKAGES, SELECTS, st.booleans(), st.randoms())
def test_each_package_is_served_or_ignored_once_and_the_order_of_reading_changes_nothing(
    packages, wanted, per_version, random
):
    request = GroupRequest("churn", wanted, per_version)
    selection = select(request, "Staging", packages)
    arns = [entry.arn for entry in selection.chosen.values()] + [
        entry.package_arn for entry in selection.ignored
    ]
    assert sorted(arns) == sorted(entry.arn for entry in packages)
    assert all(entry.may_serve and entry.deployable for entry in selection.chosen.values())
    assert all(entry.reason for entry in selection.ignored)
    random.shuffle(packages)
    assert select(request, "Staging", packages) == selection


@given(PACKAGES, SELECTS)
def test_the_stable_endpoint_gets_the_newest_of_those_that_may_have_it(packages, wanted):
    selection = select(GroupRequest("churn", wanted, False), "Staging", packages)
    newer = [
        p for p in packages if p.version > max((c.version for c in selection.chosen.values()), default=0)
    ]
    assert len(selection.chosen) <= 1
    assert not any(select(GroupRequest("churn", wanted, False), "Staging", [p]).chosen for p in newer)
