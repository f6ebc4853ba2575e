"""How many experts: one more as long as a mixture of one more, trained, pays for itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.bank import Observation
from moesaic.data import open_dataset
from moesaic.runs._clock import closed_by, on_record
from moesaic.runs._divide import Divisions
from moesaic.runs._evidence import brier, paired_interval
from moesaic.runs._session import SearchSession
from moesaic.selection import Interval, climb
from moesaic.structure import Partition

MOST_EXPERTS = 8
LEAST_SHARE = 0.02  # of the loss that one more expert must save
REPEATS = 2
MOST_REPEATS = 4  # where fewer leave open whether one more pays
ALWAYS = 3  # numbers that are compared whatever comes out: they are trained at once
_LIKELY = 2 * REPEATS * ALWAYS  # trainings' worth of work, for mixtures cost more than one network


def find_experts(
    session: SearchSession,
    generalists: Sequence[Observation],
    weight: NDArray[np.float64],
    partition: Partition,
) -> dict[str, Any]:
    """Return how many experts pay, and the gain of every step that was looked at.

    K experts are a mixture: K copies of the best generalist, from scratch, one for each of K groups
    of clusters (`Divisions`), behind a gate that is taught the groups, by the recipe of the
    final trainings. One expert is that network alone. All see every training sample as often and
    cost the same on a sample but for the gate, so a gain is what dividing the data gains, the
    gate's mistakes and what each expert cannot learn from the others' samples counted. The groups
    are nested: one more divides one of them.

    The loss is Brier's (`brier`) on the validation split, paired over its samples, mean of
    `REPEATS` trainings, or of `MOST_REPEATS` where those leave a step open: where the gain would
    do, but its interval holds zero. The gain is that of the samples of the group which a step
    divides, as a part of the loss of all: the experts of the others are the same before and after
    it, so that what differs there is chance. See `moesaic.selection.climb` for when more pay. What
    trainings differ by chance is not in the interval, but less of it is left in the mean of more;
    `LEAST_SHARE` of the loss must be gained besides.

    Args:
        session: the run.
        generalists: observations of the highest rung.
        weight: shares (M,) of the clusters.
        partition: the clusters; there are at most as many experts.

    Returns:
        `found` (K, 1 where no second expert pays), `experts` (what is trained, at least 2),
        `most`, `least_share`, `unit`, `epochs`, `steps` (gain, validation loss and how many
        trainings of both numbers these are the mean of), `groups` (M,) of what is trained and
        `ways` (by the number of groups, those that were compared), JSON-able.
    """
    known: dict[str, Any] | None = session.bank.meta("how_many")
    if known is not None:
        return known
    labels = open_dataset(session.folder.data).validation.labels.numpy()
    loss = np.nan_to_num(np.stack([one.loss for one in generalists]), nan=1e3)
    best = generalists[int((loss @ weight).argmin())].trial.architecture
    most = min(MOST_EXPERTS, partition.count)
    epochs = _epochs(session, generalists)
    divisions = None if best is None else Divisions(session, best, epochs, labels)
    mixtures = _Mixtures(session, divisions, epochs, labels)
    judged: dict[tuple[int, int], list[int]] = {}

    def compare(few: int, more: int) -> tuple[Interval, float] | None:
        mixtures.train(range(1, min(ALWAYS, most) + 1) if more <= ALWAYS else [more], REPEATS)
        found = mixtures.compare(few, more)
        if found is not None and found[0].low <= 0 and found[0].mean >= LEAST_SHARE * found[1]:
            mixtures.train([few, more], MOST_REPEATS)
            found = mixtures.compare(few, more)
        judged[few, more] = [mixtures.count(few), mixtures.count(more)]
        return found

    experts, steps = climb(compare, most, least_share=LEAST_SHARE)
    trained = max(2, experts)
    found = {
        "found": experts,
        "experts": trained,
        "most": most,
        "least_share": LEAST_SHARE,
        "unit": "Brier score",
        "epochs": epochs,
        "steps": [{**step.to_dict(), "trainings": judged[step.few, step.more]} for step in steps],
        "groups": None if divisions is None else divisions.of(trained).tolist(),
        "ways": {} if divisions is None else divisions.to_dict(),
    }
    session.bank.set_meta("how_many", found)
    return found


def _epochs(session: SearchSession, generalists: Sequence[Observation]) -> int:
    """Return the epochs of a training: as many as the final ones take, or may take.

    After fewer, parts of one source pay that do not in the end: fewer classes are learned sooner.
    Under a budget they are cut to what its first half can afford; the clock decides that, so it
    is recorded.
    """
    config = session.config
    most = config.most_epochs if config.epochs == "auto" else int(config.epochs)

    def affordable() -> int:
        budget = config.budget
        if budget is None:
            return most
        seconds = max(one.seconds / int(one.trial.recipe["epochs"]) for one in generalists)
        left = 0.5 * budget - (time.monotonic() - session.started)
        return max(1, min(most, int(left * config.workers / max(1e-9, seconds * _LIKELY))))

    return on_record(session, "how_many_epochs", affordable)


class _Mixtures:
    """Mixtures of K copies of one network, trained as they are asked for."""

    def __init__(
        self,
        session: SearchSession,
        divisions: Divisions | None,
        epochs: int,
        labels: NDArray[np.int64],
    ) -> None:
        self._session = session
        self._divisions = divisions
        self._epochs = epochs
        self._labels = labels
        self._asked = 0
        self._planned: dict[int, int] = {}
        self._rows: dict[int, list[NDArray[np.float64]]] = {}

    def count(self, experts: int) -> int:
        """Return how many trainings there are of so many experts."""
        return len(self._rows.get(experts, []))

    def compare(self, few: int, more: int) -> tuple[Interval, float] | None:
        """Return the gain of more experts and the loss of few; None where one was not trained."""
        if self._divisions is None or not (self.count(few) and self.count(more)):
            return None
        first, second = (np.mean(self._rows[count], axis=0) for count in (few, more))
        divided = self._divisions.divided(few, more)
        return paired_interval([first], [np.where(divided, second, first)]), float(first.mean())

    def train(self, counts: Sequence[int], repeats: int) -> None:
        """Train what lacks of so many mixtures of each number; nothing past half the budget."""
        lacking = [
            (count, repeat)
            for count in counts
            for repeat in range(self._planned.get(count, 0), repeats)
        ]
        divisions = self._divisions
        if not lacking or divisions is None:
            return
        self._asked += 1
        if closed_by(self._session, "how_many_closed", self._asked, 0.5):
            return
        trials = [
            divisions.mixture(divisions.of(count), self._epochs, f"how-many-{count}", repeat)
            for count, repeat in lacking
        ]
        title = f"how many experts: are {counts[-1]} enough"
        if repeats > REPEATS:
            title = f"how many experts: {counts[0]} or {counts[-1]}, once more"
        found = self._session.perform(title, trials, some_must_succeed=False)
        for (count, _), done in zip(lacking, found, strict=True):
            self._planned[count] = repeats
            if done is not None:
                predictions = self._session.bank.predictions(done.trial.key)
                self._rows.setdefault(count, []).append(brier(predictions, self._labels))
