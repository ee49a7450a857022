"""What holds for every tier: no real AWS account, no network beyond this machine, no verdict by the clock.

Tiers by what they prove: unit (plain functions), components (the program under mocks), runner (the sequence with fakes
for its neighbours), handlers (the receiver with fakes of AWS, and its zip), contract (imports, names, tables), sandbox (the
local cloud), engine (a real Pulumi engine on it).
"""

import os
import socket
from typing import Any

import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_AMBIENT = ("AWS_", "PULUMI_", "MODEL_DEPLOYMENT_MANIFEST")


@pytest.fixture(autouse=True)
def _no_account_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests has an AWS profile and a Pulumi backend, perhaps: no test may see them."""
    for name in os.environ:
        if name.startswith(_AMBIENT):
            monkeypatch.delenv(name)
    for name, value in _ACCOUNT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections of this process stay on this machine."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        here = self.family == getattr(socket, "AF_UNIX", None) or str(address[0]).startswith(
            ("127.", "::1", "localhost")
        )
        assert here, f"a test asks the network: {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
