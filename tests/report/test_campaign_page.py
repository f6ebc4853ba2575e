"""The page of a campaign as a whole: offline, safe, accessible, the same every time."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest
from campaign_page_helpers import POOL, FakeCampaign
from page_reader import Page
from report_helpers import FakeRun, make_dataset

from moesaic.errors import InputError
from moesaic.report import write_report

HOSTILE = (
    "<script>alert(1)</script>",
    'a "quoted" & $odd$ name',
    "<img src=x onerror=alert(2)>",
    "--not-an-option",
    "very long " * 12,
    "e",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Return the page of a campaign with everything measured."""
    place = tmp_path_factory.mktemp("campaign") / "a run & <more>"
    return FakeCampaign(place, quick=True, fitted=True).page


def test_page_is_whole_and_tells_every_section_in_order(page):
    assert page.open == []
    order = [
        "A mixture of families is worth it on this data: BagNet",
        "12 mixtures planned",
        "What the best mixtures have to beat",
        "The campaign Mixture",
        "What was covered",
        "Which families pay",
        "What failed",
        "How the best mixture routes",
        "What the quick rung tells",
        "The families Every family",
        "What it cost",
        "Do it again",
    ]
    places = [page.text.index(words) for words in order]
    assert places == sorted(places)


def test_page_needs_no_network_and_runs_no_script(page):
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "img")
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith("#"), value
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.findall(r"url\((?!#)", page.source)
    assert "@import" not in page.source


def test_hostile_names_are_text_and_nothing_else(tmp_path):
    run = FakeCampaign(tmp_path / "run", pool=HOSTILE, fitted=True)
    run.result["candidates"][0] |= {
        "status": "failed",
        "cause": "<b>cause</b>",
        "message": "\n<svg onload=alert(3)>\nsecond line",
    }
    run.result["verdict"]["sentence"] = "<script>alert(4)</script> worth"
    run.result["families"][0]["probe"] = "<i>probe</i>"
    run.result["best"][0]["router"]["utilisation"] = [1.0, "<u>", None]
    page = run.page
    assert page.open == []
    for tag in ("script", "img", "u"):
        assert not page.every(tag)
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    for words in (*HOSTILE[:4], "<b>cause</b>", "<i>probe</i>", "<svg onload=alert(3)>"):
        assert words in page.text
    assert "<script>alert(4)</script> worth" in page.text
    assert "second line" not in page.text


def test_page_is_accessible(page):
    assert page.every("html")[0]["lang"] == "en"
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert all(attributes.get("scope") in ("row", "col") for attributes in page.every("th"))
    for attributes in page.every("svg"):
        labelled = attributes.get("role") == "img" and attributes.get("aria-label")
        assert labelled or attributes.get("aria-hidden") == "true"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 2 for before, after in pairwise(levels))
    assert all(a.get("tabindex") == "0" for a in page.every("div") if a.get("class") == "scroll")


def test_ids_are_unique_and_links_lead_somewhere(page):
    ids = Counter(a["id"] for _, a in page.tags if a.get("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    for _, attributes in page.tags:
        href = attributes.get("href")
        if href and href.startswith("#"):
            assert href[1:] in ids
        for name in ("aria-labelledby", "clip-path"):
            value = attributes.get(name)
            if value:
                assert re.sub(r"url\(#|\)", "", value) in ids


def test_both_schemes_are_served(page):
    used = set(re.findall(r"var\((--[a-z0-9-]+)[,)]", page.source))
    defined = set(re.findall(r"(--[a-z0-9-]+):", page.source))
    assert used <= defined
    # a stand-in colour that was left would be the same in both schemes
    assert not re.findall(r"#0000[ef]\d", page.source)


@pytest.mark.parametrize("settings", [{}, {"quick": True, "fitted": True}, {"baselines": False}])
def test_same_run_gives_the_same_bytes(tmp_path, settings):
    run = FakeCampaign(tmp_path / "run", **settings)
    first = write_report(run.write()).read_bytes()
    (run.folder / "report.html").unlink()
    assert write_report(run.folder).read_bytes() == first
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "config.yaml",
        "report.html",
        "result.json",
    ]


def test_an_unfinished_campaign_or_no_run_is_refused(tmp_path):
    run = FakeCampaign(tmp_path / "run")
    run.write()
    (run.folder / "result.json").unlink()
    with pytest.raises(InputError, match="not finished"):
        write_report(run.folder)
    assert not (run.folder / "report.html").exists()
    with pytest.raises(InputError, match="no run"):
        write_report(tmp_path / "nothing")


@pytest.mark.parametrize("kind", [None, "search"])
def test_a_search_keeps_its_own_page(tmp_path, kind):
    run = FakeRun(tmp_path / "run", make_dataset())
    if kind:
        run.result["kind"] = kind
    text = write_report(run.write()).read_text(encoding="utf-8")
    assert "The structure of the data" in text
    assert "moesaic campaign" not in text


def test_a_bare_result_still_makes_a_page(tmp_path):
    run = FakeCampaign(tmp_path / "run")
    run.result = {"kind": "campaign", "status": "done"}
    page = run.page
    assert page.open == []
    for words in (
        "No verdict was reached.",
        "The result holds no account of the mixtures.",
        "The result holds no final table.",
        "No mixture was finished.",
        "The result does not list the mixtures that were planned.",
        "The router of the best mixture was not measured.",
        "The result names no families.",
        "The result does not hold the settings",
    ):
        assert words in page.text
    assert not page.every("svg")


@pytest.mark.parametrize("missing", [*("verdict", "trials", "table", "best", "singles", "pool")])
def test_any_one_part_may_be_missing(tmp_path, missing):
    run = FakeCampaign(tmp_path / "run", quick=True, fitted=True)
    del run.result[missing]
    page = run.page
    assert page.open == []
    assert set(POOL) <= set(re.findall(r"\w+", page.section("coverage").text))


@pytest.mark.parametrize("value", [None, [], {}, "odd", 3])
@pytest.mark.parametrize("part", ["yield", "rungs", "families", "cost", "forecast", "data"])
def test_a_part_of_another_shape_counts_as_missing(tmp_path, part, value):
    run = FakeCampaign(tmp_path / "run", fitted=True)
    run.result[part] = value
    assert run.page.open == []
