import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import guards
from tests.support.fakes import live


def test_the_allowed_account_passes():
    assert guards.wrong_account("123456789012", "123456789012") is None


def test_another_account_is_refused_with_both_numbers_and_the_key_to_change():
    said = guards.wrong_account("999999999999", "123456789012")
    assert said.startswith(
        "wrong account: these credentials are for 999999999999, the stack file allows 123456789012"
    )
    assert "allowedAccount" in said
    assert "nothing was" in said


def test_too_many_removals_name_every_endpoint_the_limit_and_the_flag():
    said = guards.too_many_removals(["a-staging", "b-staging"], most=1, allowed=False)
    assert said == (
        "this run would delete 2 endpoints: a-staging, b-staging; maxRemovals of this stack is 1; nothing was deployed. "
        "If that is meant, repeat with --allow-removals"
    )


def test_one_removal_is_said_in_the_singular():
    assert "delete 1 endpoint: a;" in guards.too_many_removals(["a"], most=0, allowed=False)


@given(st.lists(st.text("ab", min_size=1), max_size=5), st.integers(0, 5), st.booleans())
def test_a_run_is_refused_exactly_when_it_removes_more_than_allowed_and_nobody_allowed_it(
    removed, most, allowed
):
    refused = guards.too_many_removals(removed, most=most, allowed=allowed) is not None
    assert refused == (len(removed) > most and not allowed)


def test_only_live_instance_endpoints_that_shall_be_serverless_must_be_made_anew():
    wanted = {"b": True, "a": True, "stays": False, "new": True, "was serverless": True}
    now = {
        "b": live(),
        "a": live(),
        "stays": live(),
        "new": None,
        "was serverless": live(kind="serverless"),
    }
    assert guards.one_way_moves(wanted, now) == ("a", "b")


def test_a_refused_move_names_the_endpoints_the_price_and_the_flag():
    said = guards.refused_move(["a", "b"])
    assert "from instances to serverless: a, b." in said
    assert "without an answer in between" in said
    assert said.endswith("repeat with --allow-removals")


@pytest.mark.parametrize(("number", "said"), [(0, "0 endpoints"), (1, "1 endpoint"), (2, "2 endpoints")])
def test_counts_are_said_as_people_say_them(number, said):
    assert guards.count(range(number)) == said
