"""What a trial asks of the machine that runs it: files of the run, a GPU; it moves nothing."""

from __future__ import annotations

from moesaic.config import RunConfig
from moesaic.runs._context import check_device
from moesaic.runs._folder import CONFIG, RunFolder


def trial_needs(
    folder: RunFolder, weights: str | None = None, *, test: bool = False
) -> tuple[str, ...]:
    """Return the files, relative to the run directory, that a worker reads.

    Args:
        folder: the run.
        weights: key of the trial whose weights it loads, or None.
        test: whether it reads the test split; no other worker is sent it.
    """
    data = sorted(
        path.relative_to(folder.path).as_posix()
        for path in folder.data.glob("*")
        if not path.name.startswith(".") and (test or not path.name.startswith("test_"))
    )
    needs = (CONFIG, "structure/partition.npz", *data)
    return needs if weights is None else (*needs, f"checkpoints/{weights}.safetensors")


def gpus_of_a_trial(config: RunConfig) -> float:
    """Return the GPUs that a trial asks a cluster for.

    On one machine the workers share its GPU. On a cluster that was joined every trial gets one,
    and only when `device` says so: what `auto` is there cannot be known here.
    """
    if config.address is not None:
        return 1.0 if config.device.startswith("cuda") else 0.0
    return 1.0 / config.workers if check_device(config.device).type == "cuda" else 0.0
