"""What the section on the theory says, and that it stays sensible when there is little to say."""

from __future__ import annotations

from report_helpers import FakeRun, render

from moesaic.report._material import read_material
from moesaic.report._theory import build_theory


def test_the_figures_are_told_with_what_they_mean(page):
    section = page.section("theory")
    for words in (
        "0.410 nats, 0.120 nats 4 networks in 1 round were proposed",
        "it never got worse",
        "the bound held in every round",
        "0.015 nats (+0.010 to +0.020)",
        "−0.020 nats choosing experts and routing together was better",
        "0.62 the clusters order them differently",
        "0.690 nats, 0.680 nats no expert does everything",
        "2 4 0.410 0.120 0.410 0.900 0.710 0.850 0.840",
        "−0.120 −0.200 to −0.040",
        "+0.010 * −0.050 to +0.070",
        "cluster 1: nor_conv_3x3.",
    ):
        assert words in section.text, words
    figure = str(section.every("svg")[0]["aria-label"])
    assert "round 1 0.900; round 2 0.840; specialisation 1 0.310" in figure


def test_without_a_surrogate_it_says_so(fake_run: FakeRun):
    found = fake_run.result["theory"]
    found |= dict.fromkeys(
        ("surrogate_error_max", "surrogate_error_mean", "bound_violations", "operations")
    )
    found["rounds"] = found["rounds"][:1]
    section = render(fake_run).section("theory")
    assert "In none of the 1 round did a surrogate say what to train" in section.text
    assert "nothing was predicted" in section.text
    assert "there is nothing to hold" in section.text
    assert "Which operations" not in section.text


def test_a_surrogate_that_foretells_no_losses_by_cluster_has_no_bound(fake_run: FakeRun):
    found = fake_run.result["theory"]
    found["bound_violations"] = None
    for one in found["rounds"]:
        for name in ("before", "believed", "achieved", "after"):
            one.pop(name, None)
    text = render(fake_run).section("theory").text
    assert "on an expert's own clusters alone" in text
    assert "there is nothing to hold" not in text


def test_a_broken_promise_is_not_hidden(fake_run: FakeRun):
    fake_run.result["theory"] |= {"ascent_violations": 1, "bound_violations": 2}
    text = render(fake_run).section("theory").text
    assert text.count("it did not hold") == 2


def test_equal_orders_say_that_heterogeneity_cannot_help(fake_run: FakeRun):
    # as alike as two halves of one cluster are
    fake_run.result["theory"] |= {
        "cluster_rank_correlation": 0.87,
        "same_cluster_correlation": 0.88,
    }
    assert "different experts cannot help" in render(fake_run).section("theory").text
    fake_run.result["theory"] |= {"same_cluster_correlation": 1.0}
    assert "much alike" in render(fake_run).section("theory").text


def test_a_run_of_an_older_version_has_no_theory(fake_run: FakeRun):
    del fake_run.result["theory"]
    assert "measured nothing of the theory" in render(fake_run).section("theory").text


def test_collapse_and_what_is_not_known(fake_run: FakeRun):
    fake_run.result["theory"] |= {
        "routing_entropy_gate": 0.0,
        "cluster_rank_correlation": None,
        "joint_minus_decomposed_trained": None,
    }
    rows = {row["name"]: row for row in build_theory(read_material(fake_run.write()))["rows"]}
    assert rows["Entropy of the routing"]["judgement"].text == "one expert does everything"
    assert rows["Rank correlation between clusters"]["judgement"].text == "not measured"
    assert rows["Joint less cluster-wise, trained"]["value"] == "–"
