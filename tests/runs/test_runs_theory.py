"""The theory section of a run: every figure against a bank whose numbers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moesaic.bank import Bank, Observation, Trial, save_predictions
from moesaic.runs._asked import read_asked, record_asked
from moesaic.runs._preferences import operations_preferred, slopes
from moesaic.runs._specialise import Choice
from moesaic.runs._theory import theory
from moesaic.spaces import get_space

SPACE = get_space("nasbench201", widths=(4,))
WEIGHT = np.array([0.5, 0.25, 0.25])
CLUSTERS = np.arange(40) % 4 % 3  # half of the samples are in the first cluster
LABELS = torch.from_numpy(np.arange(40) % 2)
KEYS = {
    "surrogate_error_max",
    "surrogate_error_mean",
    "ascent_violations",
    "optimism",
    "bound_violations",
    "joint_minus_decomposed",
    "cluster_rank_correlation",
}


def trial(stage: str, index: int, subset: tuple[bool, ...] | None = None) -> Trial:
    rng = np.random.default_rng(100 * len(stage) + index)
    recipe = {"stage": stage}
    return Trial("expert", stage, index, index, SPACE.sample(rng), subset, recipe)


def finish(bank: Bank, folder: Path, one: Trial, loss: list[float]) -> Observation:
    """Put a training into the bank whose samples all have the loss of their cluster."""
    found = np.array(loss)
    right = np.exp(-found[CLUSTERS])
    told = np.where(np.eye(2)[LABELS.numpy()] > 0, right[:, None], 1 - right[:, None])
    name = save_predictions(folder, one.key, np.log(np.maximum(told, 1e-9)).astype(np.float16))
    observation = Observation(one, found, np.exp(-found), 100, 10, 1.0)
    bank.plan([one])
    bank.finish(observation, name, None)
    return observation


@pytest.fixture
def bank(tmp_path: Path) -> Any:
    with Bank.create(tmp_path, fingerprint="feedc0de") as opened:
        yield opened


def measured(bank: Bank, folder: Path, predicted: list[Any]) -> dict[str, Any]:
    """Fill a bank: two rounds of three, a rung of two, two specialists and a control."""
    first = [trial("rung-0", index) for index in range(3)]
    second = [trial("rung-0", index) for index in range(3, 6)]
    record_asked(bank, 0, first, [None] * 3)
    for one, loss in zip(first, ([1.0, 1.2, 1.4], [1.1, 1.0, 1.5], [1.3, 1.4, 1.6]), strict=True):
        finish(bank, folder, one, loss)
    record_asked(bank, 1, second, predicted)
    for one, loss in zip(second, ([0.9, 1.3, 1.3], [1.2, 0.8, 1.0], [1.5, 1.5, 1.7]), strict=True):
        finish(bank, folder, one, loss)
    for index, loss in enumerate(([0.7, 0.9, 0.9], [0.8, 0.6, 0.7])):
        finish(bank, folder, trial("rung-1", index), loss)
    groups = ((True, False, False), (False, True, True))
    experts = [
        finish(bank, folder, trial("specialise-2-0", 3 * group, groups[group]), loss)
        for group, loss in enumerate(([0.4, 2.0, 2.0], [2.0, 0.5, 0.3]))
    ]
    finish(bank, folder, trial("specialise-2-0", 2), [0.1, 0.1, 0.1])  # a control: no candidate
    choice = Choice(tuple(experts), (0, 1, 1), 0.4, True, (0.4,))
    return theory(bank, SPACE, choice, WEIGHT, CLUSTERS, LABELS, [0.5, 0.5], seed=1)


def test_every_figure_is_what_it_is_said_to_be(bank: Bank, tmp_path: Path) -> None:
    # the third proposal was no surrogate's
    found = measured(bank, tmp_path, [(0.8, 1.3, 1.3), (1.2, 0.5, 1.0), None])
    assert found.keys() >= KEYS
    assert found["surrogate_error_max"] == pytest.approx(0.3)
    assert found["surrogate_error_mean"] == pytest.approx(0.4 / 6)
    assert found["ascent_violations"] == found["bound_violations"] == 0
    path = {one["after"]: one["objective"] for one in found["objective"]}
    assert path == pytest.approx(
        {
            "round 1": 0.5 * 1.0 + 0.25 * 1.0 + 0.25 * 1.4,
            "round 2": 0.5 * 0.9 + 0.25 * 0.8 + 0.25 * 1.0,
            "rung 2": 0.5 * 0.7 + 0.25 * 0.6 + 0.25 * 0.7,
            "specialisation 1": 0.5 * 0.4 + 0.25 * 0.5 + 0.25 * 0.3,
        }
    )
    # of the highest rung: .7 and .8 on the first cluster, and the second is better on the others
    assert found["joint_minus_decomposed"] == pytest.approx(0.0, abs=1e-9)
    assert found["value_of_heterogeneity"] == pytest.approx(0.05)
    assert found["joint_minus_decomposed_trained"] == pytest.approx(0.0, abs=1e-9)
    assert found["routing_entropy"] == pytest.approx(np.log(2))
    assert found["optimism"] == pytest.approx(0.0, abs=1e-6)  # samples of a cluster are all alike
    assert -1 <= found["cluster_rank_correlation"] <= 1
    assert found["same_cluster_correlation"] == pytest.approx(1.0)
    step = found["rounds"][1]
    assert (step["asked"], step["predicted"]) == (3, 2)
    assert step["before"] == pytest.approx(path["round 1"])
    assert step["believed"] == pytest.approx(0.5 * 0.8 + 0.25 * 0.5 + 0.25 * 1.0)
    assert step["achieved"] == pytest.approx(path["round 2"])
    assert step["error_sum"] == pytest.approx(0.3)
    assert found["operations"] == []  # six architectures are too few to say


def test_without_a_surrogate_there_is_no_error_and_no_bound(bank: Bank, tmp_path: Path) -> None:
    found = measured(bank, tmp_path, [None, None, None])
    for name in ("surrogate_error_max", "surrogate_error_mean", "bound_violations"):
        assert found[name] is None
    assert [one["predicted"] for one in found["rounds"]] == [0, 0]
    assert found["ascent_violations"] == 0


def test_a_surrogate_of_own_clusters_has_an_error_and_no_bound(bank: Bank, tmp_path: Path) -> None:
    """As `sgem`: it foretells the mean loss on the clusters that an expert is trained on."""
    subset = (False, True, True)
    asked = [trial("rung-0", index, subset) for index in range(10, 13)]
    record_asked(bank, 0, asked, [None] * 3, expected=[0.5, 0.9, None])
    for one in asked:
        finish(bank, tmp_path, one, [5.0, 0.6, 1.0])
    found = measured(bank, tmp_path, [None, None, None])
    # .8 was measured: the mean of .6 and 1, of one weight
    assert found["surrogate_error_max"] == pytest.approx(0.3)
    assert found["surrogate_error_mean"] == pytest.approx(0.2)
    assert found["bound_violations"] is None
    assert found["rounds"][0]["predicted"] == 2
    assert found["rounds"][0]["error_sum"] == pytest.approx(0.3)
    assert "believed" not in found["rounds"][0]


def test_a_bank_of_an_earlier_version_foretells_what_it_did(bank: Bank) -> None:
    bank.set_meta("asked", [{"trials": ["a", "b"], "predicted": [None, [1.0]], "price": 0.0}])
    (found,) = read_asked(bank)
    assert found.expected == (None, None)
    assert found.foretold == 1


def test_what_was_written_down_first_stays(bank: Bank) -> None:
    first, later = trial("rung-0", 0), trial("rung-0", 1)
    record_asked(bank, 0, [first], [(1.0, 2.0)])
    record_asked(bank, 0, [first], [(9.0, 9.0)])  # a resumed run asks again
    record_asked(bank, 1, [later], [None])
    found = read_asked(bank)
    assert [one.trials for one in found] == [(first.key,), (later.key,)]
    assert [one.predicted for one in found] == [((1.0, 2.0),), (None,)]


def test_a_failed_proposal_is_left_out(bank: Bank, tmp_path: Path) -> None:
    lost = trial("rung-0", 9)
    bank.plan([lost])
    bank.start(lost.key)
    bank.fail(lost.key, "diverged", "no", "")
    record_asked(bank, 0, [lost], [(0.1, 0.1, 0.1)])
    found = measured(bank, tmp_path, [None, None, None])  # its first round is the lost one
    assert found["surrogate_error_max"] is None
    assert found["ascent_violations"] == 0


def test_slopes_are_those_of_least_squares() -> None:
    from scipy.stats import linregress

    rng = np.random.default_rng(0)
    counts, loss = rng.integers(0, 4, (20, 3)), rng.random((20, 2))
    found = slopes(counts, loss, 1)
    for row in range(3):
        for column in range(2):
            fit = linregress(counts[:, row], loss[:, column])
            assert found[row, column, 0] == pytest.approx(fit.slope)
            half = (found[row, column, 2] - found[row, column, 1]) / 2
            assert half == pytest.approx(2.1009 * fit.stderr, rel=1e-4)  # t of 18 degrees


def test_the_operation_that_helps_a_cluster_is_named() -> None:
    rng = np.random.default_rng(3)
    observations = []
    for index in range(40):
        one = Trial("expert", "rung-0", index, index, SPACE.sample(rng))
        assert one.architecture is not None
        edges = [name for _, _, name in SPACE.graph(one.architecture)]
        helped = edges.count("nor_conv_3x3")
        loss = 1.0 + 0.02 * rng.standard_normal(3) - np.array([0.2 * helped, 0.0, 0.0])
        observations.append(Observation(one, loss, loss, 1, 1, 1.0))
    found = operations_preferred(SPACE, observations, WEIGHT)
    assert [one["cluster"] for one in found] == [0, 1, 2]
    assert found[0]["preferred"] == "nor_conv_3x3"
    assert found[1]["preferred"] is None
    told = {one["operation"]: one for one in found[0]["operations"]}["nor_conv_3x3"]
    assert told["effect"]["low"] <= -0.2 <= told["effect"]["high"] < 0
    assert told["apart"]["mean"] == pytest.approx(told["effect"]["mean"] / 2, abs=0.02)
