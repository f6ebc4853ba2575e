"""What each section says, and that it stays sensible when a piece is missing."""

from __future__ import annotations

import shutil

import numpy as np
from report_helpers import FakeRun, make_dataset, render

from moesaic.bank import Observation, Trial
from moesaic.report._overview import _judge as judge_verdict
from moesaic.report._search import mean_validation_loss
from moesaic.report._variants import _reach


def test_variants_show_accuracy_repeats_and_difference_to_the_handed_over(page):
    variants = page.section("variants")
    for words in ("93.3 %", "−4.3 −5.3 to −3.3", "88.0 % · 89.0 % · 90.0 %", "3 repeats"):
        assert words in variants.text
    assert "+0.7" in variants.text  # the oracle is ahead of what is handed over
    assert variants.text.count("reference") == 1
    figure = variants.every("svg")[0]["aria-label"]
    assert "Ensemble of 2 −2.8 (−3.8 to −1.8)" in str(figure)


def test_what_a_reader_must_know_of_a_verdict_stands_below_it(fake_run, page):
    fake_run.result["verdict"]["note"] = "The budget paid for 2 epochs <b>"
    fake_run.result["rungs"] = [3, 4]
    shown = render(fake_run)
    assert "The budget paid for 2 epochs <b>" in shown.text
    assert "went on to 4" in shown.section("search").text
    assert "The budget paid" not in page.text


def test_a_gain_that_only_the_test_shows_is_not_called_none(fake_run):
    verdict = fake_run.result["verdict"] | {"worth": False, "handed_over": "single_long"}
    ahead = {"mean": 0.02, "low": 0.01, "high": 0.03}
    across = ahead | {"low": -0.01}
    assert judge_verdict(verdict | {"gain_test": ahead}).text == "not proven"
    assert judge_verdict(verdict | {"gain_test": across}).text == "not worth it"
    assert judge_verdict(verdict | {"gain_test": None}).text == "no verdict"


def test_without_baselines_and_repeats_the_page_says_so(tmp_path):
    run = FakeRun(tmp_path / "run", make_dataset(), baselines=False)
    run.result["baselines"] = {"single": run.result["baselines"]["single"]}
    for row in (run.result["mixture"], run.result["baselines"]["single"]):
        row["test_accuracies"] = row["test_accuracies"][:1]
    variants = render(run).section("variants")
    assert "--no-baselines" in variants.text
    assert "Ensemble" not in variants.text
    assert "·" not in variants.text
    assert "With one repeat only the samples speak" in variants.text
    assert "Single network" in str(variants.every("svg")[0]["aria-label"])


def test_one_very_wide_interval_does_not_flatten_the_picture():
    near = [(float(-place), -place - 1.0, -place + 1.0) for place in range(4)]
    assert _reach(near) == (-4.0, 1.0)
    left, right = _reach([*near, (-2.0, -150.0, 140.0)])
    assert -10 < left < -4
    assert 1 < right < 10
    assert _reach([(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)]) == (0.0, 0.0)


def test_variants_that_do_not_cost_the_same_are_named(fake_run):
    fake_run.result["target_macs"] = 130_000
    fake_run.result["baselines"]["ensemble"]["macs_active"] = 260_000
    fake_run.result["baselines"]["oracle"]["macs_active"] = 121_000
    row = fake_run.result["baselines"]["random"]
    row["behind_reference"] = {"mean": 0.2, "low": -1.4, "high": 1.8}
    row["test_accuracies"] = row["test_accuracies"][:2]
    variants = render(fake_run).section("variants")
    assert "not so for Ensemble of 2 (+100 %) and Oracle routing (−7 %)." in variants.text
    assert "the interval goes on beyond the picture" in variants.text
    assert "−180.0 to +140.0" in variants.text  # the table hides nothing


def test_what_failed_or_cannot_be_known_is_named(tmp_path):
    run = FakeRun(tmp_path / "run", make_dataset(domains=False))
    del run.result["baselines"]["oracle"]
    del run.result["baselines"]["random"]
    run.result["structure"]["purity_domains"] = None
    run.result["routing"]["agreement_domains"] = None
    page = render(run)
    assert "Not in the table: Mixture of random experts, Oracle routing." in page.text
    assert "Purity, sources" not in page.text
    assert "agrees with the true sources" not in page.text
    assert "from 2 sources" not in page.text


def test_a_mixture_that_could_not_be_trained(fake_run):
    fake_run.result["mixture"] = None
    fake_run.result["baselines"] = {"single": fake_run.result["baselines"]["single"]}
    fake_run.result["verdict"] = {
        "worth": False,
        "handed_over": "single",
        "mixture": "mixture",
        "single": "single",
        "gain_validation": None,
        "gain_test": None,
        "sentence": "No verdict: the mixture could not be trained.",
    }
    fake_run.result["value"] = {"heterogeneity": None, "specialisation": None, "gate": None}
    page = render(fake_run)
    assert "nothing to compare with" in page.text
    assert "one network, no gate" in page.text
    assert "Not in the table: Searched mixture" in page.text
    assert page.section("value").text.count("not measured") == 4


def test_a_bare_result_still_makes_a_page(fake_run):
    fake_run.result = {"status": "done"}
    page = render(fake_run)
    assert "No verdict was reached." in page.text
    assert "No expert was chosen." in page.text


def test_structure_tells_sizes_quality_and_confusion(page):
    structure = page.section("structure")
    for words in (
        "2 clusters, found by k-means",
        "3 were found at first",
        "the clusters stand well apart",
        "a small gate tells the clusters apart",
        "left 100 %",
        "Cluster 1 98 % 2 %",
    ):
        assert words in structure.text
    maps = [a["aria-label"] for a in structure.every("svg")]
    assert "Map of 60 validation samples: 30 of cluster 1 and 30 of cluster 2" in maps
    assert len(maps) == 2
    assert "the trained gate sends each sample to" in structure.text


def test_without_the_model_the_map_follows_the_plan(fake_run):
    shutil.rmtree(fake_run.folder / "checkpoints")
    page = render(fake_run)
    structure = page.section("structure")
    assert "each sample's cluster was given to" in structure.text
    labels = [a["aria-label"] for a in structure.every("svg")]
    assert "Map of 60 validation samples: 30 of expert 1 and 30 of expert 2" in labels
    assert "Cluster 2 0 % 100 % 50 %" in page.section("experts").text


def test_missing_data_and_a_truncated_map_leave_the_rest(fake_run):
    path = fake_run.folder / "structure" / "map.npz"
    path.write_bytes(path.read_bytes()[:100])
    shutil.rmtree(fake_run.folder / "data")
    page = render(fake_run)
    assert "There is no data map" in page.text
    assert "The data of this run are not in its directory any more" in page.text
    assert not page.every("img")


def test_experts_show_cells_costs_and_their_own_images(page):
    experts = page.section("experts")
    assert len(experts.every("img")) == 24
    names = [str(a["alt"]).removeprefix("example of class ") for a in experts.every("img")]
    # the first cluster holds the first two classes, the second the others
    assert set(names[:12]) == {"zero", "<script>alert('class')</script>"}
    assert set(names[12:]) == {'a "quoted" & $odd$ name', "three"}
    cells = [a for a in experts.every("svg") if a.get("class") == "cell"]
    assert len(cells) == 3
    assert "120 k MACs, 4.32 k parameters" in experts.text
    assert "98.5 %" in experts.text


def test_vectors_get_a_table_of_features(tmp_path):
    run = FakeRun(tmp_path / "run", make_dataset(vectors=True))
    page = render(run)
    experts = page.section("experts")
    assert not experts.every("img")
    assert "the features in which its samples differ most" in experts.text
    inputs = run.dataset.validation.inputs.numpy()
    assert f"{inputs[0::2, 0].mean():.2f}".replace("-", "−") in experts.text
    assert "vectors of 5 numbers" in page.text


def test_search_draws_every_generalist(page):
    search = page.section("search")
    labels = " ".join(str(a.get("aria-label")) for a in search.every("svg"))
    assert "Validation loss of 11 networks" in labels
    assert "12: 90.0" in labels
    assert "Selection objective by round: 0.420, 0.310" in labels
    assert "22 held-out predictions" in labels  # 12 networks, 2 clusters, 2 not held out
    assert "Spearman 0.80" in search.text
    assert "extremely randomised trees 0.70" in search.text


def test_how_many_experts_pay_is_told_step_by_step(page, fake_run):
    text = page.section("search").text
    assert "How many experts 2 experts pay." in text
    assert "1 → 2 2 and 2 0.900 +0.120 +0.100 to +0.140 pays" in text
    assert "2 → 3 4 and 4 0.900 −0.010 −0.030 to +0.010 does not pay" in text
    assert "was measured as well: 2 into 2 groups, 4 into 3, each trained" in text
    fake_run.result["how_many"].pop("ways")  # of a run of an earlier version
    assert "was measured as well" not in render(fake_run).section("search").text
    steps = fake_run.result["how_many"]["steps"]
    fake_run.result["how_many"] |= {"found": 1, "steps": []}
    text = render(fake_run).section("search").text
    assert "were not compared: half of the budget was spent before" in text
    assert "pays" not in text[text.index("How many experts") :][:200]
    fake_run.result["how_many"] |= {"found": 1, "steps": steps[1:]}
    text = render(fake_run).section("search").text
    assert "No second expert pays; a mixture of 2 was trained all the same" in text
    fake_run.result["how_many"] |= {"found": 3, "most": 3}
    assert "3 experts pay, the most that were allowed." in render(fake_run).section("search").text


def test_no_surrogate_no_ladder_one_round(fake_run):
    fake_run.result["surrogate"] = {"strategy": "random"}
    fake_run.result["saturation"] = None
    fake_run.result["how_many"] = None
    fake_run.result["selection"]["history"] = [0.4]
    search = render(fake_run).section("search")
    assert "used no surrogate" in search.text
    assert "does not ask a surrogate" not in search.text
    assert "was not compared with others" in search.text
    assert "0.400 nats" in search.text
    assert "How many experts" not in search.text
    assert len(search.every("svg")) == 1


def test_a_surrogate_that_was_never_asked_does_not_claim_the_search(tmp_path):
    run = FakeRun(tmp_path / "run", make_dataset(), strategy="random")
    search = render(run).section("search")
    assert "The strategy random does not ask a surrogate" in search.text


def test_a_surrogate_that_is_not_trusted_says_why(fake_run):
    fake_run.result["surrogate"] = {
        "quality": {
            "model": "constant",
            "observations": 4,
            "trusted": False,
            "reason": "4 different architectures are fewer than 8",
            "spearman": [None, None],
            "measured": [[1.0, 2.0]],
            "predicted": [[None, None]],
            "compared": {},
        }
    }
    search = render(fake_run).section("search")
    assert "not trusted : 4 different architectures are fewer than 8" in search.text
    assert "nothing to compare predictions with" in search.text


def test_values_are_judged_by_their_intervals(page):
    text = page.section("value").text.split("Around zero")[1]
    order = [text.index(word) for word in ("Specialisation", "The gate", "Searched experts")]
    assert "pays" in text[: order[0]]
    assert "not shown" in text[order[0] : order[1]]
    assert "pays" in text[order[1] : order[2]]
    assert "harms" in text[order[2] :]
    assert "+4.0 points" in text
    assert "+0.020 nats" in text


def test_cost_by_stage_adds_up(page):
    cost = page.section("cost")
    assert "architectures tried on all data 11 0 28 s 79 %" in cost.text
    assert "47.7 MiB" in cost.text
    assert "None: every trial that was started was finished" in cost.text


def test_curve_weighs_clusters_and_skips_unmeasured_ones():
    loss = np.array([1.0, np.nan, 4.0])
    found = Observation(Trial("expert", "rung-0", 0, 0), loss, loss, 1, 1, 1.0)
    assert mean_validation_loss(found, np.array([0.5, 0.25, 0.25])) == 2.0
