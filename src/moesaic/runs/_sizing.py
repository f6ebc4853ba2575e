"""The sizes of specialists: chosen cells trained on their own clusters at several sizes.

What a size is worth to an expert shows only where it is trained on what it will serve, as it will
be in the end: from scratch. Generalists spend their width on everything else too, and what was
continued from one has learned more than any size that begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.config import SearchConfig
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture, SizedSpace

MOST_SIZES = 8  # of one expert that are trained, its own among them
_AT_MOST = 0.5  # of its loss that an expert is expected to lose by growing


def sizing_trials(
    config: SearchConfig,
    space: SizedSpace,
    experts: Sequence[Observation],
    groups: NDArray[np.int64],
    weight: NDArray[np.float64],
    stage: str,
    price: float,
    input_shape: tuple[int, ...],
    classes: int,
) -> list[Trial]:
    """Plan the chosen cells at several sizes, from scratch, each on the clusters of its expert.

    Their own size is among them, so that all that is compared began anew. They are trained for as
    many epochs as the chosen ones saw their clusters: as generalists and as specialists. A size
    whose additional compute costs more than half of the expert's loss is left out; of more than
    `MOST_SIZES` those are taken whose costs lie apart.

    Args:
        config: the settings.
        space: what sizes there are.
        experts: the chosen ones, (K,).
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
        known = np.nan_to_num(expert.loss[mask])
        worth = float(np.average(known, weights=np.maximum(weight[mask], 1e-12)))
        sizes = [(expert.macs, expert.trial.architecture)]
        for other in space.sizes(expert.trial.architecture):
            macs = space.estimate_macs(other, input_shape, classes) or 0
            pays = price * (macs - expert.macs) <= _AT_MOST * worth
            if other != expert.trial.architecture and pays:
                sizes.append((macs, other))
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
            for place, size in enumerate(apart(sizes, MOST_SIZES))
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
