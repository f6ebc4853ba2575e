"""The configuration: what is refused, and in which words; how layers of settings merge."""

import json
import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from moesaic.config import (
    Recipe,
    SearchConfig,
    Taught,
    load_config,
    make_campaign_config,
    make_config,
    merge_settings,
    parse_assignments,
    parse_duration,
)
from moesaic.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("45s", 45), ("5m", 300), ("2h", 7200), ("1.5 m", 90), (" 7 ", 7), ("0.5h", 1800)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds
    assert make_config({"budget": text, "trial_timeout": text}).budget == seconds


@pytest.mark.parametrize("text", ["", "5d", "m", "-3s", "1e3", "5m30s", "five", "1:30", "5\nx"])
def test_what_is_no_duration_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)
    with pytest.raises(InputError, match=r"budget: .* is not a duration") as raised:
        make_config({"budget": text})
    assert "\n" not in str(raised.value)


def test_numbers_of_seconds_are_taken_as_they_are():
    assert make_config({"budget": 90}).budget == 90
    assert make_config({"budget": None}).budget is None


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ({"clutsers": 3}, "clusters"),
        ({"expert": 3}, "experts"),
        ({"recipe": {"wieght_decay": 0}}, "weight_decay"),
        ({"taught": {"openning": 0}}, "opening"),
        ({"embedder": "trianed"}, "trained"),
        ({"clusterer": "k-means"}, "kmeans"),
    ],
)
def test_an_unknown_name_is_answered_with_the_near_one(given, near):
    with pytest.raises(InputError, match=f"unknown .*did you mean .*{near}"):
        make_config(given)


INVALID = [
    ("image_size", 3),
    ("image_size", 513),
    ("image_size", "large"),
    ("widths", []),
    ("widths", [8, 0]),
    ("widths", "8,16"),
    ("widths", 8),
    ("workers", 100_000),
    ("trials", 10**12),
    ("cells_per_stage", 0),
    ("embedder", 3),
    ("clusterer", None),
    ("clusters", 0),
    ("clusters", 2.5),
    ("experts", 0),
    ("experts", 1),
    ("experts", 65),
    ("experts", "many"),
    ("experts", None),
    ("experts", -2),
    ("trials", 1),
    ("rungs", []),
    ("rungs", [9, 3]),
    ("rungs", [3, 3]),
    ("rungs", [0, 3]),
    ("eta", 1),
    ("rounds", -1),
    ("epochs", 0),
    ("epochs", "all"),
    ("most_epochs", 0),
    ("repeats", 0),
    ("baselines", "perhaps"),
    ("top_k", 0),
    ("top_k", 3),
    ("budget", 0),
    ("budget", math.nan),
    ("budget", math.inf),
    ("budget", [5]),
    ("trial_timeout", "0s"),
    ("seed", -1),
    ("workers", 0),
    ("recipe", 3),
    ("recipe", {"lr": 0}),
    ("recipe", {"lr": math.inf}),
    ("recipe", {"lr": math.nan}),
    ("recipe", {"lr": "quick"}),
    ("recipe", {"epochs": 0}),
    ("recipe", {"batch_size": 1}),
    ("recipe", {"weight_decay": -0.1}),
    ("recipe", {"warmup": 0}),
    ("recipe", {"warmup": 1}),
    ("recipe", {"label_smoothing": 1}),
    ("recipe", {"clip": 0}),
    ("recipe", {"shift": 17}),
    ("recipe", {"cutout": -1}),
    ("recipe", {1: 2}),
    ("taught", {"opening": 1.1}),
    ("taught", {"weight": -1}),
    ("data", None),
    ("nothing_like_it", 1),
    (1, 2),
]


@pytest.mark.parametrize(("name", "value"), INVALID, ids=[f"{n}={v!r}" for n, v in INVALID])
def test_an_invalid_value_is_refused_in_one_line_that_names_it(name, value):
    with pytest.raises(InputError) as raised:
        make_config({name: value})
    words = str(raised.value)
    assert "\n" not in words
    assert str(name) in words
    inner = next(iter(value), None) if isinstance(value, dict) else None
    assert inner is None or str(inner) in words
    assert "pydantic" not in words


def test_numbers_that_do_not_fit_each_other_say_both():
    with pytest.raises(InputError, match="experts is 5 but clusters is 4"):
        make_config({"experts": 5, "clusters": 4})
    with pytest.raises(InputError, match="top_k is 4, expected at most 3"):
        make_config({"experts": 3, "top_k": 4})
    assert make_config({"experts": "auto", "clusters": 2}).experts == "auto"
    with pytest.raises(InputError, match="clusters is 1 but experts is auto"):
        make_config({"experts": "auto", "clusters": 1})


def test_a_list_is_asked_for_in_its_own_form():
    for words in ("3", "[1", 3):
        with pytest.raises(InputError, match=r"rungs: expected a list such as \[1,2\]"):
            make_config({"rungs": words})


def test_words_from_the_command_line_become_numbers():
    config = make_config({"experts": "4", "epochs": "12", "recipe": {"lr": "1e-3"}})
    assert (config.experts, config.epochs, config.recipe.lr) == (4, 12, 1e-3)
    assert make_config({"experts": "auto", "epochs": "auto"}).epochs == "auto"


def test_paths_are_taken_as_their_text():
    paths = make_campaign_config({"data": Path("a.npz"), "plugins": [Path("mine/nets.py")]})
    assert paths == make_campaign_config({"data": "a.npz", "plugins": ["mine/nets.py"]})


def test_settings_cannot_be_changed():
    config = SearchConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        config.recipe.lr = 3
    assert config.recipe.for_epochs(3).epochs == 3
    assert config.recipe == Recipe()


@settings(deadline=None, max_examples=50)
@given(
    experts=st.one_of(st.just("auto"), st.integers(2, 64)),
    widths=st.lists(st.integers(1, 512), min_size=1, max_size=5),
    budget=st.one_of(st.none(), st.floats(0.1, 1e6)),
    seed=st.integers(0, 2**62),
    lr=st.floats(1e-6, 1),
    opening=st.floats(0, 1),
)
def test_a_configuration_survives_json_and_yaml(experts, widths, budget, seed, lr, opening):
    config = SearchConfig(
        experts=experts,
        widths=tuple(widths),
        budget=budget,
        seed=seed,
        recipe=Recipe(lr=lr),
        taught=Taught(opening=opening),
    )
    assert make_config(config.to_dict()) == config
    assert make_config(json.loads(json.dumps(config.to_dict()))) == config
    assert make_config(yaml.safe_load(yaml.safe_dump(config.to_dict()))) == config


def test_a_file_of_settings_is_read(tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text("experts: 3\nbudget: 5m\nwidths: [4, 8]\nrecipe:\n  lr: 0.01\n")
    config = make_config(load_config(path))
    assert (config.experts, config.budget, config.widths) == (3, 300, (4, 8))
    assert config.recipe == Recipe(lr=0.01)
    path.write_text("# nothing yet\n")
    assert load_config(path) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- 1\n- 2\n", "expected lines of 'name: value'"),
        (b"experts: [3\nseed: 1", "cannot read the configuration"),
        (b"\xff\xfe\x00", "cannot read the configuration"),
        (b"data: !!python/object/apply:os.getcwd []", "cannot read the configuration"),
        (None, "no configuration file"),
    ],
)
def test_an_unreadable_file_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "run.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        load_config(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_name_is_given_once(tmp_path):
    path = tmp_path / "run.yaml"
    for text in ("experts: 2\nexperts: 3\n", "recipe:\n  batch-size: 8\n  batch_size: 16\n"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"run\.yaml gives (experts|batch_size) twice"):
            load_config(path)
    # lists may repeat themselves, and an alias may lead to where it lies
    path.write_text("widths: [4, 4]\nrungs: &a [1, *a]\n")
    assert load_config(path)["widths"] == [4, 4]


def test_a_folder_is_no_file_of_settings(tmp_path):
    with pytest.raises(InputError, match="cannot read the configuration"):
        load_config(tmp_path)


def test_assignments_nest_and_are_typed():
    words = ["recipe.lr=0.01", "recipe.flip=true", "widths=[4, 8]", "data=a.npz+b.npz", "budget=5m"]
    assert parse_assignments(words) == {
        "recipe": {"lr": 0.01, "flip": True},
        "widths": [4, 8],
        "data": "a.npz+b.npz",
        "budget": "5m",
    }
    assert parse_assignments(["data=a=b"]) == {"data": "a=b"}
    assert parse_assignments(["clusters="]) == {"clusters": None}
    assert parse_assignments([]) == {}


@pytest.mark.parametrize("words", [["lr"], ["=3"], ["recipe=3", "recipe.lr=1"]])
def test_a_bad_assignment_is_refused(words):
    with pytest.raises(InputError, match="--set"):
        parse_assignments(words)


@pytest.mark.parametrize("word", [".=1", "a..b=1", "recipe.=1", ".lr=1"])
def test_an_assignment_with_a_hole_in_its_name_is_refused(word):
    with pytest.raises(InputError):
        make_config(parse_assignments([word]))


def test_later_layers_win_and_nothing_is_changed_in_place():
    first = {"seed": 1, "recipe": {"lr": 0.1, "flip": True}, "widths": [1, 2]}
    second = {"recipe": {"lr": 0.2}, "widths": [3]}
    third = {"seed": 9, "recipe": {"clip": 1.0}}
    before = json.dumps([first, second, third])
    assert merge_settings(first, second, third) == {
        "seed": 9,
        "recipe": {"lr": 0.2, "flip": True, "clip": 1.0},
        "widths": [3],
    }
    assert json.dumps([first, second, third]) == before
    assert merge_settings() == {}
    assert merge_settings({"recipe": {"lr": 1}}, {"recipe": None}) == {"recipe": None}


def test_every_setting_says_what_it_is():
    for model in (SearchConfig, Recipe, Taught):
        for name, field in model.model_fields.items():
            assert field.description or name in ("recipe", "taught"), name


def test_decomposed_has_as_many_clusters_as_experts():
    with pytest.raises(InputError, match="decomposed gives every cluster its own expert"):
        make_config({"strategy": "decomposed", "experts": 2, "clusters": 6})
    assert make_config({"strategy": "decomposed", "experts": 3, "clusters": 3}).clusters == 3
    assert make_config({"strategy": "decomposed", "experts": 3}).clusters is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"clusters": 6, "clusterer": "hdbscan"}, "clusterer hdbscan finds their number itself"),
        ({"clusters": 6, "embedder": "given"}, "embedder given finds their number itself"),
        ({"strategy": "sgem", "proxies": ["naswot"]}, "proxies are given"),
    ],
)
def test_what_would_be_ignored_is_refused(given, words):
    with pytest.raises(InputError, match=words):
        make_config(given)


def test_odd_yaml_is_one_line(tmp_path):
    for text in ("seed: 2024-13-45", "seed: " + "[" * 5000):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(InputError, match="cannot read the configuration"):
            load_config(tmp_path / "c.yaml")
    assert parse_assignments(["data=2024-13-45"]) == {"data": "2024-13-45"}
