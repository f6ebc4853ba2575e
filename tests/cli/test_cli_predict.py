"""`moesaic predict` on images and vectors, readable and not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner, Result

from moesaic import mixture
from moesaic.cli import app
from moesaic.data import read_image
from moesaic.errors import InputError

runner = CliRunner()


class FakeModel:
    """Two classes: the first with probability of the mean input; expert 1 for what is bright."""

    classes = ("[dark]", "bright")
    stages = 1

    def __init__(self, input_shape: tuple[int, ...], experts: int = 2) -> None:
        self.input_shape = input_shape
        self.experts = experts
        self.seen: list[Tensor] = []

    def _brightness(self, inputs: Tensor) -> Tensor:
        return inputs.double().flatten(1).mean(1) / 255

    def __call__(self, inputs: Tensor) -> Tensor:
        self.seen.append(inputs)
        share = self._brightness(inputs).clamp(1e-6, 1 - 1e-6)
        return torch.stack([(1 - share).log(), share.log()], dim=1)

    def route(self, inputs: Tensor) -> Tensor:
        if self.experts == 1:
            return torch.ones(len(inputs), 1)
        chosen = (self._brightness(inputs) > 0.5).long()
        return torch.nn.functional.one_hot(chosen, self.experts).float()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    made = FakeModel((3, 6, 8))
    monkeypatch.setattr(mixture, "load_model", lambda run: made)
    return made


def picture(path: Path, value: int, mode: str = "RGB", size: tuple[int, int] = (20, 10)) -> Path:
    Image.new(mode, size, (value,) * len(mode) if len(mode) > 1 else value).save(path)
    return path


def predict(*words: object) -> Result:
    return runner.invoke(app, ["predict", "run", *(str(word) for word in words)])


def test_class_probability_and_expert_of_every_image(model: FakeModel, tmp_path: Path) -> None:
    dark = picture(tmp_path / "dark.png", 51)
    bright = picture(tmp_path / "bright [1].png", 204, mode="L")
    found = predict(dark, bright)
    assert found.exit_code == 0
    lines = [line.split() for line in found.stdout.splitlines()]
    assert lines[1] == [str(dark), "[dark]", "80.0", "%", "0"]
    assert lines[2][-4:] == ["bright", "80.0", "%", "1"]
    told = json.loads(predict(dark, bright, "--json").stdout)
    assert told["status"] == "done"
    first, second = told["predictions"]
    assert (first["image"], first["class"], first["expert"]) == (str(dark), "[dark]", 0)
    assert first["probability"] == pytest.approx(0.8)
    assert second["weights"] == [0.0, 1.0]
    assert model.seen[0].shape == (2, 3, 6, 8)
    assert model.seen[0].dtype == torch.uint8


def test_a_model_without_a_gate_has_no_expert(model: FakeModel, tmp_path: Path) -> None:
    model.experts = 1
    image = picture(tmp_path / "a.png", 51)
    assert predict(image).stdout.splitlines()[1].split()[-1] == "-"
    assert json.loads(predict(image, "--json").stdout)["predictions"][0]["expert"] is None


def test_unreadable_images_lose_nothing_else(model: FakeModel, tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png", 51)
    text = tmp_path / "text.png"
    text.write_text("no image")
    cut = tmp_path / "cut.png"
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(noise).save(cut)
    cut.write_bytes(cut.read_bytes()[:400])
    gone = tmp_path / "gone.png"
    found = predict(text, image, cut, gone, "--json")
    assert found.exit_code == 2
    told = json.loads(found.stdout)
    assert [done["image"] for done in told["predictions"]] == [str(image)]
    assert [left["image"] for left in told["unreadable"]] == [str(text), str(cut), str(gone)]
    assert (told["status"], told["message"]) == ("error", "3 of 4 files could not be read")
    lines = found.stderr.splitlines()
    assert len(lines) == 3
    assert all(str(f) in line for f, line in zip((text, cut, gone), lines, strict=True))
    assert str(image) in predict(text, image).stdout
    assert predict(text).stdout == ""


def test_more_images_than_a_batch(
    model: FakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moesaic.cli._predict._BATCH", 2)
    files = [picture(tmp_path / f"{value}.png", value) for value in (10, 90, 140, 200, 250)]
    told = json.loads(predict(*files, "--json").stdout)
    assert [found["image"] for found in told["predictions"]] == [str(file) for file in files]
    assert [found["expert"] for found in told["predictions"]] == [0, 0, 1, 1, 1]
    assert [len(batch) for batch in model.seen] == [2, 2, 1]


def test_vectors_come_from_npy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = FakeModel((2,))
    monkeypatch.setattr(mixture, "load_model", lambda run: made)
    file = tmp_path / "v.npy"
    np.save(file, np.array([[51, 51], [204, 204]]))
    found = predict(file)
    assert [line.split()[0] for line in found.stdout.splitlines()[1:]] == [
        f"{file}[0]",
        f"{file}[1]",
    ]
    assert made.seen[0].dtype == torch.float32


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((3, 5)), "(3, 5)"),
        (np.zeros(2), "(2,)"),
        (np.array([["a", "b"]]), "numbers"),
        (np.array([[0, 1], [np.nan, 1]]), "row 1"),
        (np.array([[None, 1]], dtype=object), "npy"),
    ],
)
def test_bad_vectors_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, array: np.ndarray, told: str
) -> None:
    monkeypatch.setattr(mixture, "load_model", lambda run: FakeModel((2,)))
    file = tmp_path / "v.npy"
    np.save(file, array, allow_pickle=True)
    found = predict(file)
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert told in found.stderr
    assert predict(tmp_path / "gone.npy").exit_code == 2


@pytest.mark.parametrize("kind", ["zip", "huge", "header", "long name"])
def test_one_bad_file_costs_no_other_its_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    images = kind == "long name"
    shape = (1, 4, 5) if images else (2,)
    monkeypatch.setattr(mixture, "load_model", lambda run: FakeModel(shape))
    good = picture(tmp_path / "a.png", 51) if images else tmp_path / "good.npy"
    bad = tmp_path / ("b" * 300 + ".png" if images else "bad.npy")
    if not images:
        np.save(good, np.zeros((1, 2)))
        content = good.read_bytes()
        shaped = content.replace(b"(1, 2)", b"(1, 9" + b"9" * 15 + b")")
        told = {"zip": b"PK\x03\x04" + content, "huge": shaped, "header": content}
        bad.write_bytes(
            told[kind].replace(b"{'desc", b"((((((") if kind == "header" else told[kind]
        )
    found = predict(bad, good, "--json")
    told_json = json.loads(found.stdout)
    assert found.exit_code == 2
    assert [one["image"].split("[")[0] for one in told_json["predictions"]] == [str(good)]
    assert [one["image"] for one in told_json["unreadable"]] == [str(bad)]


def test_images_are_read_for_the_model(tmp_path: Path) -> None:
    clear = picture(tmp_path / "clear.png", 0, mode="RGBA")
    grey = read_image(clear, (1, 4, 5))
    assert (grey.shape, grey.dtype) == ((1, 4, 5), np.uint8)
    assert (grey == 255).all()  # transparency becomes white, as in training
    left_red = np.zeros((8, 8, 3), np.uint8)
    left_red[:, :4, 0] = 200
    Image.fromarray(left_red).save(tmp_path / "red.png")
    image = read_image(tmp_path / "red.png", (3, 8, 8))
    assert (image == left_red.transpose(2, 0, 1)).all()
    with pytest.raises(InputError, match="no image file"):
        read_image(tmp_path / "gone.png", (3, 8, 8))
