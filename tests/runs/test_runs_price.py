"""A search with a price: experts of their own sizes, expected cost, limits, the front told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moesaic.bank import Observation, Trial
from moesaic.config import make_config
from moesaic.data import Dataset, Split
from moesaic.errors import InputError, Interrupted, RunFailed
from moesaic.mixture import load_model
from moesaic.runs import Watcher, open_run, resume, search
from moesaic.runs._context import make_space
from moesaic.runs._design import serving
from moesaic.runs._generalists import promote
from moesaic.runs._price import (
    PER_MAC,
    guide_price,
    mistaken,
    nats_of_a_mistake,
    price_report,
    priced,
)
from moesaic.runs._specialise import choose
from moesaic.runs._variants import Design, gate_macs, oracle_experts
from moesaic.spaces import SizedSpace, get_space
from moesaic.spaces._plan import CellPlan
from moesaic.structure import Partition

WEIGHT = np.array([0.5, 0.5])


def bank(*rows: tuple[list[float], int]) -> list[Observation]:
    space = get_space("nasbench201", widths=(4,))
    found = []
    for index, (loss, macs) in enumerate(rows):
        architecture = space.sample(np.random.default_rng(index))
        trial = Trial("expert", "rung-1", index, index, architecture)
        # one wrong answer in two nats, but for what the loss alone tells
        right = 1.0 - np.array(loss) / 2
        found.append(Observation(trial, np.array(loss), right, macs, 1, 1.0))
    return found


EASY_HARD = bank(([0.10, 1.0], 1_000_000), ([0.09, 0.5], 8_000_000), ([0.2, 1.2], 500_000))


def config(**settings: Any) -> Any:
    return make_config(settings)


def test_an_easy_cluster_gets_the_small_expert_under_a_price() -> None:
    chosen = choose(mistaken(EASY_HARD), WEIGHT, 2, price=PER_MAC)  # a point a million
    assert chosen.assignment.tolist() == [0, 1]
    assert chosen.objective == pytest.approx(0.15 + 0.01 * 4.5)
    # without one the large expert is best everywhere, and the other takes a cluster it must
    assert choose(EASY_HARD, WEIGHT, 1).assignment.tolist() == [1, 1]


def test_a_limit_alone_gives_the_price_that_keeps_it() -> None:
    limited = config(max_macs=4.5e6 + 1000)
    guide = guide_price(limited, EASY_HARD, WEIGHT, 2, gate=1000)
    assert guide == pytest.approx(0.01 * 0.5 / 3.5e6)  # .09 -> .10 on half the data for 3.5 M
    assert choose(EASY_HARD, WEIGHT, 2, max_macs=4.5e6).assignment.tolist() == [0, 1]
    assert guide_price(config(), EASY_HARD, WEIGHT, 2, 0) == 0.0
    # three points of accuracy are .06 nats here
    assert guide_price(config(price=3.0), EASY_HARD, WEIGHT, 2, 0) == pytest.approx(0.06e-6)
    # a limit below everything: cost decides, until something cheap enough was trained
    steep = guide_price(config(max_macs=1000), EASY_HARD, WEIGHT, 2, 0)
    assert min(priced(EASY_HARD, steep), key=lambda o: float(o.loss @ WEIGHT)).macs == 500_000


def test_a_limit_that_the_bank_cannot_keep_says_how_to_mend_it() -> None:
    with pytest.raises(RunFailed, match="raise --max-macs"):
        choose(EASY_HARD, WEIGHT, 2, max_macs=1000)


def test_priced_losses_add_the_cost_and_nothing_without_a_price() -> None:
    dear = priced(EASY_HARD, 1e-7)
    assert dear[1].loss.tolist() == pytest.approx([0.89, 1.3])
    assert priced(EASY_HARD, 0.0) == EASY_HARD


def test_what_a_mistake_is_in_nats_is_told_by_the_generalists() -> None:
    assert nats_of_a_mistake(EASY_HARD, WEIGHT) == pytest.approx(2.0)
    assert nats_of_a_mistake(EASY_HARD[:1], WEIGHT) == 1.0  # one tells nothing
    assert nats_of_a_mistake([], WEIGHT) == 1.0
    unmeasured = bank(([0.1, np.nan], 1), ([0.5, np.nan], 2))
    assert nats_of_a_mistake(unmeasured, WEIGHT) == pytest.approx(2.0)


def test_nats_that_go_on_falling_do_not_buy_what_accuracy_does_not_show() -> None:
    small, large = bank(([0.10], 1_000_000), ([0.03], 3_000_000))
    small = replace(small, accuracy=np.array([0.970]))
    large = replace(large, accuracy=np.array([0.971]))
    share, found = np.ones(1), [small, large]
    # a point is .02 nats here: seven of them for two million in nats, a tenth of one in answers
    assert choose(found, share, 1, price=2 * PER_MAC).chosen == (1,)
    assert choose(mistaken(found), share, 1, price=PER_MAC).chosen == (0,)


def test_promotion_under_a_price_keeps_networks_of_several_sizes() -> None:
    rows = [([1.0 - 0.1 * size, 1.0 - 0.1 * size], size * 1_000_000) for size in range(1, 8)]
    found = bank(*rows)
    assert {o.macs for o in promote(found, WEIGHT, 3)} == {5_000_000, 6_000_000, 7_000_000}
    kept = {o.macs for o in promote(found, WEIGHT, 3, price=0.05e-6)}
    assert kept >= {1_000_000, 7_000_000}


def test_the_report_compares_equal_losses() -> None:
    found = price_report(
        config(price=0.02),
        EASY_HARD,
        [],
        (0, 1),
        [EASY_HARD[0], EASY_HARD[1]],
        WEIGHT,
        1000,
        get_space("nasbench201"),
    )
    assert found is not None
    assert found["unit"] == "points of accuracy per million MACs"
    assert found["chosen"] == {"macs": 4_501_000, "error": pytest.approx(0.15)}
    assert found["generalists"] == found["front"]
    best = found["equal_accuracy"][-1]
    assert best["homogeneous_macs"] == 8_001_000
    assert best["saving"] == pytest.approx(0.0)  # only the large one alone has .1475
    middle = found["equal_accuracy"][1]
    assert middle["homogeneous_macs"] == 1_001_000
    assert all(0 <= row["saving"] < 1 for row in found["equal_accuracy"])
    errors = [point["error"] for point in found["front"]]
    assert errors == sorted(errors, reverse=True)
    free = price_report(config(), EASY_HARD, [], (0,), EASY_HARD[:1], WEIGHT, 0, get_space("sanas"))
    assert free is None


def test_the_oracle_gives_every_domain_the_expert_that_serves_it() -> None:
    small, large, _ = (o.trial.architecture for o in EASY_HARD)
    assert small is not None
    assert large is not None
    design = Design(
        config=config(price=1.0),
        space=get_space("nasbench201"),
        input_shape=(1, 8, 8),
        classes=2,
        domains=2,
        experts=(small, large),
        routing=(1, 0),
        target=1,
        single=small,
        copy=small,
        recipe=config().recipe,
        domain_experts=(1, 0),
    )
    assert oracle_experts(design) == [large, small]


def test_a_domain_without_training_samples_has_an_expert_too() -> None:
    split = Split(torch.zeros(4, 1, 8, 8), torch.zeros(4), torch.tensor([0, 0, 2, 2]))
    dataset = Dataset("none", split, split, split, ("a",), ("x", "y", "z"))
    clusters = np.array([1, 1, 0, 0])
    assert serving(dataset, (1, 0), Partition(clusters, clusters, 2)) == (0, 0, 1)
    alone = Split(split.inputs, split.labels)
    assert (
        serving(
            Dataset("none", alone, alone, alone, ("a",)), (1, 0), Partition(clusters, clusters, 2)
        )
        == ()
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"price": -1.0}, "price"),
        ({"max_macs": 0}, "max_macs"),
        ({"price": 1.0, "top_k": 2}, "top_k"),
        ({"width_choices": [0.5, 1.0]}, "give price"),
        ({"depth_choices": [1, 2]}, "give price"),
        ({"stride_choices": [1, 2]}, "give price"),
        ({"gate_choices": [1, 0.5]}, "give price"),
        ({"price": 1.0, "gate_choices": [0.0]}, "gate_choices"),
        ({"price": 1.0, "gate_choices": []}, "gate_choices"),
        ({"max_macs": 1e6, "gate_choices": [2.0]}, "at most 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_config(settings)


@pytest.mark.parametrize(
    ("side", "given", "strides"),
    [(16, {}, {1, 2}), (8, {}, {1}), (16, {"stride_choices": [1]}, {1}), (8, {"price": None}, {1})],
)
def test_images_of_16_pixels_are_also_read_at_half_the_resolution_under_a_price(
    side: int, given: dict[str, Any], strides: set[int]
) -> None:
    split = Split(torch.zeros(4, 3, side, side, dtype=torch.uint8), torch.arange(4) % 2)
    dataset = Dataset("none", split, split, split, ("a", "b"))
    space = make_space(make_config({"data": "none", "price": 0.1, **given}), dataset)
    rng = np.random.default_rng(0)
    drawn = [CellPlan.from_text(space.sample(rng).text).stem_stride for _ in range(40)]
    assert set(drawn) == strides


def test_a_stride_that_leaves_no_image_is_refused_in_one_line() -> None:
    split = Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4) % 2)
    dataset = Dataset("none", split, split, split, ("a", "b"))
    given = {"data": "none", "price": 0.1, "stride_choices": [1, 8]}
    with pytest.raises(InputError, match="smaller stride_choices"):
        make_space(make_config(given), dataset)


def test_a_limit_that_no_network_keeps_is_refused_before_anything_is_written(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="smaller width_choices"):
        search(make_config({**settings, "max_macs": 17_000}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def run(spec: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("price") / "run"
    settings = {
        "data": spec,
        "trials": 6,
        "rungs": (1, 2),
        "widths": (4, 6),
        "width_choices": (0.5, 1.5),
        "depth_choices": (1, 2),
        "price": 50,  # points a million
        "epochs": 4,  # after one the copies may be the better ones, and be handed over
        "executor": "inprocess",
    }
    return folder, search(make_config(settings), folder).result


def test_experts_keep_their_sizes_and_the_rest_is_matched_to_their_expected_cost(
    run: tuple[Path, dict[str, Any]],
) -> None:
    folder, result = run
    costs = [expert["macs"] for expert in result["selection"]["experts"]]
    gate = result["routing"]["gate_macs"]
    assert result["routing"]["expert_macs"] == costs
    shares, routing = result["structure"]["shares"], result["selection"]["routing"]
    expected = sum(share * costs[k] for share, k in zip(shares, routing, strict=True)) + gate
    assert result["target_macs"] == pytest.approx(expected, abs=1)
    assert result["price"]["chosen"]["macs"] == pytest.approx(expected, rel=0.02)
    usage = result["routing"]["usage"]
    active = sum(share * cost for share, cost in zip(usage, costs, strict=True)) + gate
    assert result["mixture"]["macs_active"] == pytest.approx(active, abs=1)
    for name in ("single", "homogeneous", "random"):
        assert result["baselines"][name]["macs_active"] == pytest.approx(expected, rel=0.15)
    assert load_model(folder).input_shape == (1, 8, 8)


def test_the_chosen_cells_are_trained_at_every_size_on_their_clusters(
    run: tuple[Path, dict[str, Any]],
) -> None:
    folder, result = run
    with open_run(folder).bank() as bank:
        found = bank.observations(stage="specialise-2-2")
    assert len({one.trial.subset for one in found}) == 2
    assert len(found) == 2 * 4
    keys = {one.trial.architecture.key for one in found if one.trial.architecture}
    assert {expert["key"] for expert in result["selection"]["experts"]} <= keys
    history = result["selection"]["history"]
    assert history == sorted(history, reverse=True)


def test_the_gate_has_the_size_that_is_worth_its_compute(
    run: tuple[Path, dict[str, Any]],
) -> None:
    folder, result = run
    gate = result["price"]["gate"]
    assert [one["size"] for one in gate["tried"]] == [1.0, 0.7, 0.5, 0.35]
    costs = [one["macs"] for one in gate["tried"]]
    assert costs == sorted(costs, reverse=True)
    # dear as compute is here, a small one that parts light from dark will do
    best = min(gate["tried"], key=lambda one: 1 - one["right"] + 0.5e-6 * one["macs"])
    assert gate["size"] == best["size"] < 1
    assert result["routing"]["gate_macs"] == result["price"]["gate_macs"] == best["macs"]
    with open_run(folder).bank() as bank:
        mixtures = bank.observations(kind="mixture")
    assert {one.trial.payload.get("gate_size") for one in mixtures} == {best["size"]}
    handed = load_model(folder)
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert handed.route(images).shape[0] == 2


def test_the_single_network_is_the_best_of_all_shapes_at_its_cost(
    run: tuple[Path, dict[str, Any]],
) -> None:
    folder, result = run
    with open_run(folder).bank() as bank:
        tried = bank.observations(stage="single-shape")
        single = bank.observations(stage="final-0-single")[0].trial.architecture
        copies = bank.observations(stage="final-0-homogeneous")[0].trial.payload["experts"]
    assert len(tried) >= 2  # one cell or more, each of one and of two cells a stage
    assert len({one.trial.architecture for one in tried}) == len(tried)
    assert all(one.trial.subset is None and one.trial.parent is None for one in tried)
    for one in tried:
        assert one.macs == pytest.approx(result["target_macs"], rel=0.15)
    shares = np.array(result["structure"]["shares"])
    errors = [float((1 - np.nan_to_num(one.accuracy)) @ shares) for one in tried]
    assert single in [
        one.trial.architecture
        for one, error in zip(tried, errors, strict=True)
        if error == pytest.approx(min(errors))
    ]
    depths = {CellPlan.from_text(single.text).cells_per_stage} if single else set()
    assert {copy["description"]["cells_per_stage"] for copy in copies} == depths


def test_without_a_price_a_gate_is_the_one_it_was(spec: str, tmp_path: Path) -> None:
    settings = {
        "data": spec,
        "trials": 2,
        "rungs": (1,),
        "widths": (4,),
        "epochs": 1,
        "baselines": False,
        "executor": "inprocess",
    }
    result = search(make_config(settings), tmp_path / "run").result
    with open_run(tmp_path / "run").bank() as bank:
        mixtures = bank.observations(kind="mixture")
    assert mixtures
    assert all("gate_size" not in one.trial.payload for one in mixtures)
    assert result["routing"]["gate_macs"] == gate_macs((1, 8, 8), 2)


def test_the_front_of_the_bank_is_told(run: tuple[Path, dict[str, Any]]) -> None:
    _, result = run
    found = result["price"]
    assert found["price"] == 50
    assert found["gate_macs"] == result["routing"]["gate_macs"]
    for name in ("front", "generalists", "homogeneous"):
        macs = [point["macs"] for point in found[name]]
        errors = [point["error"] for point in found[name]]
        assert macs == sorted(macs)
        assert errors == sorted(errors, reverse=True)
    # the choice pays no more than any point of the front that has every expert in use
    chosen = found["chosen"]
    assert result["selection"]["unit"] == "share of wrong answers"
    paid = chosen["error"] + 0.5e-6 * (chosen["macs"] - found["gate_macs"])
    assert paid == pytest.approx(result["selection"]["objective"], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [2, 5, 8])
def test_a_run_with_a_limit_that_was_interrupted_gives_the_same(
    spec: str, tmp_path: Path, stop: int
) -> None:
    class StopAfter(Watcher):
        left = stop

        def trial(self, title: str, done: int, trials: int, left: Any, note: str) -> None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

    settings = {
        "data": spec,
        "trials": 6,
        "rungs": (1, 2),
        "widths": (4, 6),
        "max_macs": 60_000,
        "epochs": 1,
        "baselines": False,
        "executor": "inprocess",
    }
    whole = search(make_config(settings), tmp_path / "whole").result
    with pytest.raises(Interrupted):
        search(make_config(settings), tmp_path / "run", StopAfter())
    found = resume(tmp_path / "run").result
    for name in ("price", "selection", "test_accuracy", "target_macs"):
        assert found[name] == whole[name]
    assert whole["target_macs"] <= 60_001
    assert whole["price"]["chosen"]["macs"] <= 60_001


def test_sizes_differ_in_the_bank(run: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = run
    with open_run(folder).bank() as stored:
        tried = [o.trial.architecture for o in stored.observations(stage="rung-0")]
    space = SizedSpace(get_space("nasbench201", widths=(4, 6)), (0.5, 1.5), (1, 2))
    sizes = {space.stratum(one).split("/")[1] for one in tried if one is not None}
    assert len(sizes) >= 3
