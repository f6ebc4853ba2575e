"""The cell spaces: sizes, strings, sampling, neighbours, options, keys."""

import csv
import gzip
import itertools
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.ensemble import ExtraTreesRegressor

from moesaic.errors import BuildError, InputError
from moesaic.spaces import Architecture, CellSpace, get_space, space_names

EXAMPLE = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|nor_conv_3x3~1|skip_connect~2|"
DEAD = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|none~0|none~1|none~2|"


def draw(space, number, seed=0):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(number)]


def test_nasbench201_enumerates_its_15625_encodings():
    space = get_space("nasbench201")
    texts = {architecture.text for architecture in space.enumerate()}
    assert len(texts) == space.size == 15_625


def test_sanas_has_its_147456_encodings():
    space = get_space("sanas")
    assert space.size == 147_456
    few = list(itertools.islice(space.enumerate(), 5_000))
    assert len({a.text for a in few}) == 5_000
    assert all(space.is_alive(a) for a in few)


def test_distinct_keys_of_a_small_space_match_brute_force():
    space = get_space("cells", vertices=4, operations=("none", "skip_connect", "nor_conv_1x1"))
    forms = set()
    for architecture in space.enumerate():
        edges = [tuple(e) for e in json.loads(architecture.text)["edges"] if e[2] != "none"]
        forms.add((frozenset(brute_force_form(edges, 3)), architecture.key))
    assert len({form for form, _ in forms}) == len({key for _, key in forms}) == len(forms)


def brute_force_form(edges, output):
    """Smallest renaming of the edges on paths input -> output, found by trying them all."""
    live = {edge for path in walks(edges, 0, output) for edge in path}
    best = None
    for middle in itertools.permutations((1, 2)):
        label = {0: 0, 1: middle[0], 2: middle[1], 3: 3}
        candidate = sorted((label[i], label[j], op) for i, j, op in live)
        best = candidate if best is None else min(best, candidate)
    return best


def walks(edges, start, end):
    if start == end:
        yield []
    for edge in edges:
        if edge[0] == start:
            for rest in walks(edges, edge[1], end):
                yield [edge, *rest]


def test_the_benchmarks_string_is_read_and_printed():
    space = get_space("nasbench201")
    architecture = space.parse(EXAMPLE)
    assert space.describe(architecture) == EXAMPLE
    # vertex 1 and 2 are both live: 0 -> 1 -> 3 and 0 -> 2, 1 -> 2 -> 3
    assert Counter(op for *_, op in space.graph(architecture)) == Counter(
        ["avg_pool_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_3x3", "skip_connect"]
    )


@pytest.mark.parametrize("name", ["nasbench201", "sanas", "cells"])
def test_parse_inverts_describe(name):
    space = get_space(name)
    for architecture in draw(space, 50):
        resized = space.resize(architecture, (3, 5, 9))
        assert space.parse(space.describe(architecture)).text == architecture.text
        assert space.parse(space.describe(resized)).text == resized.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|nor_conv_3x3~0|",
        EXAMPLE.replace("none", "nope"),
        EXAMPLE.replace("skip_connect~2", "skip_connect~3"),
        EXAMPLE.replace("skip_connect~2", "skip_connect~1"),
        EXAMPLE.replace("~0", "~x"),
        EXAMPLE.replace("none", "max_pool_3x3"),
        EXAMPLE + " [0 x1]",
    ],
)
def test_a_malformed_string_is_refused_in_one_line(text):
    with pytest.raises(InputError) as caught:
        get_space("nasbench201").parse(text)
    assert "\n" not in str(caught.value)


def published_table():
    root = os.environ.get("MOESAIC_DATA")
    if not root:
        pytest.skip("MOESAIC_DATA is not set: the NAS-Bench-201 table is not at hand")
    table = Path(root) / "nasbench201" / "nasbench201_12epoch.csv.gz"
    if not table.exists():
        pytest.skip(f"{table.name} is not under MOESAIC_DATA")
    with gzip.open(table, "rt") as file:
        return list(csv.DictReader(file))


def test_every_string_of_the_published_table_is_read_and_printed():
    space = get_space("nasbench201")
    strings = [row["cellstr"] for row in published_table()]
    assert len(set(strings)) == 15_625
    assert all(space.describe(space.parse(text)) == text for text in strings)


def test_features_rank_unseen_cells_of_the_published_table():
    """100 cells seen, 1,000 unseen: extra trees reach Kendall tau .75 (one-hot with paths .35)."""
    table = published_table()
    space = get_space("nasbench201", widths=(16, 32, 64), cells_per_stage=5)
    taus = []
    for seed in range(3):
        chosen = np.random.default_rng(seed).permutation(len(table))[:1_100]
        x = np.stack([space.features(space.parse(table[k]["cellstr"])) for k in chosen])
        y = np.array([float(table[k]["cifar10-val"]) for k in chosen])
        trees = ExtraTreesRegressor(100, random_state=seed).fit(x[:100], y[:100])
        taus.append(kendalltau(trees.predict(x[100:]), y[100:]).statistic)
    assert np.mean(taus) > 0.68


def test_isomorphic_encodings_share_key_and_features():
    space = get_space("nasbench201")
    one = "|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|skip_connect~1|nor_conv_1x1~2|"
    two = "|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
    a, b = space.parse(one), space.parse(two)
    assert a == b
    assert a.text != b.text
    assert space.graph(a) == space.graph(b)
    np.testing.assert_array_equal(space.features(a), space.features(b))


def test_keys_tell_widths_and_cells_per_stage_apart_but_not_spaces():
    base = get_space("nasbench201")
    architecture = base.parse(EXAMPLE)
    assert base.resize(architecture, (8, 16, 33)) != architecture
    assert get_space("nasbench201", cells_per_stage=2).parse(EXAMPLE) != architecture
    assert get_space("cells").parse(EXAMPLE) == architecture


def test_samples_are_alive_and_spread_over_strata():
    space = get_space("nasbench201")
    drawn = draw(space, 300)
    assert all(space.is_alive(a) for a in drawn)
    assert 4 <= len({space.stratum(a) for a in drawn}) <= 8


def test_dead_cells_are_refused_by_build_and_have_features():
    space = get_space("nasbench201")
    dead = space.parse(DEAD)
    assert not space.is_alive(dead)
    assert space.features(dead).shape == (len(space.feature_names),)
    with pytest.raises(BuildError, match="no live path"):
        space.build(dead, (3, 16, 16), 10)


@pytest.mark.parametrize("name", ["nasbench201", "sanas"])
def test_neighbours_are_all_live_classes_one_decision_away(name):
    space = get_space(name)
    for architecture in draw(space, 5):
        near = space.neighbours(architecture, np.random.default_rng(0))
        edges = json.loads(architecture.text)["edges"]
        for other in near:
            assert space.is_alive(other)
            changed = [
                (before, after)
                for before, after in zip(edges, json.loads(other.text)["edges"], strict=True)
                if before != after
            ]
            assert len(changed) == 1
            (i, j, op), (k, m, new) = changed[0]
            assert j == m
            assert (i != k) + (op != new) == 1
        expected = {
            space.parse(text).key
            for text in one_change_strings(space, architecture, name)
            if space.is_alive(space.parse(text))
        }
        assert {other.key for other in near} == expected - {architecture.key}
        shuffled = space.neighbours(architecture, np.random.default_rng(1))
        assert near != shuffled
        assert set(near) == set(shuffled)


def one_change_strings(space, architecture, name):
    groups = [part.strip("|").split("|") for part in space.describe(architecture).split("+")]
    operations = {
        "nasbench201": ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"),
        "sanas": ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "max_pool_3x3"),
    }[name]
    for g, group in enumerate(groups):
        for k, item in enumerate(group):
            op, source = item.split("~")
            changed = [f"{new}~{source}" for new in operations]
            if name == "sanas":
                changed += [f"{op}~{new}" for new in range(g + 1)]
            for new in changed:
                copy = [list(part) for part in groups]
                copy[g][k] = new
                yield "+".join("|" + "|".join(part) + "|" for part in copy)


def test_features_are_named_and_count_what_they_say():
    space = get_space("nasbench201")
    value = dict(zip(space.feature_names, space.features(space.parse(EXAMPLE)), strict=True))
    assert len(value) == len(space.feature_names)
    # live: 0 -avg-> 1, 0 -1x1-> 2, 1 -skip-> 2, 1 -3x3-> 3, 2 -skip-> 3
    assert value["live edges"] == 5
    assert value["count skip_connect"] == 2
    assert value["paths"] == 3
    assert value["longest path"] == 3
    assert value["shortest path"] == 2
    assert value["paths avg_pool_3x3"] == 1  # 0 -avg-> 1 -skip-> 2 -skip-> 3
    assert value["paths avg_pool_3x3 + nor_conv_3x3"] == 1
    assert value["paths nor_conv_1x1"] == 1
    assert value["convolutions on the longest"] == 1
    assert value["direct edge"] == 0
    assert value["signal unchanged"] == 0
    # variances at the output: 1 of the 3x3, 1 of the 1x1, 0.4 of the pooling
    assert value["log variance"] == pytest.approx(np.log(2.4))
    assert value["signal convolutions"] == pytest.approx(2 / 2.4)


def test_features_see_widths_and_stay_small_for_the_largest_space():
    space = get_space("nasbench201")
    architecture = space.parse(EXAMPLE)
    wider = space.resize(architecture, (16, 32, 64))
    place = space.feature_names.index("log MACs")
    assert space.features(wider)[place] > space.features(architecture)[place]
    assert len(get_space("cells", vertices=8).feature_names) < 300


def test_a_space_reads_architectures_of_other_options():
    architecture = get_space("nasbench201", widths=(4, 6), cells_per_stage=2).parse(EXAMPLE)
    space = get_space("nasbench201")
    assert space.widths(architecture) == (4, 6)
    assert space.describe(architecture) == EXAMPLE + " [4-6 x2]"
    assert space.resize(architecture, (5, 7)) == space.parse(EXAMPLE + " [5-7 x2]")
    with pytest.raises(InputError, match="expected 2 widths"):
        space.resize(architecture, (8, 16, 32))
    with pytest.raises(InputError, match="does not fit this space"):
        get_space("cells", vertices=3).neighbours(architecture, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vertices": 1}, "2 to 8"),
        ({"vertices": 9}, "2 to 8"),
        ({"operations": ("none",)}, "not be 'none'"),
        ({"operations": ("none", "skip_connect", "skip_connect")}, "distinct"),
        ({"operations": ("none", "skip_conect")}, "skip_connect"),
        ({"wiring": "denze"}, "dense"),
        ({"widths": ()}, "widths"),
        ({"widths": (8, 0)}, "widths"),
        ({"widths": (8.5,)}, "widths"),
        ({"cells_per_stage": 0}, "cells_per_stage"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        get_space("cells", **options)


@pytest.mark.parametrize("text", ["[]", "{}", "no", '{"edges":[[1,0,"none"]]}'])
def test_a_text_that_is_no_cell_is_refused(text):
    space = get_space("cells")
    with pytest.raises(InputError, match="description of a cell"):
        space.features(Architecture("0" * 16, "cells", text, "cells"))


def test_edges_that_go_backwards_are_refused():
    text = json.loads(get_space("nasbench201").parse(EXAMPLE).text)
    text["edges"][0] = [2, 1, "skip_connect"]
    with pytest.raises(InputError, match="lower to a higher"):
        get_space("cells").build(
            Architecture("0" * 16, "cells", json.dumps(text), "cells"), (3, 8, 8), 2
        )


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(InputError, match="did you mean nasbench201"):
        get_space("nasbench")
    with pytest.raises(InputError, match="widths, cells_per_stage"):
        get_space("sanas", vertices=5)
    assert {"cells", "nasbench201", "sanas"} <= set(space_names())


def test_an_installed_space_is_found_and_loaded_only_when_asked_for(tmp_path, monkeypatch):
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[moesaic.spaces]\ntheirs = third_party_space:make\nbroken = third_party_missing:make\n"
    )
    (tmp_path / "third_party_space.py").write_text(
        "from moesaic.spaces import CellSpace\n"
        "def make(vertices=3):\n    return CellSpace('theirs', vertices=vertices)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert {"theirs", "broken"} <= set(space_names())
    space = get_space("theirs", vertices=2)
    assert isinstance(space, CellSpace)
    assert space.name == "theirs"
    assert space.size == 8
