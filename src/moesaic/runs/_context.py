"""What a worker keeps between trials: the data, the space and the settings, loaded once."""

from __future__ import annotations

import platform
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from moesaic.bank import damaged, write_atomic
from moesaic.config import CampaignConfig, SearchConfig
from moesaic.data import Dataset, Normaliser, open_dataset
from moesaic.errors import BuildError, InputError
from moesaic.runs._folder import RunFolder
from moesaic.seeds import generator
from moesaic.spaces import (
    STRIDE_CHOICES,
    CellSpace,
    CellSpaceBase,
    SearchSpace,
    SizedSpace,
    get_space,
)
from moesaic.spaces.families import load_plugin
from moesaic.structure import Partition

_LEAST_TO_HALVE = 16  # pixels a side


@dataclass(frozen=True)
class Context:
    """Everything a trial needs that does not change during a run.

    Attributes:
        folder: the run's directory.
        config: the run's settings.
        dataset: training and validation splits; its test split is empty.
        normaliser: fitted on the training split.
    """

    folder: RunFolder
    config: SearchConfig | CampaignConfig
    dataset: Dataset
    normaliser: Normaliser

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.dataset.classes)

    @property
    def device(self) -> torch.device:
        """Where networks are trained."""
        return check_device(self.config.device)


def check_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is CUDA where there is one, else the CPU.

    Raises:
        InputError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        if name.startswith("meta"):
            raise RuntimeError("it computes nothing")
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = textwrap.shorten(str(error).splitlines()[0], 160, placeholder=" ...")
        raise InputError(
            f"device '{name}' cannot be used here ({reason}): choose auto or cpu"
        ) from None


@lru_cache(maxsize=2)
def load_context(path: str) -> Context:
    """Open a run for training; cached, so that a worker shares it between trials."""
    folder = RunFolder(Path(path))
    dataset, config = open_dataset(folder.data), folder.config()
    if isinstance(config, CampaignConfig):
        for plugin in config.plugins:  # named by the person who started the campaign
            load_plugin(Path(plugin))
    return Context(folder, config, dataset, Normaliser.fit(dataset.train))


def _strides(space: CellSpaceBase, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the stem strides that are drawn where none are given."""
    small = len(input_shape) != 3 or min(input_shape[1:]) < _LEAST_TO_HALVE
    return () if small or not isinstance(space, CellSpace) else STRIDE_CHOICES


def make_space(config: SearchConfig, dataset: Dataset) -> SearchSpace:
    """Return the search space that the settings name, made sure that it fits the data.

    Raises:
        InputError: unknown space, or one whose networks cannot take such inputs.
    """
    name = config.space
    if name == "auto":
        name = "nasbench201" if dataset.is_images else "vector_cells"
    options: dict[str, Any] = {}
    if config.cells_per_stage != 1:  # the least; not every space has cells
        options["cells_per_stage"] = config.cells_per_stage
    if config.widths is not None:
        options["widths"] = config.widths
    space = get_space(name, **options)
    if config.priced and isinstance(space, CellSpaceBase):
        strides = config.stride_choices
        if strides is None:
            strides = _strides(space, dataset.input_shape)
        space = SizedSpace(space, config.width_choices, config.depth_choices, strides)
    elif config.sized:
        raise InputError(
            f"the space {name} draws sizes of its own: omit width_choices, depth_choices and "
            "stride_choices"
        )
    sample = space.sample(generator(config.seed, "space"))
    try:
        if isinstance(space, SizedSpace):
            space.check(sample, dataset.input_shape, len(dataset.classes))
        space.build(sample, dataset.input_shape, len(dataset.classes))
    except BuildError as error:
        raise InputError(
            f"the space {name} does not fit {'images' if dataset.is_images else 'vectors'} of "
            f"shape {dataset.input_shape}: {error}"
        ) from None
    return space


def check_shift(config: SearchConfig | CampaignConfig, dataset: Dataset) -> None:
    """Refuse a random shift that the images have no pixels for, before anything is written.

    Raises:
        InputError: `recipe.shift` is not below the side of the images.
    """
    shift = 0 if config.recipe is None else config.recipe.shift
    side = min(dataset.input_shape[1:], default=shift + 1)
    if shift >= side:
        raise InputError(
            f"recipe.shift is {shift}, but the images have {side} pixels a side: give less"
        )


def save_partition(folder: RunFolder, partition: Partition) -> None:
    """Write the partition, so that workers and a resumed run see the same one."""
    write_atomic(
        folder.structure / "partition.npz",
        lambda file: np.savez(
            file,
            train=partition.train,
            validation=partition.validation,
            count=np.int64(partition.count),
        ),
    )


@lru_cache(maxsize=2)
def load_partition(path: str) -> Partition:
    """Read the partition of the run in `path`.

    Raises:
        DamagedRun: its file is missing or damaged.
    """
    file = Path(path) / "structure" / "partition.npz"
    try:
        with np.load(file, allow_pickle=False) as stored:
            train: NDArray[np.int64] = stored["train"]
            validation: NDArray[np.int64] = stored["validation"]
            return Partition(train, validation, int(stored["count"]))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise damaged(file, f"partition: {error}") from error


@lru_cache(maxsize=1)
def load_splits(path: str) -> Dataset:
    """Open all splits, the test split too: for the final measurement only."""
    return open_dataset(RunFolder(Path(path)).data, test=True)


def forget() -> None:
    """Forget what was read of runs: where one was removed, another may begin at its path."""
    for cached in (load_context, load_partition, load_splits):
        cached.cache_clear()


def versions() -> dict[str, str]:
    """Return the versions a result depends on."""
    names = ("moesaic", "torch", "numpy", "scipy", "scikit-learn")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
