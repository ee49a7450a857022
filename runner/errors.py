"""Why a command of the runner ends badly, and the exit code that says so.

    RunnerError                  1
    ├── SettingsRefused          2   settings or command line; the same again cannot succeed
    ├── BackendAccessError       3   credentials, state bucket or key refused
    ├── ResourceFailure          4   AWS refused or failed an operation, or an endpoint is not what was asked for
    ├── PolicyRefused            5   a guard said no; a person decides
    ├── StackMissing             6
    ├── Cancelled                8   stopped by SIGINT or SIGTERM
    └── StackBusy               75   another update holds the stack; retryable (EX_TEMPFAIL of sysexits.h)

The numbers are those of the Pulumi CLI (sdk/go/common/util/cmdutil/exit.go), and they are stable.
"""

from typing import ClassVar


class RunnerError(Exception):
    """A command cannot go on; the text is for the user and carries no secret."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False


class SettingsRefused(RunnerError):
    """Settings, stack file or command line are wrong."""

    exit_code = 2


class BackendAccessError(RunnerError):
    """Credentials, the state's bucket or its key were refused."""

    exit_code = 3


class ResourceFailure(RunnerError):
    """AWS refused or failed an operation, or a live endpoint is not what was asked for."""

    exit_code = 4


class Unavailable(ResourceFailure):
    """AWS gave no answer, or was too busy, also when asked again."""

    retryable = True


class PolicyRefused(RunnerError):
    """A guard stopped the run before anything was changed."""

    exit_code = 5


class StackMissing(RunnerError):
    """The backend has no such stack."""

    exit_code = 6


class Cancelled(RunnerError):
    """SIGINT or SIGTERM stopped the run; the next deploy finishes what it began."""

    exit_code = 8
    retryable = True


class StackBusy(RunnerError):
    """Another update still holds the stack's lock after the time allowed for waiting."""

    exit_code = 75
    retryable = True
