"""The audit: figures against independent references, calibration, bias that must be found."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, permutations

import numpy as np
import pytest
from campaign_helpers import NAMES, alphabetical, published, uniform
from scipy.stats import hypergeom, kstest

from moesaic.errors import InputError
from moesaic.report.campaign import Candidate, audit, read_candidates
from moesaic.report.campaign._chance import holm, inclusion_p, order_p, uniform_p
from moesaic.report.campaign._space import Space


def two_sided(size, holders, drawn, seen):
    """Sum hypergeometric probabilities term by term, in whole numbers."""
    ways = [math.comb(holders, k) * math.comb(size - holders, drawn - k) for k in range(drawn + 1)]
    return sum(way for way in ways if way <= ways[seen]) / math.comb(size, drawn)


def test_a_small_design_by_hand():
    rows = [("A", "B"), ("A", "C"), ("B", "A")]
    found = audit([Candidate(row) for row in rows], ("A", "B", "C", "D"), more=9)
    assert found["anchored"] == ["A"]
    assert (found["space"], found["distinct"], found["share"]) == (6, 2, 1 / 3)
    assert (found["planned"], found["tried"], found["finished"], found["failed"]) == (3, 3, 3, 0)
    expected = {"A": (2, 0.2), "B": (1, 1.0), "C": (1, 1.0), "D": (0, 0.4)}
    for row in found["families"]:
        count, _ = expected[row["name"]]
        assert (row["count"], row["expected"]) == (count, 1.0)
        assert row["p"] == pytest.approx(two_sided(6, 3, 2, count))
    assert found["pairs"]["total"] == 6
    assert found["pairs"]["covered"] == 2
    assert sorted(found["next"]) == [["A", "D"], ["B", "C"], ["B", "D"], ["C", "D"]]
    assert "D" in found["next"][0]


@pytest.mark.parametrize(("pool", "experts", "drawn"), [(8, 3, 20), (29, 4, 103), (5, 4, 5)])
@pytest.mark.parametrize("families", [1, 2])
def test_inclusion_is_tested_exactly(pool, experts, drawn, families):
    space = Space(tuple(map(str, range(pool))), experts)
    holders = math.comb(pool - families, experts - families)
    likely = np.flatnonzero(hypergeom.pmf(np.arange(drawn + 1), space.size, holders, drawn) > 1e-9)
    p = inclusion_p(space, families, drawn, likely)
    reference = [two_sided(space.size, holders, drawn, seen) for seen in likely]
    assert p == pytest.approx(reference, rel=1e-6)


def test_inclusion_in_a_space_too_large_to_list():
    space = Space(tuple(map(str, range(500))), 8)
    counts = np.array([0, 6, 12, 20])
    share = 8 / 500
    ways = [math.comb(400, k) * share**k * (1 - share) ** (400 - k) for k in range(401)]
    binomial = [sum(way for way in ways if way <= ways[seen]) for seen in counts]
    assert inclusion_p(space, 1, 400, counts) == pytest.approx(binomial, rel=1e-6)


def test_draws_are_different_sets_and_every_set_is_drawn():
    space = Space(tuple("ABCDEFG"), 3)
    whole = space.draw(space.size, np.random.default_rng(0))
    assert {tuple(row) for row in whole.tolist()} == set(combinations(range(7), 3))
    counts = Counter(
        tuple(row)
        for seed in range(300)
        for row in space.draw(7, np.random.default_rng(seed)).tolist()
    )
    assert len(counts) == 35
    # 60 each are expected, with a standard deviation of 7
    assert all(30 < count < 90 for count in counts.values())


def test_p_values_are_uniform_when_the_design_is(monkeypatch):
    monkeypatch.setattr("moesaic.report.campaign._chance.DRAWS", 199)
    space = Space(NAMES, 3)
    found = []
    for seed in range(150):
        members = space.members(uniform(seed, 40))
        found.append((uniform_p(space, members, seed), order_p(members, len(NAMES), seed)))
    for p in np.array(found).T:
        assert kstest(p, "uniform").pvalue > 0.01
        assert (p <= 0.05).mean() < 0.12


def test_a_walk_through_the_alphabet_is_found_out():
    found = audit(alphabetical(50), NAMES)
    assert found["anchored"] == ["f00"]
    assert found["uniform_p"] == 1 / 2000
    assert found["prefix_p"] == 1 / 2000
    first = found["families"][0]
    assert first["name"] == "f00"
    assert first["p_holm"] < 1e-6


def test_order_and_choice_are_told_apart():
    drawn = uniform(3, 60)
    ordered = audit(sorted(drawn), NAMES)
    assert ordered["uniform_p"] > 0.05
    assert ordered["prefix_p"] == 1 / 2000
    biased = [found for found in uniform(4, 220) if "f00" in found.families][:40]
    shuffled = audit(biased, NAMES)
    assert shuffled["uniform_p"] < 0.01 < shuffled["prefix_p"]


def test_names_do_not_matter():
    rename = {name: f"z{29 - place:02d}" for place, name in enumerate(NAMES)}
    drawn = uniform(5, 40)
    other = [Candidate(tuple(rename[name] for name in c.families[::-1])) for c in drawn]
    first, second = audit(drawn, NAMES), audit(other, tuple(rename.values()))
    for name in ("anchored", "space", "share", "uniform_p"):
        assert first[name] == second[name]
    assert first["prefix_p"] == pytest.approx(second["prefix_p"], abs=0.002)
    counts = {rename[row["name"]]: (row["count"], row["p"]) for row in first["families"]}
    assert counts == {row["name"]: (row["count"], row["p"]) for row in second["families"]}


def test_the_same_design_gives_the_same_audit():
    assert audit(uniform(6, 30), NAMES) == audit(uniform(6, 30), NAMES)


def test_what_is_planned_counts_only_while_nothing_was_tried():
    plan = [Candidate(("A", "B"), None, "planned"), Candidate(("A", "C"), None, "planned")]
    assert audit(plan)["distinct"] == 2
    begun = audit([*plan, Candidate(("B", "C"))], more=9)
    assert (begun["planned"], begun["tried"], begun["distinct"]) == (3, 1, 1)
    assert begun["next"] == []


def test_families_that_fail_more_often_are_named():
    drawn = uniform(7, 80)
    found = [
        c._replace(status="failed", cause="out_of_memory") if "f03" in c.families else c
        for c in drawn
    ]
    failures = audit(found, NAMES)["failures"]
    worst = failures["families"][0]
    assert worst["name"] == "f03"
    assert worst["failed"] == worst["tried"] == failures["causes"]["out_of_memory"]
    total, bad = 80, worst["failed"]
    assert worst["p"] == pytest.approx(1 / math.comb(total, bad))
    assert worst["p_holm"] < 0.001
    # they crowd the others out of the failed: none of those stands out
    assert failures["families"][1]["p_holm"] > 0.05


def test_next_evens_out_what_was_used():
    names = tuple("ABCDEFGH")
    proposed = audit([Candidate(tuple("ABC"))], names, more=15)["next"]
    counts = Counter(name for row in [list("ABC"), *proposed] for name in row)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len({frozenset(row) for row in proposed} - {frozenset("ABC")}) == 15
    pairs = {frozenset(p) for row in [list("ABC"), *proposed] for p in combinations(row, 2)}
    assert len(pairs) == 28


def test_next_stops_where_the_space_ends():
    everything = alphabetical(10, 3, tuple("ABCDE"))
    assert len(audit(everything[:7], tuple("ABCDE"), more=99)["next"]) == 3
    assert audit(everything, tuple("ABCDE"))["next"] == []
    assert audit(everything, tuple("ABCDE"))["share"] == 1.0


def test_holm_against_its_definition():
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    for order in permutations(range(4)):
        assert holm(p[list(order)]) == pytest.approx(holm(p)[list(order)])


def test_a_family_outside_the_pool():
    with pytest.raises(InputError, match="f02 is in candidates but not in the pool"):
        audit(alphabetical(1), NAMES[:2])


def test_a_space_beyond_counting():
    names = tuple(f"n{place}" for place in range(3000))
    with pytest.raises(InputError, match="candidates: give a pool"):
        audit([Candidate(names[:8])], names)


def test_the_published_quartets():
    candidates = read_candidates(published())
    pool = {name for found in candidates for name in found.families} | {"FractalNet"}
    found = audit(candidates, sorted(pool))
    assert found["anchored"] == ["AirNet", "AirNext"]
    assert (found["space"], found["distinct"]) == (23_751, 103)
    assert found["share"] == 103 / 23_751
    assert found["uniform_p"] < 0.001
    assert found["prefix_p"] < 0.001
    assert "FractalNet" in found["next"][0]


def test_a_candidate_that_was_tried_again_keeps_its_first_place(monkeypatch):
    from moesaic.report.campaign import _audit

    seen = []
    monkeypatch.setattr(_audit, "order_p", lambda members, *_: seen.append(members.tolist()) or 1.0)
    rows = [Candidate(names, 0.5) for names in (("a", "b"), ("c", "d"), ("a", "b"))]
    audit(rows)
    audit(rows[:2])
    assert seen[0] == seen[1]
