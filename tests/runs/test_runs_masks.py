"""A search that trains on subsets of the clusters, as the strategy wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moesaic.config import make_config
from moesaic.errors import InputError
from moesaic.runs import open_run, search
from moesaic.testing import ToySpace

TOY: dict[str, Any] = {
    "data": "toy",
    "trials": 12,
    "clusters": 8,
    "rungs": (1, 2),
    "epochs": 1,
    "rounds": 1,
    "executor": "inprocess",
    "baselines": False,
    "space": "vector_cells",
}


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [{"masks": True}, {"strategy": "sgem"}])
def test_a_search_trains_on_what_the_strategy_names(tmp_path: Path, chosen: dict[str, Any]) -> None:
    result = search(make_config({**TOY, **chosen}), tmp_path / "run").result
    assert result["status"] == "done"
    with open_run(tmp_path / "run").bank() as bank:
        lowest = sorted(bank.observations(stage="rung-0"), key=lambda one: one.trial.index)
        promoted = bank.observations(stage="rung-1")
        specialised = bank.observations(stage="specialise-2-0")
    whole = [one.trial.subset is None for one in lowest]
    assert whole == [index < 3 and "masks" in chosen for index in range(len(lowest))]
    parents = {one.trial.key: one.trial for one in lowest}
    assert all(one.trial.subset == parents[one.trial.parent].subset for one in promoted)
    special = [one for one in specialised if one.trial.subset]
    assert special
    groups = {one.trial.subset for one in special}
    np.testing.assert_array_equal(np.array(list(groups)).sum(axis=0), 1)


def test_a_strategy_whose_groups_leave_an_expert_without_clusters_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `sgem` may: all clusters at one expert."""
    from moesaic.strategies import get_strategy

    kind = type(get_strategy("sgem", ToySpace(), 2, np.ones(4), 0))
    monkeypatch.setattr(kind, "groups", lambda self: np.zeros(len(self.weight), np.int64))
    settings = {**TOY, "strategy": "sgem", "trials": 6, "clusters": 4}
    found = search(make_config(settings), tmp_path / "run").result
    assert sorted(set(found["selection"]["routing"])) == [0, 1]


def test_masks_are_the_joint_strategys() -> None:
    with pytest.raises(InputError, match="choose the strategy joint"):
        make_config({"data": "toy", "strategy": "random", "masks": True})
