"""The page as a whole: offline, safe, accessible, the same every time, whole or not at all."""

from __future__ import annotations

import errno
import re
import shlex
from collections import Counter
from itertools import pairwise

import pytest
from report_helpers import render

from moesaic.errors import InputError
from moesaic.report import write_report
from moesaic.runs import RunFolder


def test_page_is_whole_and_tells_every_section(page):
    assert page.open == []
    order = [
        "A mixture is worth it on this data: +4.3 points of test accuracy.",
        "What it was compared with",
        "The structure of the data",
        "The experts 2 experts",
        "The search Strategy joint",
        "What a mixture is worth here",
        "What the theory assumes, and what happened",
        "What it cost",
        "Do it again",
    ]
    places = [page.text.index(words) for words in order]
    assert places == sorted(places)


def test_first_line_says_worth_gain_and_cost(finished, page):
    heading = re.search(r"<body>\s*<header>\s*<h1>(.*?)</h1>", finished.text, re.DOTALL)
    assert heading is not None
    told = heading[1].replace("\u202f", " ")
    for words in ("worth it on this data", "+4.3", "130 k", "14 trainings", "1 min 05"):
        assert words in told
    assert [tag for tag, _ in page.tags].count("h1") == 1


def test_page_needs_no_network_and_runs_no_script(finished, page):
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), value
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.findall(r"url\((?!#)", finished.text)
    assert "@import" not in finished.text


def test_names_from_data_are_text_and_nothing_else(fake_run):
    fake_run.fail_trial("<img src=x onerror=alert(1)>", "<script>alert(2)</script>")
    fake_run.result["verdict"]["sentence"] = "<script>alert(3)</script> worth"
    fake_run.result["selection"]["experts"][0]["graph"] = [[0, 1, "<svg onload=alert(4)>"]]
    fake_run.result["selection"]["experts"][0]["text"] = "<b>text</b>"
    page = render(fake_run)
    assert not page.every("script")
    assert not page.every("b") or all("text" not in str(a) for a in page.every("b"))
    assert "<script>alert('class')</script>" in page.text
    assert "<script>alert(2)</script>" in page.text
    assert "<script>alert(3)</script> worth" in page.text
    assert "<b>text</b>" in page.text
    assert all(attributes["src"] != "x" for attributes in page.every("img"))
    assert any("<script>" in str(attributes["alt"]) for attributes in page.every("img"))
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    failures = page.section("cost").text
    for words in ("rung-0 #99", "diverged", "<img src=x onerror=alert(1)>"):
        assert words in failures


def test_page_is_accessible(page):
    assert page.every("html")[0]["lang"] == "en"
    assert all((attributes.get("alt") or "").strip() for attributes in page.every("img"))
    assert all(attributes.get("scope") in ("row", "col") for attributes in page.every("th"))
    for attributes in page.every("svg"):
        labelled = attributes.get("role") == "img" and attributes.get("aria-label")
        assert labelled or attributes.get("aria-hidden") == "true"
    assert len(page.every("table")) >= 7
    assert any("width=device-width" in str(a.get("content")) for a in page.every("meta"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 2 for before, after in pairwise(levels))


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


def test_both_schemes_and_small_screens_are_served(finished):
    text = finished.text
    assert "prefers-color-scheme: dark" in text
    assert "max-width: 40rem" in text
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", text))
    defined = set(re.findall(r"(--[a-z0-9-]+):", text))
    assert used <= defined
    # a stand-in colour that was left would be the same in both schemes
    assert not re.findall(r"#0000[ef]\d", text)


def test_same_run_gives_the_same_bytes(finished):
    first = finished.text
    write_report(finished.folder)
    assert finished.text == first
    assert not list(finished.folder.glob(".tmp-*"))


def test_an_unfinished_run_or_no_run_is_refused(fake_run, tmp_path):
    with pytest.raises(InputError, match="not finished"):
        write_report(fake_run.folder)
    assert not (fake_run.folder / "report.html").exists()
    with pytest.raises(InputError, match="no run"):
        write_report(tmp_path / "nothing")


def test_code_to_use_the_model_is_valid_python_with_the_path_quoted(finished, page):
    blocks = [word for word in page.words if "load" in word and "import" in word]
    assert len(blocks) == 2
    for block in blocks:
        assert len(block.splitlines()) == 3
        compile(block, "report", "exec")
        assert repr(str(finished.folder))[1:-1] in block
        assert "uint8 (B, 3, 8, 8) -> (B, 4)" in block


def test_command_to_reproduce_survives_a_path_with_spaces(finished, page):
    command = next(word for word in page.words if word.startswith("moesaic search"))
    assert shlex.split(command)[3] == str(finished.folder / "config.yaml")
    assert "feedc0de" in page.text
    assert "trials: 8" in page.text


def test_where_nobody_may_write_it_says_so(fake_run, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "x")

    fake_run.write()
    monkeypatch.setattr("moesaic.report._render.write_atomic", refuse)
    with pytest.raises(InputError, match=r"cannot write .*report.html: Permission denied; copy"):
        write_report(fake_run.folder)


def test_a_class_whose_name_is_no_text_does_not_cost_the_report(tmp_path):
    """As a folder that was named in another encoding."""
    from moesaic.report._render import write_page

    page = write_page(RunFolder(tmp_path), "<p>caf\udce9</p>")
    assert page.read_bytes() == b"<p>caf\\udce9</p>"
