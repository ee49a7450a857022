import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import NameCollisionError, endpoint_name, refuse_collisions, shorten

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html
AWS_PATTERN = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
GROUPS = st.from_regex(r"[a-zA-Z0-9](-?[a-zA-Z0-9]){0,62}", fullmatch=True).filter(
    lambda name: len(name) <= 63
)
ENVIRONMENTS = st.sampled_from(["Staging", "Production"])


@pytest.mark.parametrize(
    ("group", "environment", "version", "name"),
    [
        ("churn", "Staging", None, "churn-staging"),
        ("churn", "Production", None, "churn-production"),
        ("churn", "Production", "7", "churn-7-Production"),
        ("a" * 55, "Staging", None, "a" * 55 + "-staging"),
        ("a" * 56, "Staging", None, "a" * 54 + "-32bd71dc"),
        ("team.churn_v2", "Staging", None, "team-churn-v2-staging-598a3354"),
    ],
)
def test_names_stay_what_callers_already_use(group, environment, version, name):
    assert endpoint_name(group, environment, version) == name


@given(st.text(), ENVIRONMENTS, st.none() | st.text(max_size=300))
def test_any_name_is_one_that_aws_takes(group, environment, version):
    assert AWS_PATTERN.fullmatch(endpoint_name(group, environment, version))


@given(st.text(), st.integers(9, 200))
def test_a_shortened_name_keeps_within_its_limit_and_stays_the_same(text, limit):
    name = shorten(text, limit)
    assert 0 < len(name) <= limit
    assert shorten(text, limit) == name
    assert shorten(name, limit) == name


@given(st.lists(st.text(max_size=120), min_size=2, max_size=2, unique=True))
def test_two_texts_do_not_become_one_name_unless_one_already_ends_in_the_hash(pair):
    first, second = pair
    if shorten(first, 63) == shorten(second, 63):
        assert shorten(first, 63) in pair


@given(GROUPS, GROUPS, ENVIRONMENTS)
def test_two_groups_never_share_a_stable_endpoint_unseen(first, second, environment):
    names = [endpoint_name(first, environment), endpoint_name(second, environment)]
    if first == second:
        refuse_collisions(zip(names, [first, second], strict=True))
    elif names[0].lower() == names[1].lower():
        with pytest.raises(NameCollisionError, match=re.escape(second)):
            refuse_collisions(zip(names, [first, second], strict=True))


def test_names_that_differ_only_in_case_are_a_collision_because_aws_takes_them_for_one():
    with pytest.raises(
        NameCollisionError, match="group churn and group Churn would both be served as endpoint churn-staging"
    ):
        refuse_collisions([("churn-staging", "group churn"), ("Churn-staging", "group Churn")])


def test_all_collisions_are_named_at_once():
    with pytest.raises(NameCollisionError) as refused:
        refuse_collisions([("a", "one"), ("b", "two"), ("A", "three"), ("B", "four")])
    assert all(owner in str(refused.value) for owner in ("one", "two", "three", "four"))


def test_defect_2_a_new_version_keeps_the_name_of_the_stable_endpoint():
    assert endpoint_name("churn", "Production") == "churn-production"
    assert not re.search(r"\d", endpoint_name("churn", "Production"))


@pytest.mark.parametrize("group", ["my model", "a.b", "a/b", "catalog.schema.model", "m" * 200, "_x_", "ünï"])
def test_defect_31_names_that_aws_refuses_are_made_legal_and_stay_apart(group):
    name = endpoint_name(group, "Production")
    assert AWS_PATTERN.fullmatch(name)
    plain = re.sub(r"[^a-zA-Z0-9]", "-", group).strip("-")[:50]
    assert name != endpoint_name(plain, "Production")
