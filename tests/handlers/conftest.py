"""The receiver, called as Lambda calls it, with fakes of the three AWS services that obey their rules.

Proves: what each delivery is answered, and what is on the bus and in the table afterwards, also after any failure.
Does not prove: that AWS answers as the fakes do; test_package.py runs botocore itself, and one test holds the table's fake
against another implementation.
"""

import pytest

from tests.support.receiver import Lambda


@pytest.fixture
def receive(monkeypatch) -> Lambda:
    return Lambda(monkeypatch)
