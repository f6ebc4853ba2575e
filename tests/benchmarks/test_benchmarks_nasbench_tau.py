"""The benchmark of surrogates on a table: what is drawn, what is left out, what it reports."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import _nasbench_tau as tau

from moesaic.errors import InputError
from moesaic.spaces import Architecture, get_space


@pytest.fixture(scope="module")
def table() -> tuple[list[Architecture], np.ndarray]:
    space = get_space("nasbench201")
    rng = np.random.default_rng(0)
    cells = [space.sample(rng) for _ in range(160)]
    deep = np.array([sum(op == "nor_conv_3x3" for *_, op in space.graph(one)) for one in cells])
    loss = np.exp(
        -0.2 * deep[:, None] + np.array([0.0, 0.5]) + 0.01 * rng.standard_normal((160, 2))
    )
    return cells, loss


def test_cost_is_no_feature(table: tuple[list[Architecture], np.ndarray]) -> None:
    cells, _ = table
    space = get_space("nasbench201")
    kept = [name for name in space.feature_names if "cost" not in name and "MACs" not in name]
    assert len(kept) == len(space.feature_names) - 2
    plain = space.features(cells[0])
    expected = [plain[space.feature_names.index(name)] for name in kept]
    bare = tau.StructuralSpace(space)
    assert bare.features(cells[0]).tolist() == expected
    assert bare.graph(cells[0]) == space.graph(cells[0])
    assert len(tau.StructuralSpace(space, keep_cost=True).features(cells[0])) == len(plain)


def test_cells_that_were_learned_from_are_not_judged(
    table: tuple[list[Architecture], np.ndarray],
) -> None:
    cells, _ = table
    train, unseen = tau._draw(cells, 60, 3)
    assert len(train) == 60
    assert not {cells[row].key for row in train} & {cells[row].key for row in unseen}
    assert np.array_equal(train, tau._draw(cells, 60, 3)[0])
    assert not np.array_equal(train, tau._draw(cells, 60, 4)[0])


def test_tau_is_reported_with_its_interval(table: tuple[list[Architecture], np.ndarray]) -> None:
    cells, loss = table
    told = tau.kendall(cells, loss, 2, (30, 150), ["ridge", "gaussian_process"])
    assert list(told) == ["ridge", "gaussian_process"]
    assert list(told["ridge"]) == ["30"]  # 150 leave too few to judge on
    for rows in told.values():
        assert rows["30"]["low"] <= rows["30"]["mean"] <= rows["30"]["high"]
        assert rows["30"]["mean"] > 0.5
    figure = tau.compare(cells, loss, 2, (30,), ["ridge"])
    assert figure["sizes"] == [30]
    assert figure["models"]["ridge"]["mean"] == [told["ridge"]["30"]["mean"]]
    with pytest.raises(InputError, match="no cells"):
        tau.kendall([], loss, 1)


def test_intervals_and_times_are_reported(table: tuple[list[Architecture], np.ndarray]) -> None:
    cells, loss = table
    shares = tau.coverage90(cells, loss, size=60, draws=2, model="ridge")
    assert shares.shape == (2,)
    assert np.all((shares > 0.6) & (shares <= 1.0))
    rows = tau.fit_cost(cells, loss, sizes=(20, 500), model="ridge")
    assert [row["observations"] for row in rows] == [20]
    assert rows[0]["fit_seconds"] >= 0
    assert rows[0]["propose_seconds"] >= 0


def test_a_prediction_without_order_counts_as_nothing() -> None:
    assert tau.mean_tau(np.zeros((5, 1)), np.arange(5.0)[:, None]) == 0.0
    assert tau.mean_interval(np.array([0.5]))._asdict() == {"mean": 0.5, "low": 0.5, "high": 0.5}
