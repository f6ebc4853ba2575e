"""The sizes of specialists: cells trained on their own clusters at several sizes.

What a size is worth to an expert shows only where it is trained on what it will serve, as it will
be in the end: from scratch. Generalists spend their width on everything else too, and what was
continued from one has learned more than any size that begins anew.

A cell is drawn at one size. The chosen one may be worth its price only because a better cell was
drawn too large, so the cell that is best without a price is tried at sizes like the chosen one's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.config import SearchConfig
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture, SizedSpace

OWN_SIZES = 6  # of an expert's cell that are trained, its own size among them
RIVAL_SIZES = 4  # of the cell that is best on the same clusters without a price
MOST_SIZES = OWN_SIZES + RIVAL_SIZES
_AT_MOST = 0.5  # of its loss that an expert is expected to lose by growing


def sizing_trials(
    config: SearchConfig,
    space: SizedSpace,
    experts: Sequence[Observation],
    generalists: Sequence[Observation],
    groups: NDArray[np.int64],
    weight: NDArray[np.float64],
    stage: str,
    price: float,
    input_shape: tuple[int, ...],
    classes: int,
) -> list[Trial]:
    """Plan cells at several sizes, from scratch, on the clusters of each expert.

    The chosen cell's own size is among them, so that all that is compared began anew. They are
    trained for as many epochs as the chosen ones saw their clusters: as generalists and as
    specialists. A size whose additional compute costs more than half of the expert's loss is left
    out; of more than `OWN_SIZES` those are taken whose costs lie apart. Of the generalist with the
    least loss on the same clusters, where it is another cell, the `RIVAL_SIZES` are tried whose
    costs are nearest to the chosen one's.

    Args:
        config: the settings.
        space: what sizes there are.
        experts: the chosen ones, (K,).
        generalists: observations of the highest rung.
        groups: the chosen expert of every cluster, (M,).
        weight: shares (M,) of the clusters.
        stage: of the trials.
        price: nats per multiply-accumulate, 0 for none.
        input_shape: of one sample.
        classes: number of classes.
    """
    recipe = config.recipe.for_epochs(2 * config.rungs[-1]).to_dict()
    trials = []
    for group, expert in enumerate(experts):
        mask = groups == group
        if expert.trial.architecture is None or not mask.any():
            continue
        worth = _loss_on(expert, mask, weight)
        own = _sizes(space, expert.trial.architecture, input_shape, classes)
        paying = [
            (macs, size)
            for macs, size in own
            if size != expert.trial.architecture
            and price * (macs - expert.macs) <= _AT_MOST * worth
        ]
        sizes = apart([(expert.macs, expert.trial.architecture), *paying], OWN_SIZES)
        rival = min(generalists, key=lambda one: _loss_on(one, mask, weight)).trial.architecture
        if rival is not None and rival not in {size for _, size in own}:
            others = _sizes(space, rival, input_shape, classes)
            sizes += nearest(others, expert.macs, RIVAL_SIZES)
        trials += [
            Trial(
                kind="expert",
                stage=stage,
                index=MOST_SIZES * group + place,
                seed=derive_seed(config.seed, stage, group),
                architecture=size,
                subset=tuple(bool(value) for value in mask),
                recipe=recipe,
            )
            for place, size in enumerate(sizes)
        ]
    return trials


def apart(sizes: Sequence[tuple[int, Architecture]], most: int) -> list[Architecture]:
    """Return at most so many architectures, cheapest first, whose costs lie apart.

    The first stays; then, one after the other, the one whose cost is farthest, as a ratio, from
    those that stay.

    Args:
        sizes: (multiply-accumulates, architecture).
        most: how many are kept.
    """
    cost = np.log([max(macs, 1) for macs, _ in sizes])
    kept = [0] if sizes else []
    while len(kept) < min(most, len(sizes)):
        away = np.abs(cost[:, None] - cost[kept]).min(axis=1)
        away[kept] = -1.0
        kept.append(int(away.argmax()))
    return [sizes[place][1] for place in sorted(kept, key=lambda place: (cost[place], place))]


def nearest(sizes: Sequence[tuple[int, Architecture]], macs: int, most: int) -> list[Architecture]:
    """Return the architectures, at most so many and cheapest first, of cost nearest to `macs`.

    Args:
        sizes: (multiply-accumulates, architecture).
        macs: what is wanted.
        most: how many are returned.
    """
    away = [abs(float(np.log(max(cost, 1) / max(macs, 1)))) for cost, _ in sizes]
    kept = sorted(np.argsort(away, kind="stable")[:most].tolist(), key=lambda row: sizes[row][0])
    return [sizes[row][1] for row in kept]


def _sizes(
    space: SizedSpace, architecture: Architecture, input_shape: tuple[int, ...], classes: int
) -> list[tuple[int, Architecture]]:
    """Return a cell at all its sizes, the given one among them, with their MACs."""
    every = dict.fromkeys([architecture, *space.sizes(architecture)])
    return [(space.estimate_macs(one, input_shape, classes) or 0, one) for one in every]


def _loss_on(one: Observation, mask: NDArray[np.bool_], weight: NDArray[np.float64]) -> float:
    """Return the mean loss on some clusters; what was not measured counts as bad."""
    known = np.nan_to_num(one.loss[mask], nan=1e3)
    return float(np.average(known, weights=np.maximum(weight[mask], 1e-12)))
