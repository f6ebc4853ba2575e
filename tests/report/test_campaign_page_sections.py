"""What each section of a campaign's page says, against counts made another way."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from math import comb

import pytest
import yaml
from campaign_page_helpers import POOL, WORST, FakeCampaign
from hypothesis import given
from hypothesis import strategies as st

from moesaic.report.campaign._page_coverage import count_families, count_pairs
from moesaic.report.campaign._page_failures import chance_of_failures
from moesaic.report.campaign._page_pairs import draw_pairs
from moesaic.report.campaign._page_scale import draw_on, scale_of


@pytest.fixture
def run(tmp_path) -> FakeCampaign:
    """Return a campaign with baselines, one rung, no fitted effects."""
    return FakeCampaign(tmp_path / "run")


def plain(text: str) -> str:
    """Return text with narrow spaces as spaces."""
    return text.replace("\u202f", " ")


def test_first_lines_say_verdict_cost_account_and_coverage(run):
    header = plain(re.search(r"<header>.*?</header>", run.page.source, re.DOTALL)[0])
    text = " ".join(re.sub(r"<[^>]+>", " ", header).split())
    for words in (
        "An answer costs 9.60 M multiply-accumulates (against 2.40 M for the best family alone)",
        "finding it took 21 trainings, 2 h 03 min of training in 1 h 05 min.",
        "12 mixtures planned: 7 done, 3 failed (1 out of memory, 1 time limit, 1 worker died), "
        "1 lost and 1 not begun. 1 was tried again",
        "7 of the 70 mixtures of 4 out of 8 families are done (10.0 %)",
    ):
        assert words in text
    widths = [int(width) for width in re.findall(r"flex: (\d+)", header)]
    assert widths == [7, 1, 1, 1, 1, 1]


def test_the_account_is_counted_where_the_result_holds_none(run):
    before = run.page.text
    del run.result["trials"]
    assert "12 mixtures planned: 7 done, 3 failed" in run.page.text
    assert before.count("lost") == run.page.text.count("lost")


def test_final_table_holds_every_row_with_its_difference(run):
    table = run.page.section("table")
    text = plain(table.text)
    for words in (
        "Best mixture BagNet + RegNet + ShuffleNet + SqueezeNext by validation accuracy; handed",
        "Second mixture",
        "Uniform ensemble",
        "Best family, 4× as long",
        "+4.5 +2.5 to +6.5 mixture ahead 2.40 M 310 k 12",
        "−1.2 −3.2 to +0.8 no difference shown",
        "−3.2 to +11.0 points",
    ):
        assert words in text
    assert text.count("reference") == 1
    assert len([a for a in table.every("svg") if "interval" in str(a["class"])]) == 5


def test_without_baselines_the_page_says_so(tmp_path):
    run = FakeCampaign(tmp_path / "run", baselines=False)
    page = run.page
    table = page.section("table").text
    assert "Uniform ensemble, Best family alone, Best family, 4× as long; the campaign" in table
    assert "--no-baselines" in table
    assert "--no-baselines" in page.section("families").text
    assert "nothing to compare with" in page.text
    assert "–" not in re.findall(r"Cost of one answer (.*?) active", page.text)


def test_curve_draws_the_finished_and_names_the_best(run):
    curve = run.page.section("curve")
    label = plain(str(next(a for a in curve.every("svg") if a.get("role") == "img")["aria-label"]))
    best = max(row["accuracy"] for row in run.candidates if row["accuracy"] is not None)
    assert "Validation accuracy of 7 finished mixtures" in label
    assert f"to {100 * best:.1f} %; 3 failed" in label
    assert f"{100 * best:.1f} %" in plain(curve.text)
    listed = curve.text.split("The best by validation")[1]
    assert re.findall(r" (\d+) \w+ \+", listed) == [str(rank) for rank in range(1, 8)]


def test_mixtures_that_ended_at_the_quick_rung_are_not_the_best(tmp_path):
    run = FakeCampaign(tmp_path / "run", quick=True)
    ended = next(row for row in run.candidates if row["status"] == "done" and not row["full"])
    ended["accuracy"] = ended["quick"] = 0.999
    curve = run.page.section("curve").text
    assert "ended at the quick rung" in curve
    assert "99.9" not in curve
    assert f"of {sum(row['full'] for row in run.candidates)} reaches" in curve


@given(st.lists(st.sets(st.sampled_from(POOL), min_size=4, max_size=4), max_size=20))
def test_counts_add_up(mixtures):
    found = [tuple(sorted(mixture, reverse=True)) for mixture in mixtures]
    families, pairs = count_families(found, POOL), count_pairs(found, POOL)
    assert sum(families.values()) == 4 * len(found)
    assert sum(pairs.values()) == comb(4, 2) * len(found)
    assert list(pairs) == list(combinations(POOL, 2))
    for (first, second), count in pairs.items():
        assert count == sum({first, second} <= mixture for mixture in mixtures)


def test_coverage_names_what_was_never_done(run):
    for row in run.candidates:
        if WORST in row["families"] and row["status"] == "done":
            row |= {"status": "failed", "cause": "diverged", "accuracy": None}
    coverage = run.page.section("coverage").text
    assert f"In no finished mixture: {WORST}." in coverage
    assert f"{WORST} 0 of {sum(WORST in row['families'] for row in run.candidates)}" in coverage
    assert f"{WORST} with IGCV3 0 of" in coverage
    assert f"AirNet + {WORST}" in re.findall(r"Never done: (.*?);", coverage)[0]


def test_heat_map_shows_planned_above_and_done_below_the_diagonal():
    pool = ("a", "b", "c")
    planned = {("a", "b"): 7, ("a", "c"): 5, ("b", "c"): 3}
    done = {("a", "b"): 6, ("a", "c"): 4, ("b", "c"): 0}
    root = ElementTree.fromstring(str(draw_pairs(pool, planned, done)))
    numbers = [text for text in root.iter("text") if text.get("class") not in ("row", "column")]
    assert [text.text for text in numbers] == ["7", "5", "6", "3", "4", "0"]
    missed = [rect for rect in root.iter("rect") if rect.get("class") == "missed"]
    assert len(missed) == 1
    _, _, width, height = (float(part) for part in root.get("viewBox", "").split())
    for rect in root.iter("rect"):
        assert 0 <= float(rect.get("x", "-1")) <= width - float(rect.get("width", "0"))
        assert 0 <= float(rect.get("y", "-1")) <= height - float(rect.get("height", "0"))
    assert draw_pairs(("a",), {}, {}) is None
    assert draw_pairs([str(number) for number in range(99)], planned, done) is None


def effect(name: str, mean: float | None, **more: object) -> dict[str, object]:
    """Return a family's effect with an interval of a point to both sides."""
    ends = [None if mean is None else mean + side for side in (-0.01, 0.01)]
    return {"name": name, "mean": mean, "low": ends[0], "high": ends[1], "n": 5, **more}


def test_effects_are_ordered_and_judged_by_their_intervals(tmp_path):
    run = FakeCampaign(tmp_path / "run", fitted=True)
    run.result["yield"] = {
        "effects": [
            effect("BagNet", -0.03),
            effect("DPN", 0.0),
            effect("IGCV3", -0.02),
            effect("AirNet", 0.02),
            effect("RegNet", None),
        ],
        "keep": [{"name": "AirNet"}],
        "drop": ["BagNet"],
    }
    text = run.page.section("yield").text
    rows = (
        "AirNet 5 +2.0 +1.0 to +3.0 keep",
        "DPN 5 0.0 −1.0 to +1.0 not shown",
        "IGCV3 5 −2.0 −3.0 to −1.0 below average",
        "BagNet 5 −3.0 −4.0 to −2.0 leave out",
        "RegNet 5 – not measured",
    )
    places = [text.index(words) for words in rows]
    assert places == sorted(places)
    assert "Keep: AirNet . Leave out of the next campaign: BagNet" in text
    assert "one scale, −4.0 to +3.0 points" in text
    assert "Chance" not in text
    assert "Pairs" not in text


def test_what_a_fit_tells_beside_effects_is_shown(tmp_path):
    run = FakeCampaign(tmp_path / "run", fitted=True)
    run.result["yield"] = {
        "effects": [
            effect("BagNet", 0.005, verdict="keep", identifiable=True, p_keep=0.962),
            effect("DPN", 0.0, verdict="measure", identifiable=True, p_keep=0.5),
            effect("AirNet", 0.9, verdict="average", identifiable=False, p_keep=0.5),
        ],
        "loo_r2": 0.512,
        "loo_spearman": 0.734,
        "pairs": [
            {"names": ["DPN", "IGCV3"], "mean": 0.004, "verdict": "synergy"},
            {"names": ["AirNet", "DPN"], "mean": 0.012, "verdict": "synergy"},
            {"names": ["BagNet", "DPN"], "mean": 0.0, "verdict": ""},
            {"names": ["DPN", "RegNet"], "mean": -0.02, "verdict": "clash"},
        ],
    }
    text = plain(run.page.section("yield").text)
    for words in (
        "BagNet 5 +0.5 −0.5 to +1.5 96 % keep",
        "DPN 5 0.0 −1.0 to +1.0 50 % measure more",
        "AirNet 5 – – in every mixture: cannot be told",
        "−1.0 to +1.5 points",
        "R² 0.51, Spearman 0.73",
        "more than their two families: AirNet + DPN (+1.2) and DPN + IGCV3 (+0.4).",
        "Pairs that add less: DPN + RegNet (−2.0).",
    ):
        assert words in text


def test_without_effects_the_means_are_shown_and_called_so(run):
    text = plain(run.page.section("yield").text)
    assert "No effects were fitted. These are plain means" in text
    row = next(row for row in run.result["families"] if row["name"] == "BagNet")
    assert f"BagNet {row['done']} {100 * row['mean_accuracy']:.1f} %" in text
    order = [text.index(f"{row['name']} {row['done']} ") for row in _by_mean(run)]
    assert order == sorted(order)


def _by_mean(run: FakeCampaign):
    known = [row for row in run.result["families"] if row["mean_accuracy"] is not None]
    return sorted(known, key=lambda row: -row["mean_accuracy"])


def test_intervals_of_a_table_share_a_scale_and_lie_in_order():
    intervals = [(1.0, 0.5, 2.0), (-1.0, -3.0, 0.5), (0.0, 0.0, 0.0)]
    scale = scale_of([*intervals, None])
    assert (scale.low, scale.high) == (-3.0, 2.0)
    zeros = set()
    for interval in intervals:
        root = ElementTree.fromstring(str(draw_on(scale, interval)))
        ways = {path.get("class"): path.get("d", "") for path in root.iter("path")}
        low, _, high = (float(part) for part in re.findall(r"[\d.]+", ways["reach"]))
        mean = float(next(root.iter("circle")).get("cx", "nan"))
        assert 10 <= low <= mean <= high <= 170
        zeros.add(ways["zero"])
    assert len(zeros) == 1
    assert draw_on(scale, None) == ""


def test_failures_are_counted_by_family_and_cause(run):
    failures = run.page.section("failures").text
    failed = [row for row in run.candidates if row["status"] == "failed"]
    own = [row for row in failed if WORST in row["families"]]
    begun = sum(row["status"] != "planned" and WORST in row["families"] for row in run.candidates)
    assert f"{len(failed)} of 11 mixtures that were begun failed" in failures
    assert f"{WORST} {begun} {len(own)}" in failures
    assert failures.count("second line") == 0
    assert "out of memory tried again 2 times out of memory: the trial was stopped" in failures


def test_a_guilty_family_is_found_and_the_list_ends(tmp_path):
    run = FakeCampaign(tmp_path / "run", planned=70)
    for row in run.candidates:
        guilty = WORST in row["families"]
        row |= {"status": "failed", "cause": "diverged"} if guilty else {"status": "done"}
        row["accuracy"] = None if guilty else 0.5
        row["full"] = True
    text = run.page.section("failures").text
    rows = text.split("over-represented")
    assert f"{WORST} 35 35 100" in plain(rows[0])
    assert text.count("< 0.001 over-represented") == 1
    assert "And" not in text
    extra = [{**run.candidates[0], "index": 70 + place} for place in range(40)]
    run.candidates.extend([{**row, "status": "failed", "cause": "error"} for row in extra])
    failed = sum(row["status"] == "failed" for row in run.candidates)
    assert f"And {failed - 50} more" in run.page.section("failures").text


def test_chance_of_failures_agrees_with_counting():
    begun, failed, own = 9, 4, 5
    for own_failed in range(5):
        draws = list(combinations(range(begun), failed))
        share = sum(sum(place < own for place in draw) >= own_failed for draw in draws) / len(draws)
        assert chance_of_failures(begun, failed, own, own_failed) == pytest.approx(share)


def test_no_failure_is_said(run):
    for row in run.candidates:
        row |= {"status": "done", "accuracy": 0.5, "cause": None}
    assert "None: every mixture that was begun" in run.page.section("failures").text


def test_router_shows_use_dead_experts_and_clusters(run):
    router = plain(run.page.section("router").text)
    for words in (
        "2.84 of 4",
        "0.412 nats 0 is decided, 1.386",
        "Dead experts SqueezeNext used on fewer than 1 %",
        "SqueezeNext 0.3 % dead",
        "Cluster 1 90 % 5 % 5 % 0 %",
        "Cluster 2 no validation sample",
    ):
        assert words in router


@pytest.mark.parametrize(
    ("router", "words"),
    [
        ({"dead": 2}, "Dead experts 2 of 4"),
        ({"dead": 0}, "Dead experts none"),
        ({"effective": 1.5}, "1.50 of 4"),
        ({"utilisation": [0.5, 0.5]}, "50.0 %"),
        ({"table": [[1.0, 0.0], [None, 0.5]]}, "Cluster 2 0 % 50 %"),
        (None, "was not measured"),
    ],
)
def test_a_router_known_in_part_is_shown_in_part(run, router, words):
    run.result["best"][0]["router"] = router
    page = run.page
    assert page.open == []
    assert words in plain(page.section("router").text)


def test_rungs_appear_only_where_there_was_a_quick_one(run, tmp_path):
    assert 'id="rungs"' not in run.page.source
    quick = FakeCampaign(tmp_path / "quick", quick=True)
    rungs = quick.page.section("rungs")
    done = sum(row["quick"] is not None for row in quick.candidates)
    both = sum(row["full"] for row in quick.candidates)
    assert f"{done} mixtures were trained for 2 epochs first; {both} of the best" in rungs.text
    assert "Spearman 0.71." in rungs.text
    assert f"of {both} mixtures" in str(rungs.every("svg")[0]["aria-label"])
    quick.result["rungs"] = {"promoted": 2, "spearman": None}
    assert "Too few mixtures were trained twice" in quick.page.section("rungs").text


def test_families_hold_cost_probe_and_accuracies(run):
    families = plain(run.page.section("families").text)
    told = next(row for row in run.result["families"] if row["name"] == WORST)
    mean = f"{100 * told['mean_accuracy']:.1f} %" if told["done"] else "–"
    alone = next(row for row in run.result["singles"] if row["family"] == WORST)["accuracy"]
    assert (
        f"{WORST} 3.60 M 360 k out of memory {told['candidates']} {told['done']} {mean} "
        f"{100 * alone:.1f} %"
    ) in families
    assert families.count("best alone") == 1


def test_cost_settings_and_versions(run):
    page = run.page
    cost = plain(page.section("cost").text)
    for words in ("21 8 of them", "2 h 03 min", "774 MiB", "1.12 times the memory"):
        assert words in cost
    again = page.section("reproduce").text
    for words in ("feedc0de", "torch 2.13.0", "candidates: 12", "moesaic campaign --config"):
        assert words in again


def test_the_password_of_a_database_is_not_shown(tmp_path):
    url = "postgresql+psycopg://ann:s3cret@host:5432/runs"
    run = FakeCampaign(tmp_path / "run", storage=url)
    assert "s3cret" not in run.page.source
    assert "ann:***@host" in run.page.source


def test_config_of_the_page_is_what_the_run_was_given(run):
    page = run.page
    text = next(word for word in page.words if word.startswith("kind: campaign"))
    assert yaml.safe_load(text) == run.result["config"]
