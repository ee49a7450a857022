import subprocess
import sys

import pytest

import registry


def test_the_facade_lists_its_names_sorted_and_has_them_all():
    in_order = sorted(registry.__all__, key=lambda name: (not name.isupper(), name.islower(), name))
    assert registry.__all__ == in_order
    assert all(hasattr(registry, name) for name in registry.__all__)


@pytest.mark.parametrize("module", ["registry", "settings"])
def test_importing_a_room_loads_neither_an_aws_sdk_nor_pulumi(module):
    program = f"import sys, {module}; print([m for m in ('boto3', 'botocore', 'pulumi', 'pulumi_aws') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
