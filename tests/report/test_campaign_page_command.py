"""The command line that a campaign's page gives: it has to give the same settings."""

from __future__ import annotations

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moesaic.config import make_campaign_config, merge_settings, parse_assignments
from moesaic.report.campaign._page_cost import command_of

SETTINGS = [
    {},
    {"data": "cifar + my 'data'", "pool": "a,b;rm -rf", "seed": 3, "baselines": False},
    {"budget": "5m", "trial_timeout": 2.5, "max_memory": "2GB", "top_k": 2, "promote": 0.5},
    {"plugins": ("a b.py", "c.py"), "quick_epochs": 1, "clusters": 3, "embedder": "pixels"},
    {"recipe": {"lr": 0.01, "flip": True, "epochs": 7}, "taught": {"opening": 0.25}},
]


@pytest.mark.parametrize("given_settings", SETTINGS)
def test_the_command_line_gives_the_same_settings(given_settings):
    config = make_campaign_config(given_settings)
    told = json.loads(json.dumps({"kind": "campaign", **config.to_dict()}))
    assert make_campaign_config(read_command(command_of(told))) == config


@given(st.text(min_size=1).filter(str.isprintable))
def test_any_word_survives_the_command_line(word):
    command = command_of({"data": word, "later": {"setting": word}})
    found = read_command(command)
    assert found["data"] == word
    assert found["later"]["setting"] == word


def read_command(command: str) -> dict[str, object]:
    """Read a command line as the command does: options, plugins, assignments."""
    words = shlex.split(command)
    assert words[:2] == ["moesaic", "campaign"]
    settings: dict[str, object] = {}
    assigned: list[str] = []
    rest = iter(words[2:])
    for word in rest:
        if word == "--no-baselines":
            settings["baselines"] = False
        elif word == "--plugin":
            settings.setdefault("plugins", []).append(next(rest))
        elif word == "--set":
            assigned.append(next(rest))
        else:
            settings[word.removeprefix("--").replace("-", "_")] = next(rest)
    return merge_settings(parse_assignments(assigned), settings)
