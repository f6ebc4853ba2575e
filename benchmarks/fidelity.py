"""What losses after few epochs add to a surrogate of the losses after many, on real trainings.

Cells are trained for some epochs, measured on every domain of the data, and trained on. From some
of them a surrogate learns the loss at the end; Kendall's tau is taken on the others, whose early
loss is known too: by the surrogate without it, with it (`LowerFidelity`), and by the early loss
alone.

    python -m benchmarks.fidelity --data mosaic --cells 80
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks._nasbench_tau import mean_tau
from benchmarks._show import answer, show_kendall
from moesaic.bank import Observation, Trial
from moesaic.config import Recipe
from moesaic.data import Dataset, Normaliser, load_dataset
from moesaic.errors import InputError
from moesaic.runs._evidence import mean_interval
from moesaic.seeds import derive_seed, generator
from moesaic.spaces import Architecture, SearchSpace, get_space
from moesaic.surrogate import LowerFidelity, get_surrogate
from moesaic.training import cross_entropy_objective, fit, measure

SIZES = (10, 20, 40)
LEAST_UNSEEN = 20
KINDS = ("early loss alone", "without", "with", "gain")


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Train the cells, then learn from draws of them.

    Raises:
        InputError: the data are bad, or a number is out of range.
    """
    if not 1 <= words.early < words.epochs or words.draws < 2:
        raise InputError(
            f"--early is {words.early}, --epochs {words.epochs}, --draws {words.draws}: "
            "give 1 <= early < epochs, and 2 draws or more"
        )
    if words.cells < SIZES[0] + LEAST_UNSEEN:
        raise InputError(f"--cells is {words.cells}: give {SIZES[0] + LEAST_UNSEEN} or more")
    torch.set_num_threads(1)
    dataset = load_dataset(words.data, image_size=words.image_size, seed=words.seed)
    if not dataset.is_images:
        raise InputError(f"{words.data} holds no images: cells need some")
    space = get_space("nasbench201", widths=(8, 16, 32))
    cells = draw_cells(space, words.cells, words.seed)
    normaliser = Normaliser.fit(dataset.train)
    rows = []
    for place, cell in enumerate(cells):
        rows.append(train(space, cell, dataset, normaliser, words, place))
        if place % 10 == 9:
            print(f"{place + 1} of {len(cells)} cells", file=sys.stderr, flush=True)
    early, late = ([pair[side] for pair in rows] for side in (0, 1))
    told: dict[str, Any] = {"cells": len(cells), "kendall": {}}
    for size in (size for size in SIZES if len(cells) >= size + LEAST_UNSEEN):
        draws = [one_draw(space, early, late, size, words.seed, n) for n in range(words.draws)]
        told["kendall"][str(size)] = {
            kind: mean_interval(values)._asdict()
            for kind, values in zip(KINDS, np.asarray(draws).T, strict=True)
        }
    return told


def draw_cells(space: SearchSpace, count: int, seed: int) -> list[Architecture]:
    """Return different cells, drawn one after the other."""
    found: dict[str, Architecture] = {}
    for draw in range(20 * count):
        cell = space.sample(generator(seed, "fidelity/cell", draw))
        found.setdefault(cell.key, cell)
        if len(found) == count:
            break
    return list(found.values())


def train(
    space: SearchSpace,
    cell: Architecture,
    dataset: Dataset,
    normaliser: Normaliser,
    words: argparse.Namespace,
    place: int,
) -> tuple[Observation, Observation]:
    """Train one cell and return what it reached early and at the end, on every domain."""
    seed = derive_seed(words.seed, "fidelity", place)
    torch.manual_seed(seed)
    network = space.build(cell, dataset.input_shape, len(dataset.classes))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    domains = domains_of(dataset)
    found = []
    for step, epochs in enumerate((words.early, words.epochs - words.early)):
        recipe = Recipe(epochs=epochs)
        drawn = derive_seed(seed, "rung", step)
        objective = cross_entropy_objective(network, recipe, seed=drawn)
        fit(network, objective, dataset.train, normaliser, recipe, seed=drawn)
        told = measure(network, dataset.validation, normaliser, domains, int(domains.max()) + 1)
        trial = Trial("expert", f"rung-{step}", place, seed, cell)
        found.append(Observation(trial, told.loss, told.accuracy, 1, 1, 1.0))
    return found[0], found[1]


def domains_of(dataset: Dataset) -> NDArray[np.int64]:
    """Return the domain (N_val,) of every validation sample, 0 where none are known."""
    domains = dataset.validation.domains
    return np.zeros(len(dataset.validation), np.int64) if domains is None else domains.numpy()


def one_draw(
    space: SearchSpace,
    early: list[Observation],
    late: list[Observation],
    size: int,
    seed: int,
    draw: int,
) -> list[float]:
    """Return the taus of `KINDS` on the cells that were not learned from."""
    order = generator(seed, f"fidelity/learn-{size}", draw).permutation(len(late))
    unseen = order[size:]
    truth = np.stack([late[row].loss for row in unseen])
    asked = [one.trial.architecture for one in (late[row] for row in unseen)]
    cells = [cell for cell in asked if cell is not None]
    taus = [mean_tau(np.stack([early[row].loss for row in unseen]), truth)]
    for informed in (False, True):
        surrogate = get_surrogate("blend", space, derive_seed(seed, "fidelity/fit", draw))
        if informed:
            surrogate.inform(LowerFidelity(early))
        surrogate.fit([late[row] for row in order[:size]])
        taus.append(mean_tau(surrogate.predict(cells)[0], truth))
    return [*taus, taus[2] - max(taus[0], taus[1])]


def show(found: dict[str, Any]) -> None:
    """Print what `run` returned; the gain is over the better of the two others."""
    print(f"{found['cells']} cells")
    show_kendall(found["kendall"])


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--data", default="mosaic", help="images; what is joined by + is a domain each")
    add("--image-size", type=int, default=None)
    add("--cells", type=int, default=80, help="cells that are trained")
    add("--early", type=int, default=2, help="epochs of the cheaper training")
    add("--epochs", type=int, default=12, help="epochs of the whole training")
    add("--draws", type=int, default=20, help="draws of the cells that are learned from")
    add("--seed", type=int, default=0)
    add("--json", action="store_true", help="print one JSON object")
    return answer((words := parser.parse_args()).json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
