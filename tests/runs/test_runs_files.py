"""Files of a run that are half-written, lost, or of a run that another process began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import moesaic
from moesaic.bank import Bank
from moesaic.config import make_config
from moesaic.errors import DamagedRun, InputError
from moesaic.runs import _lifecycle
from moesaic.runs._folder import create_folder
from moesaic.runs._lifecycle import held
from moesaic.runs._members import read_members
from moesaic.runs._needs import trial_needs
from moesaic.runs._structure import group_clusters


@pytest.fixture(scope="module")
def run(spec: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings: dict[str, Any] = {
        "data": spec,
        "trials": 3,
        "rungs": (1,),
        "widths": (4,),
        "epochs": 1,
        "executor": "inprocess",
        "baselines": False,
    }
    return moesaic.search(out=tmp_path_factory.mktemp("files") / "run", **settings).folder


def test_a_run_that_another_process_began_in_the_same_moment_stays(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config({"data": spec})
    theirs = create_folder(tmp_path / "run", config)
    monkeypatch.setattr(_lifecycle, "create_folder", lambda out, config: theirs)
    with held(theirs), pytest.raises(InputError, match="another process"):
        moesaic.search(config, out=tmp_path / "run")
    assert theirs.config_file.is_file()


def test_leftovers_go_wherever_they_lie_and_no_worker_is_sent_them(run: Path) -> None:
    from moesaic.runs._folder import open_folder

    left = [run / name / ".tmp-abc-test_inputs.npy" for name in ("data", "structure", "model")]
    for path in left:
        path.write_bytes(b"half")
    assert not any(".tmp-" in name for name in trial_needs(open_folder(run)))
    Bank.open(run).close()
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("content", [None, b"", b"no array"])
def test_lost_centres_are_named(run: Path, content: bytes | None) -> None:
    file = run / "structure" / "centres.npy"
    whole = file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DamagedRun, match=r"centres\.npy is missing or damaged"):
        group_clusters(str(run), 2)
    file.write_bytes(whole)


def test_a_damaged_file_of_predictions_is_named_when_mixtures_are_ranked(run: Path) -> None:
    from moesaic.runs._folder import open_folder

    folder = open_folder(run)
    with Bank.open(run) as bank:
        (first, *_) = bank.observations(stage="rung-0")
        file = run / "predictions" / f"{first.trial.key}.npy"
        whole = file.read_bytes()
        file.write_bytes(whole[:50])
        with pytest.raises(DamagedRun, match=file.name):
            read_members(folder, folder.config(), bank)
        file.write_bytes(whole)
        assert read_members(folder, folder.config(), bank)


def test_vectors_of_one_feature_have_a_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(120, 1)).astype(np.float32)
    place = tmp_path / "line"
    place.mkdir()
    np.save(place / "X.npy", points)
    np.save(place / "y.npy", (points[:, 0] > 0).astype(np.int64))
    settings: dict[str, Any] = {"trials": 2, "rungs": (1,), "epochs": 1, "rounds": 1}
    found = moesaic.search(
        data=str(place),
        embedder="pixels",
        executor="inprocess",
        baselines=False,
        out=tmp_path / "run",
        **settings,
    )
    with np.load(found.folder / "structure" / "map.npz") as stored:
        assert stored["points"].shape[1] == 2


def test_several_experts_a_sample_cost_as_much_as_what_they_are_compared_with(
    spec: str, tmp_path: Path
) -> None:
    found = moesaic.search(
        data=spec,
        experts=3,
        clusters=3,
        top_k=2,
        trials=4,
        rungs=(1,),
        epochs=1,
        widths=(16, 24),
        executor="inprocess",
        out=tmp_path / "run",
    ).result
    rows = {"mixture": found["mixture"], **found["baselines"]}
    for name in ("single", "homogeneous", "random"):
        cost = rows[name]["macs_active"]
        assert cost == pytest.approx(rows["mixture"]["macs_active"], rel=0.06)
    assert rows["mixture"]["macs_active"] == pytest.approx(found["target_macs"], rel=0.06)


def test_a_shift_as_wide_as_the_images_is_refused_before_anything_is_written(
    spec: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"recipe\.shift is 8, but the images have 8 pixels"):
        moesaic.search(data=spec, out=tmp_path / "run", recipe={"shift": 8})
    assert not (tmp_path / "run").exists()
