"""`moesaic campaign`: the list of families, the plan, a whole run, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from moesaic.cli import app
from moesaic.cli._campaign import _NOT_SETTINGS
from moesaic.config import CampaignConfig

runner = CliRunner()

PLUGIN = """
from torch import nn
from moesaic.spaces import register_family

def small(width):
    def build(shape, classes):
        return nn.Sequential(
            nn.Conv2d(shape[0], width, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(width, classes),
        )
    return build

for width in (2, 3, 4):
    register_family(f"Cli{width}", small(width))
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plugin") / "families.py"
    path.write_text(PLUGIN)
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> str:
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = (rng.random((120, 8, 8)) * 60 + 60 * labels[:, None, None]).astype(np.uint8)
    path = tmp_path / "images.npz"
    np.savez(
        path,
        train_images=images[:90],
        train_labels=labels[:90],
        test_images=images[90:],
        test_labels=labels[90:],
        classes=np.array(["a", "b", "c"]),
    )
    return str(path)


def moesaic(*words: str) -> Result:
    return runner.invoke(app, ["campaign", *words])


def test_every_option_is_a_setting_or_known_not_to_be_one() -> None:
    command = get_command(app).commands["campaign"]  # type: ignore[attr-defined]
    names = {parameter.name for parameter in command.params} - {"help"}
    assert names - _NOT_SETTINGS <= set(CampaignConfig.model_fields)


def test_the_families_are_listed_with_their_cost(plugin: str) -> None:
    done = moesaic("--list-families", "--json")
    assert done.exit_code == 0, done.output
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"ResNet", "ShuffleNet", "AirNet", "UNet2D"} <= set(rows)
    assert all({"name", "provider", "params", "macs", "min_size"} <= set(r) for r in rows.values())
    assert all(row["params"] > 0 and row["macs"] > 0 for row in rows.values())
    done = moesaic("--list-families", "--plugin", plugin, "--pool", "Cli2,Cli3", "--json")
    assert [row["name"] for row in json.loads(done.stdout)] == ["Cli2", "Cli3"]
    text = moesaic("--list-families").stdout
    assert "ResNet" in text
    assert "native" in text


def test_the_plan_is_printed_without_training(tmp_path: Path) -> None:
    words = ["--pool", "lemur29", "--experts", "4", "--candidates", "30", "--seed", "1"]
    done = moesaic(*words, "--plan-only", "--out", str(tmp_path / "r"))
    assert done.exit_code == 0, done.output
    planned = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["index"] for line in planned] == list(range(30))
    assert len({tuple(line["families"]) for line in planned}) == 30
    assert all(len(set(line["families"])) == 4 for line in planned)
    counts = [sum(name in line["families"] for line in planned) for name in ("VGG", "MaxVit")]
    assert abs(counts[0] - counts[1]) <= 1
    assert not (tmp_path / "r").exists()
    assert moesaic(*words, "--plan-only", "--json").stdout == done.stdout


def test_of_a_planner_that_learns_the_first_round_is_printed() -> None:
    """The mixtures after it are decided by results."""
    words = ["--pool", "lemur29", "--experts", "4", "--candidates", "30", "--planner", "adaptive"]
    planned = moesaic(*words, "--plan-only").stdout.splitlines()
    assert len(planned) == 12
    few = moesaic(*words, "--candidates", "5", "--plan-only").stdout.splitlines()
    assert len(few) == 5


def test_a_campaign_prints_one_object_and_writes_a_report(
    plugin: str, data: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["--data", data, "--plugin", plugin, "--pool", "Cli2,Cli3,Cli4", "--experts", "2"]
    words += ["--candidates", "3", "--epochs", "1", "--clusters", "2", "--executor", "inprocess"]
    done = moesaic(*words, "--out", str(out), "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["run"] == str(out)
    assert found["trials"] | {"planned": 3, "done": 3, "failed": {}, "lost": 0} == found["trials"]
    wanted = ["space", "candidates", "share", "family_count_min", "family_count_max"]
    assert set(wanted) | {"pair_count_min", "pair_count_max"} <= set(found["coverage"])
    assert {"families", "accuracy"} <= set(found["best"][0])
    assert (out / "report.html").stat().st_size > 2000
    assert (out / "model" / "model.pt2").is_file()
    again = runner.invoke(app, ["resume", str(out)])
    assert again.exit_code == 0
    assert "best mixture" in again.stdout
    assert "3 planned, 3 done, 0 failed" in again.stdout
    status = runner.invoke(app, ["status", str(out)])
    assert "coverage" in status.stdout
    assert "best mixtures so far" in status.stdout
    refused = moesaic(*words, "--out", str(out))
    assert refused.exit_code == 2
    assert "already holds a run" in refused.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--pool", "ResNett,VGG,AlexNet,DarkNet"], "ResNet"),
        (["--pool", "no/such/pool.txt"], "no/such/pool.txt"),
        (["--planner", "random1"], "random"),
        (["--experts", "9"], "experts"),
        (["--preset", "moe5"], "moe4"),
        (["--max-memory", "lots"], "max_memory"),
        (["--quick-epochs", "3", "--epochs", "3"], "quick_epochs"),
        (["--plugin", "no_such.py"], "no_such.py"),
        (["--retry-policy", "again"], "smaller_batch"),
        (["--set", "moe4.nois=1"], "noise"),
    ],
)
def test_bad_usage_is_one_line(words: list[str], told: str, data: str, tmp_path: Path) -> None:
    done = moesaic("--data", data, *words, "--out", str(tmp_path / "r"))
    assert done.exit_code == 2, done.output
    assert len(done.stderr.strip().splitlines()) == 1
    assert told in done.stderr
    assert not (tmp_path / "r").exists()
