"""The parts a page is made of: numbers, judgements, cells, drawings, example images."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from moesaic.report import _format as words
from moesaic.report import _judge as judge
from moesaic.report import _theme as theme
from moesaic.report._cell import draw_cell
from moesaic.report._cost import without_password
from moesaic.report._examples import image_source
from moesaic.report._value import draw_interval
from moesaic.spaces import get_space


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (950, "950"),
        (999.6, "1.00 k"),
        (12_345, "12.3 k"),
        (999_600, "1.00 M"),
        (4_560_000, "4.56 M"),
        (123_000_000, "123 M"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_amounts(value, text):
    assert words.amount(value).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.34, "0.3 s"),
        (59.4, "59 s"),
        (59.7, "1 min 00 s"),
        (125, "2 min 05 s"),
        (7380, "2 h 03 min"),
    ],
)
def test_durations(seconds, text):
    assert words.duration(seconds).replace("\u202f", " ") == text


def test_signs_and_shares():
    assert words.signed(-0.04) == "0.0"
    assert words.signed(-1.25, 2) == "−1.25"
    assert words.signed(2) == "+2.0"
    assert words.percent(0.12345) == "12.3\u202f%"
    assert words.percent(True) == "–"
    assert words.size_of_memory(0) == "–"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


@given(st.floats(-1, 1), st.floats(0, 1))
def test_an_interval_pays_only_above_zero(low, width):
    text = judge.interval_above_zero({"mean": low, "low": low, "high": low + width}).text
    if low == 0 == width:
        assert text == "no difference"
    elif low > 0:
        assert text == "pays"
    elif low + width < 0:
        assert text == "harms"
    else:
        assert text == "not shown"


def test_what_is_not_measured_is_not_judged():
    for function in (judge.silhouette, judge.stability, judge.purity_of_labels):
        assert function(None) == judge.UNKNOWN
    assert judge.routability(None, [0.5, 0.5]) == judge.UNKNOWN
    assert judge.interval_above_zero(None) == judge.UNKNOWN
    assert judge.interval_above_zero({"mean": 1.0, "low": None, "high": 2.0}) == judge.UNKNOWN


@pytest.mark.parametrize("name", ["nasbench201", "sanas", "cells"])
def test_every_cell_of_every_space_can_be_drawn(name):
    space = get_space(name)
    rng = np.random.default_rng(0)
    for _ in range(40):
        edges = space.graph(space.sample(rng))
        drawing = str(draw_cell(edges))
        root = ElementTree.fromstring(drawing)
        paths = [path.get("d") for path in root.iter("path")]
        assert len(paths) == len(edges)
        assert len(set(paths)) == len(paths), "two edges lie on each other"
        assert len(list(root.iter("circle"))) == len({v for i, j, _ in edges for v in (i, j)})
        assert root.get("aria-label", "").count(";") == len(edges) - 1
        _, _, width, height = (float(part) for part in root.get("viewBox", "").split())
        for way in paths:
            numbers = [float(part) for part in re.findall(r"-?\d+(?:\.\d+)?", way or "")]
            assert all(0 <= number <= max(width, height) + 40 for number in map(abs, numbers))


def test_a_network_without_cell_draws_nothing():
    assert draw_cell([]) == ""


def test_drawings_are_valid_repeatable_and_follow_the_scheme():
    def plot(axes):
        axes.plot([0, 1], [0.1234567, 1], color=theme.ACCENT, marker="o")
        axes.set_xlabel("a < b & $c$")

    first, again = (theme.draw("name", 'an "alt" & <more>', plot) for _ in range(2))
    assert first == again
    root = ElementTree.fromstring(str(first))
    assert root.get("aria-label") == 'an "alt" & <more>'
    assert "var(--accent)" in first
    assert "http" not in first
    assert any((text.text or "") == "a < b & $c$" for text in root.iter("text"))
    ids = re.findall(r'\bid="([^"]+)"', first)
    assert all(name.startswith("name-") for name in ids)


def test_labels_of_axes_keep_their_decimals():
    def plot(axes):
        axes.plot([0.001, 0.02], [0.3012, 0.3046])
        axes.set_xticks([0.001, 0.005, 0.02], ["0.001", "0.005", "0.02"])

    root = ElementTree.fromstring(str(theme.draw("name", "alt", plot)))
    texts = [text.text or "" for text in root.iter("text")]
    assert texts[:3] == ["0.001", "0.005", "0.02"]
    assert len(set(texts)) == len(texts)
    for path in root.iter("path"):
        assert not re.search(r"\d\.\d{3}", path.get("d", ""))


def test_markers_differ_where_colours_repeat():
    pairs = {(theme.colour(place), theme.marker(place)) for place in range(16)}
    assert len(pairs) == 16


def test_the_drawn_interval_lies_inside_and_in_order():
    for values in ((0.1, -0.2, 0.4), (-3.0, -4.0, -2.0), (0.0, 0.0, 0.0)):
        root = ElementTree.fromstring(str(draw_interval(*values)))
        reach = next(p.get("d") for p in root.iter("path") if p.get("class") == "reach")
        low, _, high = (float(part) for part in re.findall(r"[\d.]+", reach or ""))
        mean = float(next(root.iter("circle")).get("cx", "nan"))
        assert 10 <= low <= mean <= high <= 170
        zero = next(p.get("d") for p in root.iter("path") if p.get("class") == "zero") or ""
        assert (low > 90) == (values[1] > 0)
        assert zero.startswith("M90.0")


def test_images_keep_their_pixels_and_large_ones_shrink():
    image = torch.arange(3 * 4 * 5, dtype=torch.uint8).reshape(3, 4, 5)
    content = base64.b64decode(image_source(image).split(",")[1])
    read = np.asarray(Image.open(io.BytesIO(content)))
    assert np.array_equal(read, image.numpy().transpose(1, 2, 0))
    large = base64.b64decode(
        image_source(torch.zeros(1, 300, 150, dtype=torch.uint8)).split(",")[1]
    )
    assert Image.open(io.BytesIO(large)).size == (48, 96)


def test_the_password_of_a_database_is_notwithout_password():
    shown = without_password("postgresql+psycopg://ann:s3cret@host:5432/runs")
    assert shown == "postgresql+psycopg://ann:***@host:5432/runs"
    assert "s3cret" not in str(without_password("ann:s3cret at host"))
    assert without_password("sqlite:////data/runs.db") == "sqlite:////data/runs.db"
    assert without_password(None) is None
