"""The sizes of specialists: cells trained on their own clusters at several sizes.

What a size is worth to an expert shows only where it is trained on what it will serve, as it will
be in the end: from scratch, in batches as large as its share of the mixture's. Generalists spend
their width on everything else too, and what was continued from one has learned more than any size
that begins anew. In batches of the whole size an expert would take fewer steps, and what needs
many of them, the small networks, would look worse than they will be.

A cell is drawn at one size. The chosen one may be worth its price only because a better cell was
drawn too large, so the cell that is best without a price is tried at sizes like the chosen one's.
What is tried lies apart by factors of two to four; when the best is known, so are sizes beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation, Trial
from moesaic.config import SearchConfig
from moesaic.seeds import derive_seed
from moesaic.spaces import Architecture, SizedSpace

OWN_SIZES = 6  # of an expert's cell that are trained at first, its own size among them
RIVAL_SIZES = 4  # of the cell that is best on the same clusters without a price
FINER_SIZES = 2  # between the chosen size and its neighbours
MOST_SIZES = OWN_SIZES + RIVAL_SIZES + FINER_SIZES
SMALLEST_BATCH = 8  # statistics of fewer samples are noise to batch norm
_AT_MOST = 0.5  # of its loss that an expert is expected to lose by growing


@dataclass(frozen=True)
class Sizing:
    """Plans the trials that compare sizes.

    All of them are trained from scratch on the clusters of their expert, for as many epochs as the
    chosen ones saw these: as generalists and as specialists. A batch has as many samples as the
    mixture's batches hold of these clusters, `SMALLEST_BATCH` at least, so an epoch has as many
    steps as one of the mixture. An expert's trials share a seed.

    Attributes:
        config: the settings.
        space: what sizes there are.
        stage: of the trials.
        input_shape: of one sample.
        classes: number of classes.
        epochs: of a trial.
    """

    config: SearchConfig
    space: SizedSpace
    stage: str
    input_shape: tuple[int, ...]
    classes: int
    epochs: int

    def first(
        self,
        experts: Sequence[Observation],
        generalists: Sequence[Observation],
        groups: NDArray[np.int64],
        weight: NDArray[np.float64],
        price: float,
    ) -> list[Trial]:
        """Plan the chosen cells at sizes that lie apart, and their rivals at sizes like theirs.

        The chosen cell's own size is among them, so that all that is compared began anew. A size
        whose additional compute costs more than half of the expert's loss is left out; of more than
        `OWN_SIZES` those are taken whose costs lie apart. Of the generalist with the least loss on
        the same clusters, where it is another cell, the `RIVAL_SIZES` are tried whose costs are
        nearest to the chosen one's.

        Args:
            experts: the chosen ones, (K,).
            generalists: observations of the highest rung.
            groups: the chosen expert of every cluster, (M,).
            weight: shares (M,) of the clusters.
            price: nats per multiply-accumulate, 0 for none.
        """
        trials = []
        for group, expert in enumerate(experts):
            mask = groups == group
            if expert.trial.architecture is None or not mask.any():
                continue
            worth = _loss_on(expert, mask, weight)
            own = self._sizes(expert.trial.architecture)
            paying = [
                (macs, size)
                for macs, size in own
                if size != expert.trial.architecture
                and price * (macs - expert.macs) <= _AT_MOST * worth
            ]
            sizes = apart([(expert.macs, expert.trial.architecture), *paying], OWN_SIZES)
            rival = min(generalists, key=lambda one: _loss_on(one, mask, weight)).trial.architecture
            if rival is not None and rival not in {size for _, size in own}:
                sizes += nearest(self._sizes(rival), expert.macs, RIVAL_SIZES)
            subset = tuple(bool(value) for value in mask)
            recipe = self._recipe(float(weight[mask].sum() / weight.sum()))
            trials += [
                self._trial(group, place, size, subset, recipe) for place, size in enumerate(sizes)
            ]
        return trials

    def between(self, experts: Sequence[Observation], tried: Sequence[Observation]) -> list[Trial]:
        """Plan sizes between the chosen ones and the next smaller and larger that were tried.

        Of each chosen cell at most `FINER_SIZES`, those of cost nearest to it, and no more for two
        that serve the same clusters. There may be none.

        Args:
            experts: the chosen ones among what was tried.
            tried: what `first` planned, measured.
        """
        trials: list[Trial] = []
        planned: dict[int, int] = {}
        for expert in experts:
            known = {
                one.trial.architecture for one in tried if one.trial.subset == expert.trial.subset
            }
            if expert.trial.architecture is None or expert.trial.subset is None:
                continue
            own = self._sizes(expert.trial.architecture)
            costs = [macs for macs, size in own if size in known and macs != expert.macs]
            low = max((macs for macs in costs if macs < expert.macs), default=expert.macs)
            high = min((macs for macs in costs if macs > expert.macs), default=expert.macs)
            finer = [one for one in own if low < one[0] < high and one[1] not in known]
            group = expert.trial.index // MOST_SIZES
            begun = planned.get(group, 0)
            sizes = nearest(finer, expert.macs, FINER_SIZES - begun)
            planned[group] = begun + len(sizes)
            trials += [
                self._trial(
                    group,
                    OWN_SIZES + RIVAL_SIZES + begun + place,
                    size,
                    expert.trial.subset,
                    expert.trial.recipe,
                )
                for place, size in enumerate(sizes)
            ]
        return trials

    def _recipe(self, share: float) -> dict[str, Any]:
        """Return the recipe of specialists that serve a share of the samples."""
        recipe = self.config.recipe.for_epochs(self.epochs)
        batch = max(min(SMALLEST_BATCH, recipe.batch_size), round(share * recipe.batch_size))
        return {**recipe.to_dict(), "batch_size": batch}

    def _trial(
        self,
        group: int,
        place: int,
        size: Architecture,
        subset: tuple[bool, ...],
        recipe: dict[str, Any],
    ) -> Trial:
        return Trial(
            kind="expert",
            stage=self.stage,
            index=MOST_SIZES * group + place,
            seed=derive_seed(self.config.seed, self.stage, group),
            architecture=size,
            subset=subset,
            recipe=recipe,
        )

    def _sizes(self, architecture: Architecture) -> list[tuple[int, Architecture]]:
        """Return a cell at all its sizes, the given one among them, cheapest first."""
        every = dict.fromkeys([architecture, *self.space.sizes(architecture)])
        known = [
            (self.space.estimate_macs(one, self.input_shape, self.classes) or 0, one)
            for one in every
        ]
        return sorted(known, key=lambda pair: pair[0])


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


def _loss_on(one: Observation, mask: NDArray[np.bool_], weight: NDArray[np.float64]) -> float:
    """Return the mean loss on some clusters; what was not measured counts as bad."""
    known = np.nan_to_num(one.loss[mask], nan=1e3)
    return float(np.average(known, weights=np.maximum(weight[mask], 1e-12)))
