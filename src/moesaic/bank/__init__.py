"""Bank: trials, observations and their stored predictions."""

from moesaic.bank._bank import Bank, Counts, Failure
from moesaic.bank._files import (
    damaged,
    read_checkpoint,
    read_predictions,
    save_checkpoint,
    save_predictions,
    write_atomic,
)
from moesaic.bank._records import CAUSES, Kind, Observation, Status, Trial

__all__ = [
    "CAUSES",
    "Bank",
    "Counts",
    "Failure",
    "Kind",
    "Observation",
    "Status",
    "Trial",
    "damaged",
    "read_checkpoint",
    "read_predictions",
    "save_checkpoint",
    "save_predictions",
    "write_atomic",
]
