"""Help, versions, wrong words: what the command line says before it does anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from moesaic import __version__
from moesaic.cli import app

COMMANDS = (
    "search",
    "campaign",
    "resume",
    "status",
    "report",
    "predict",
    "export",
    "cascade",
    "audit",
    "families",
    "rank",
    "data",
)
# pydantic is not among them: newer typers import it themselves to read options
HEAVY = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "sqlalchemy", "PIL", "rich.live")

runner = CliRunner()


def assert_one_line(text: str) -> None:
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert "Traceback" not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example_and_json(command: str) -> None:
    found = runner.invoke(app, [command, "--help"])
    assert found.exit_code == 0
    assert "Example" in found.stdout
    assert f"\n    moesaic {command} " in found.stdout.replace(f"moesaic {command}\n", "")
    assert "--json" in found.stdout
    assert found.stdout.isascii()


def test_help_lists_exactly_the_commands_there_are() -> None:
    found = runner.invoke(app, ["--help"])
    assert found.exit_code == 0
    listed = found.stdout.split("Commands:\n")[1].split("\n\n")[0]
    assert tuple(line.split()[0] for line in listed.splitlines()) == COMMANDS
    assert "Example" in found.stdout


def test_no_command_gives_the_help() -> None:
    found = runner.invoke(app, [])
    assert found.exit_code == 0
    assert "Commands:" in found.stdout


def test_version() -> None:
    found = runner.invoke(app, ["--version"])
    assert (found.exit_code, found.stdout) == (0, f"moesaic {__version__}\n")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["serch"], "search"),
        (["search", "--exprts", "3"], "--experts"),
        (["status", "run", "--jsn"], "--json"),
        (["predict"], "RUN"),
        (["search", "--experts"], "--experts"),
        (["search", "--seed", "one"], "--seed"),
        (["data", "digits", "more"], "more"),
    ],
)
def test_wrong_words_give_one_line_and_exit_2(words: list[str], near: str) -> None:
    found = runner.invoke(app, words)
    assert found.exit_code == 2
    assert found.stdout == ""
    assert_one_line(found.stderr)
    assert near in found.stderr
    assert "--help" in found.stderr


def test_wrong_words_with_json_give_one_object() -> None:
    found = runner.invoke(app, ["search", "--exprts", "3", "--json"])
    assert found.exit_code == 2
    told = json.loads(found.stdout)
    assert told["status"] == "error"
    assert "--experts" in told["message"]


@pytest.mark.parametrize("code", ["import moesaic", "import moesaic.cli"])
def test_import_loads_nothing_heavy(code: str) -> None:
    check = f"import sys; {code}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("words", [["--help"], ["search", "--help"], ["--version"], ["serch"]])
def test_help_and_usage_errors_load_nothing_heavy(words: list[str]) -> None:
    check = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print([m for m in {HEAVY!r} if m in sys.modules]))\n"
        f"sys.argv = ['moesaic', *{words!r}]\n"
        "from moesaic.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_silent() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "moesaic", "search", "--help"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_module_runs_as_the_command() -> None:
    words = [sys.executable, "-m", "moesaic", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == f"moesaic {__version__}\n"
