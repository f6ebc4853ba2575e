"""Scores of all subsets against brute force, under limits, in any block size, and of too many."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.errors import InputError
from moesaic.selection import Limits, Members, score_subsets
from moesaic.selection.subsets import _board, _tables, _walk


def bank(experts: int, samples: int, seed: int, clusters: int = 3) -> Members:
    rng = np.random.default_rng(seed)
    loss = rng.exponential(1.0, (experts, samples)) * rng.uniform(0.5, 1.5, (experts, 1))
    return Members(
        loss=loss.astype(np.float32),
        right=rng.random((experts, samples)) < 0.6,
        cluster=np.arange(samples) % clusters,
        embedding=rng.normal(size=(samples, 4)),
        macs=rng.integers(1, 50, experts).astype(float),
        parameters=rng.integers(1, 50, experts).astype(float),
    )


def reference(members: Members, row: tuple[int, ...], score: str) -> float:
    loss = np.asarray(members.loss, dtype=np.float64)[list(row)]
    if score == "oracle":
        return float(loss.min(axis=0).mean())
    if score == "ensemble":
        return float(-np.log(np.exp(-loss).mean(axis=0)).mean())
    if score == "mean":
        return float(np.asarray(members.right)[list(row)].mean())
    cluster = np.asarray(members.cluster)
    return float(
        sum(
            (cluster == m).mean() * min(own[cluster == m].mean() for own in loss)
            for m in np.unique(cluster)
        )
    )


SUMMED = ("oracle", "cluster", "ensemble", "mean")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_subset_has_the_score_of_its_definition(data: st.DataObject) -> None:
    experts = data.draw(st.integers(2, 7))
    count = data.draw(st.integers(1, min(5, experts)))
    members = bank(experts, data.draw(st.integers(4, 40)), data.draw(st.integers(0, 99)))
    score = data.draw(st.sampled_from(SUMMED))
    found = score_subsets(members, count, score=score, top=100)
    assert found.exhaustive
    assert found.scored == found.space == comb(experts, count) == len(found.best)
    assert {one.members for one in found.best} == set(combinations(range(experts), count))
    raw = [one.raw for one in found.best]
    assert raw == sorted(raw, reverse=found.higher_is_better)
    assert found.bound == pytest.approx(raw[0])
    for one in found.best:
        assert one.raw == pytest.approx(reference(members, one.members, score), rel=1e-4)
        assert one.low <= one.score <= one.high


@pytest.mark.parametrize("score", SUMMED)
def test_corrected_scores_keep_the_order(score: str) -> None:
    found = score_subsets(bank(9, 300, 4), 3, score=score)
    scores = [one.score for one in found.best]
    assert scores == sorted(scores, reverse=found.higher_is_better)
    worse = [
        one.score < one.raw if found.higher_is_better else one.score > one.raw
        for one in found.best[:1]
    ]
    assert all(worse)


@pytest.mark.parametrize("score", SUMMED)
def test_the_size_of_the_blocks_makes_no_difference(
    score: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = bank(8, 200, 1)
    whole = score_subsets(members, 4, score=score, top=30)
    monkeypatch.setattr(_tables, "_CHUNK", 64)
    monkeypatch.setattr(_board, "_FLUSH", 7)
    monkeypatch.setattr(_walk, "_MOST_BYTES", 0)
    parts = score_subsets(members, 4, score=score, top=30)
    assert [one.members for one in parts.best] == [one.members for one in whole.best]
    for name in ("raw", "score", "low", "high"):
        assert [getattr(one, name) for one in parts.best] == pytest.approx(
            [getattr(one, name) for one in whole.best], abs=1e-6
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(1, 3))
def test_limits_leave_exactly_what_obeys_them(seed: int, active: int) -> None:
    members = bank(7, 20, seed)
    limits = Limits(max_macs=70.0, max_parameters=90.0, must_have=(2,), must_not=(5,))
    macs, parameters = np.asarray(members.macs), np.asarray(members.parameters)
    want = {
        row
        for row in combinations(range(7), 3)
        if 2 in row
        and 5 not in row
        and np.sort(macs[list(row)])[-active:].sum() <= 70
        and parameters[list(row)].sum() <= 90
    }
    if not want:
        with pytest.raises(InputError, match="max_macs"):
            score_subsets(members, 3, limits=limits, active=active)
        return
    found = score_subsets(members, 3, limits=limits, active=active, top=100)
    assert {one.members for one in found.best} == want
    assert found.scored == len(want)
    assert found.space == comb(5, 2)


def test_all_members_may_be_given() -> None:
    members = bank(5, 30, 0)
    (only,) = score_subsets(members, 2, limits=Limits(must_have=(1, 3))).best
    assert only.members == (1, 3)
    assert only.raw == pytest.approx(reference(members, (1, 3), "oracle"), rel=1e-5)


@pytest.mark.parametrize("score", SUMMED)
def test_beyond_listing_the_best_is_found_with_a_bound(score: str) -> None:
    members = bank(14, 120, 6)
    listed = score_subsets(members, 4, score=score)
    found = score_subsets(members, 4, score=score, most=10)
    assert not found.exhaustive
    assert found.scored < found.space
    assert found.best[0].members == listed.best[0].members
    assert found.bound is not None
    sign = -1 if found.higher_is_better else 1
    assert sign * found.bound <= sign * listed.best[0].raw + 1e-6
    assert len({one.members for one in found.best}) == len(found.best)


def test_beyond_listing_limits_hold_too() -> None:
    members = bank(14, 60, 2)
    limits = Limits(max_macs=95.0, max_parameters=110.0, must_have=(3,), must_not=(1,))
    listed = score_subsets(members, 4, limits=limits)
    found = score_subsets(members, 4, limits=limits, most=10)
    macs = np.asarray(members.macs)
    for one in found.best:
        assert 3 in one.members
        assert 1 not in one.members
        assert macs[list(one.members)].sum() <= 95
    assert found.best[0].raw >= listed.best[0].raw - 1e-6


@pytest.mark.parametrize(("score", "truth"), [("oracle", 1 / 3), ("mean", 0.6), ("cluster", 1.0)])
def test_on_pure_noise_the_winner_gets_no_credit_for_luck(score: str, truth: float) -> None:
    scores, raws, inside = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        members = Members(
            loss=rng.exponential(1.0, (8, 160)),
            right=rng.random((8, 160)) < 0.6,
            cluster=rng.integers(0, 4, 160),
        )
        best = score_subsets(members, 3, score=score, seed=seed).best[0]
        scores.append(best.score)
        raws.append(best.raw)
        inside.append(best.low <= truth <= best.high)
    error = float(np.std(scores, ddof=1)) / np.sqrt(len(scores))
    assert abs(np.mean(scores) - truth) < 3 * error
    assert abs(np.mean(raws) - truth) > 6 * error
    assert np.mean(inside) > 0.85


def test_where_one_is_truly_the_best_nothing_is_corrected_away() -> None:
    rng = np.random.default_rng(0)
    loss = 1.0 + 0.01 * rng.random((6, 400))
    loss[1, :200], loss[4, 200:] = 0.1, 0.1
    best = score_subsets(Members(loss), 2).best[0]
    assert best.members == (1, 4)
    assert best.score == pytest.approx(best.raw, abs=1e-6)


def test_the_gate_tells_apart_what_embeddings_tell_apart() -> None:
    rng = np.random.default_rng(0)
    side = np.arange(400) % 2
    loss = np.full((5, 400), 1.5) + 0.1 * rng.random((5, 400))
    # 0 and 1 divide the samples by what the embedding shows, 2 and 3 by what it does not
    hidden = rng.permutation(side)
    loss[0, side == 0], loss[1, side == 1] = 0.2, 0.2
    loss[2, hidden == 0], loss[3, hidden == 1] = 0.1, 0.1
    embedding = np.stack([2.0 * side - 1 + 0.1 * rng.normal(size=400), rng.normal(size=400)], 1)
    members = Members(loss, embedding=embedding)
    assert score_subsets(members, 2).best[0].members == (2, 3)
    found = score_subsets(members, 2, score="gate")
    assert found.best[0].members == (0, 1)
    assert found.best[0].raw < 0.3
    assert found.scored == 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": "orcale"}, "did you mean oracle"),
        ({"experts": 9}, "9 experts out of 5"),
        ({"limits": Limits(must_have=(7,))}, "outside 0 .. 4"),
        ({"limits": Limits(must_have=(1,), must_not=(1,))}, "in must_have and in must_not"),
        ({"limits": Limits(max_macs=3.0)}, "limit on macs"),
        ({"active": 4}, "4 active experts of 3"),
        ({"top": 0}, "ask for 1 or more"),
        ({"score": "mean"}, "pass right"),
        ({"score": "cluster"}, "pass cluster"),
        ({"score": "gate"}, "embeddings"),
    ],
)
def test_misuse_is_refused_in_one_line(change: dict[str, object], words: str) -> None:
    arguments = {"experts": 3} | change
    with pytest.raises(InputError, match=words) as caught:
        score_subsets(Members(np.ones((5, 20))), **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("loss", [np.ones(4), np.ones((4, 1)), np.full((4, 9), np.nan)])
def test_losses_must_be_a_finite_table(loss: np.ndarray) -> None:
    with pytest.raises(InputError, match="finite"):
        score_subsets(Members(loss), 2)
