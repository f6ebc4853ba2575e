"""Plugins: what a file registers is there, and a bad file is one line and leaves nothing behind."""

import multiprocessing

import pytest
import torch

from moesaic.errors import InputError
from moesaic.spaces import family_names, get_family, load_plugin
from moesaic.spaces.families import _plugins, _registry

GOOD = """
from torch import nn
from moesaic.spaces import register_family

def build(input_shape, classes):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(input_shape[0], classes))

register_family("Mean", build, min_size=1, provenance="a test")
"""


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    family_names()
    monkeypatch.setattr(_registry, "_REGISTERED", dict(_registry._REGISTERED))
    monkeypatch.setattr(_plugins, "_LOADED", {})


def write(folder, text, name="plugin.py"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_its_families_are_there(tmp_path):
    assert load_plugin(write(tmp_path, GOOD)) == ("Mean",)
    found = get_family("Mean")
    assert (found.provider, found.min_size) == ("plugin", 1)
    assert found.build((2, 5, 5), 3)(torch.zeros(4, 2, 5, 5)).shape == (4, 3)


def test_loading_it_twice_executes_it_once(tmp_path, monkeypatch):
    path = write(tmp_path, GOOD)
    load_plugin(path)
    build = get_family("Mean").build
    monkeypatch.chdir(tmp_path)
    assert load_plugin("plugin.py") == ("Mean",)
    assert get_family("Mean").build is build


def _load_in_worker(path, sender):
    sender.send((load_plugin(path), get_family("Mean").name))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
def test_a_forked_worker_may_load_it_again(tmp_path):
    path = write(tmp_path, GOOD)
    load_plugin(path)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=_load_in_worker, args=(path, sender))
    worker.start()
    assert receiver.poll(60)
    assert receiver.recv() == (("Mean",), "Mean")
    worker.join()
    assert worker.exitcode == 0


def test_a_class_in_it_can_be_a_dataclass(tmp_path):
    text = (
        "from __future__ import annotations\n"
        f"from dataclasses import dataclass\n{GOOD}\n@dataclass\nclass Size:\n    wide: int = 3\n"
    )
    assert load_plugin(write(tmp_path, text)) == ("Mean",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n", "registers no family"),
        ("x = 1\n\nraise ValueError('too\\nbad')\n", r"failed in line 3: ValueError: too bad"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", r"failed in line 2: ZeroDivisionError: division"),
        ("x = (\n", "failed in line 1: SyntaxError"),
        ("import nothing_of_that_name\n", "failed in line 1: ModuleNotFoundError"),
        (GOOD + "\nraise RuntimeError\n", "RuntimeError: no message"),
        (GOOD + GOOD, "failed in line 16: InputError: a family named 'Mean' is registered"),
    ],
)
def test_a_bad_one_is_one_line_and_leaves_nothing(tmp_path, text, says):
    before = family_names()
    with pytest.raises(InputError, match=says) as caught:
        load_plugin(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert family_names() == before


def test_a_bad_one_that_was_mended_loads(tmp_path):
    path = write(tmp_path, GOOD + "\nraise RuntimeError\n")
    with pytest.raises(InputError):
        load_plugin(path)
    path.write_text(GOOD + "# mended, and longer than it was before\n\n\n", encoding="utf-8")
    assert load_plugin(path) == ("Mean",)


def test_a_missing_one_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no plugin .*nowhere\.py"):
        load_plugin(tmp_path / "nowhere.py")
    with pytest.raises(InputError, match="there is no plugin"):
        load_plugin(tmp_path)


def test_one_whose_name_is_not_that_of_python_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has to end in \.py"):
        load_plugin(write(tmp_path, GOOD, "plugin.txt"))
