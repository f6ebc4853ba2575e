"""What can go wrong, as one hierarchy; it holds no logic beyond wording a message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MoesaicError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(MoesaicError):
    """Bad usage or input: one line that says what was given, what was expected, how to mend it."""

    exit_code = 2


class TooLarge(InputError):
    """One job asks for more memory than any machine has; another may not."""


class RunFailed(MoesaicError):
    """The run itself could not go on (no trial succeeded, the database refused, ...)."""


class DamagedRun(RunFailed):
    """A file of the run is missing or damaged; put back, the run can be resumed."""

    exit_code = 2


class DiskFull(RunFailed):
    """There was no room to write; once there is, the run can be resumed and nothing is lost."""

    exit_code = 2


class Interrupted(MoesaicError):
    """The person stopped the run; it can be resumed."""

    exit_code = 130


class TrialError(MoesaicError):
    """A trial failed; `cause` is one of the causes the bank stores."""

    cause = "error"


class BuildError(TrialError):
    """The network could not be built or cannot take the input shape."""

    cause = "build_error"


class Diverged(TrialError):
    """The training loss became infinite or not a number."""

    cause = "diverged"


class TimeLimit(TrialError):
    """The trial ran longer than it was allowed to."""

    cause = "time_limit"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error for a name nobody registered, with the nearest known names.

    Args:
        kind: what was being looked up, as a noun ("space", "strategy").
        name: what the person wrote.
        known: every name that would have worked.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(names)}"
    return InputError(f"unknown {kind} {name!r}: {hint}")
