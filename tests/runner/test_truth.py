import pytest

from runner import truth
from tests.support.fakes import live


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.time, self.slept = 0.0, []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds


def settle(*answers, names=("churn-staging",), timeout_s=3600.0):
    """Wait with answers that come one after another; gives the last answer, the clock, what was said and asked."""
    clock, said, asked = Clock(), [], []
    left = list(answers)

    def read(which):
        asked.append(list(which))
        answer = left.pop(0) if len(left) > 1 else left[0]
        return {name: answer[name] for name in which}

    last = truth.wait_until_settled(
        read, list(names), timeout_s=timeout_s, say=said.append, sleep=clock.sleep, now=clock.now
    )
    return last, clock, said, asked


def test_an_endpoint_in_service_on_its_configuration_is_true():
    assert truth.untrue({"churn-staging": "config-2"}, {"churn-staging": live("config-2")}) == ()


def test_a_silent_rollback_is_told_with_both_configurations_and_the_reason():
    now = {"churn-staging": live("config-1", failure_reason="the container did not answer /ping")}
    assert truth.untrue({"churn-staging": "config-2"}, now) == (
        "churn-staging still serves config-1, not config-2: AWS rolled the update back. AWS's reason: the container did "
        "not answer /ping",
    )


@pytest.mark.parametrize(
    "status", ["Failed", "OutOfService", "UpdateRollbackFailed", "Updating", "SomethingNew"]
)
def test_every_status_but_in_service_is_untrue_even_on_the_right_configuration(status):
    (said,) = truth.untrue({"churn-staging": "config-2"}, {"churn-staging": live("config-2", status)})
    assert said == f"churn-staging is {status} on config-2."


def test_a_missing_endpoint_is_untrue_also_when_nothing_was_read_of_it():
    missing = ("churn-staging: there is no such endpoint",)
    assert truth.untrue({"churn-staging": "config-2"}, {"churn-staging": None}) == missing
    assert truth.untrue({"churn-staging": "config-2"}, {}) == missing


def test_all_untrue_endpoints_are_told_in_order():
    found = truth.untrue({"b": "c", "a": "c", "good": "c"}, {"good": live("c")})
    assert [line.split(":")[0] for line in found] == ["a", "b"]


def test_a_settled_endpoint_is_read_once_and_nothing_is_said():
    last, clock, said, asked = settle({"churn-staging": live()})
    assert (last, clock.slept, said, len(asked)) == ({"churn-staging": live()}, [], [], 1)


def test_an_endpoint_that_rolls_back_is_waited_for_and_then_told():
    rolling, settled = live("config-1", "RollingBack"), live("config-1")
    last, _, said, _ = settle(
        {"churn-staging": rolling}, {"churn-staging": rolling}, {"churn-staging": settled}
    )
    assert said == ["waiting for churn-staging (RollingBack)"] * 2
    assert "AWS rolled the update back" in truth.untrue({"churn-staging": "config-2"}, last)[0]


@pytest.mark.parametrize("status", sorted(truth.MOVING))
def test_every_status_between_two_states_is_waited_for(status):
    last, clock, _, _ = settle({"churn-staging": live(status=status)}, {"churn-staging": None})
    assert last == {"churn-staging": None}
    assert len(clock.slept) == 1


def test_only_endpoints_that_still_move_are_read_again():
    moving, still = live(status="Updating"), live()
    _, _, _, asked = settle({"a": moving, "b": still}, {"a": still}, names=("a", "b"))
    assert asked == [["a", "b"], ["a"]]


def test_waiting_ends_with_the_time_and_the_last_answer_is_untrue():
    last, clock, _, _ = settle({"churn-staging": live("config-2", "Updating")}, timeout_s=60)
    assert 60 <= clock.time < 60 + 15
    assert "is Updating on config-2" in truth.untrue({"churn-staging": "config-2"}, last)[0]


def test_pauses_grow_to_fifteen_seconds_and_no_further():
    _, clock, _, _ = settle({"churn-staging": live(status="Creating")}, timeout_s=300)
    assert clock.slept[0] == 1.0
    assert clock.slept == sorted(clock.slept)
    assert max(clock.slept) == 15.0
