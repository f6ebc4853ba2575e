"""The ranked planner: the best by stored predictions first; it scores nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from moesaic.errors import InputError
from moesaic.strategies.planners._base import Candidate, Planner
from moesaic.strategies.planners._stratified import StratifiedPlanner


class RankedPlanner(Planner):
    """Candidates in the order of a ranking, then what the ranking does not name.

    The campaign ranks the mixtures of the families that it trained alone and hands the order
    over with `use_ranking`. Behind it come the other mixtures of those families, then those with
    a family of which nothing is known, both in the stratified order. Without a ranking it is the
    stratified planner.
    """

    name = "ranked"

    def __init__(self, pool: Sequence[str], experts: int, seed: int = 0) -> None:
        """See `Planner`."""
        super().__init__(pool, experts, seed)
        self._order: tuple[Candidate, ...] = ()
        self._measured = frozenset(self.pool)

    def use_ranking(self, order: Sequence[Candidate], measured: Collection[str]) -> None:
        """Take the order of the campaign, before anything is planned.

        Args:
            order: mixtures of K families, best first.
            measured: the families of which something is known.

        Raises:
            InputError: a mixture is not K different measured families, or comes twice.
        """
        known = frozenset(measured) & frozenset(self.pool)
        ranked = tuple(tuple(sorted(families)) for families in order)
        for families in ranked:
            if len(families) != self.experts or len(set(families) & known) != self.experts:
                raise InputError(
                    f"{'+'.join(families)} is ranked: expected {self.experts} different families "
                    "that were measured"
                )
        if len(set(ranked)) != len(ranked):
            raise InputError("a mixture is ranked twice: name each once")
        self._order, self._measured = ranked, known
        self._planned, self._source = [], None

    def candidates(self) -> Iterator[Candidate]:
        """Yield the ranking, then the rest of the measured families, then all others."""
        yield from self._order
        ranked = set(self._order)
        if self.experts <= len(self._measured) < len(self.pool):
            among = StratifiedPlanner(sorted(self._measured), self.experts, self.seed)
            yield from (one for one in among.candidates() if one not in ranked)
        for one in StratifiedPlanner(self.pool, self.experts, self.seed).candidates():
            complete = self._measured.issuperset(one) and len(self._measured) < len(self.pool)
            if one not in ranked and not complete:
                yield one
