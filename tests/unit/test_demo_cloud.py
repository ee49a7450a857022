from types import SimpleNamespace

import pytest

from demo.cloud import take
from demo.console import DemoError
from sandbox.files import Files


class Cloud:
    """A local cloud whose resources are one word; as the real one, it empties the state folder with them."""

    def __init__(self, home):
        self.files, self.running, self.holds = Files(home), False, ""

    def start(self):
        if self.running:
            return False
        self.running = True
        self.reset()
        return True

    def reset(self):
        self.holds = ""
        self.files.empty_state()

    def stop(self):
        self.running = False

    def status(self):
        return SimpleNamespace(home=self.files.home, url="http://127.0.0.1:5566")


@pytest.fixture
def cloud(tmp_path):
    return Cloud(tmp_path)


def test_where_no_cloud_runs_the_demo_starts_one(cloud):
    assert take(cloud) == "started"
    assert cloud.running


def test_a_second_and_a_third_demo_empty_the_cloud_of_the_first_without_asking(cloud):
    take(cloud)
    for _ in range(2):
        cloud.holds = "models"
        assert "emptied" in take(cloud)
        assert cloud.holds == ""


def test_a_cloud_that_the_user_started_is_left_as_it_is_and_the_way_on_is_told(cloud):
    cloud.start()
    cloud.holds = "work"
    with pytest.raises(DemoError) as refused:
        take(cloud)
    assert cloud.holds == "work"
    assert "runs already at http://127.0.0.1:5566" in str(refused.value)
    assert "python -m sandbox stop" in str(refused.value)
    assert "SANDBOX_HOME=" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("again", ["restart", "reset"])
def test_a_cloud_that_the_user_started_or_emptied_after_the_demos_is_the_users(cloud, again):
    take(cloud)
    if again == "restart":
        cloud.stop()
        cloud.start()
    else:
        cloud.reset()
    cloud.holds = "work"
    with pytest.raises(DemoError):
        take(cloud)
    assert cloud.holds == "work"
