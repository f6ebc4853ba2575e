"""`moesaic predict`: a run's model on images or vectors of a person's own; it measures nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Annotated, Any
from zipfile import BadZipFile

import typer

from moesaic.cli._faults import in_run
from moesaic.cli._options import Json, RunPath
from moesaic.cli._output import Answer, answer, table, tell
from moesaic.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from moesaic.mixture import Deployed

_BATCH = 256


def predict(
    run: RunPath,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...",
            help="image files; for vectors, .npy files of (N, D)",
            readable=False,  # one that is not must not keep the others back
        ),
    ],
    json: Json = False,
) -> None:
    """Name the class, its probability and the expert (of a cascade, the stage) for every image."""

    def work() -> Answer:
        with in_run(run):
            return _predict(run, files)

    answer(json, work)


def _predict(run: Path, files: Sequence[Path]) -> Answer:
    from moesaic.mixture import load_model

    model = load_model(run)
    unread: list[dict[str, str]] = []
    read = _read_images if len(model.input_shape) == 3 else _read_vectors
    predictions = [
        found
        for names, inputs in read(files, model, unread)
        for found in _classify(model, names, inputs)
    ]
    payload: dict[str, Any] = {
        "run": str(run),
        "status": "error" if unread else "done",
        "predictions": predictions,
        "unreadable": unread,
    }
    for fault in unread:
        tell(f"error: {fault['message']}")
    if unread:
        payload["message"] = f"{len(unread)} of {len(files)} files could not be read"
    return Answer(payload, lambda: _describe(predictions), code=2 if unread else 0)


def _read_images(
    files: Sequence[Path], model: Deployed, unread: list[dict[str, str]]
) -> Iterator[tuple[list[str], NDArray[Any]]]:
    """Yield names and uint8 (B, C, H, W) images; what cannot be read goes to `unread`."""
    import numpy as np

    from moesaic.data import read_image

    for start in range(0, len(files), _BATCH):
        names, images = [], []
        for file in files[start : start + _BATCH]:
            try:
                images.append(read_image(file, model.input_shape))
                names.append(str(file))
            except InputError as error:
                unread.append({"image": str(file), "message": str(error)})
        if images:
            yield names, np.stack(images)


def _read_vectors(
    files: Sequence[Path], model: Deployed, unread: list[dict[str, str]]
) -> Iterator[tuple[list[str], NDArray[Any]]]:
    """Yield names and float32 (B, D) vectors; what cannot be read goes to `unread`."""
    for file in files:
        try:
            vectors = _load_vectors(file, model.input_shape[0])
        except InputError as error:
            unread.append({"image": str(file), "message": str(error)})
            continue
        for start in range(0, len(vectors), _BATCH):
            batch = vectors[start : start + _BATCH]
            yield [f"{file}[{start + row}]" for row in range(len(batch))], batch


def _load_vectors(file: Path, width: int) -> NDArray[np.float32]:
    import numpy as np

    try:
        array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile, MemoryError, TokenError) as error:
        reason = getattr(error, "strerror", None) or "not an .npy file of numbers"
        raise InputError(
            f"cannot read {file}: {reason}; the model takes .npy files of vectors (N, {width})"
        ) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise InputError(f"{file} holds no array of numbers: expected vectors (N, {width})")
    if array.ndim != 2 or array.shape[1] != width:
        raise InputError(f"{file} has shape {array.shape}: the model takes vectors (N, {width})")
    vectors = array.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(f"{file} holds NaN or infinite values, first in row {bad[0]}: mend them")
    return vectors


def _classify(model: Deployed, names: list[str], inputs: NDArray[Any]) -> Iterator[dict[str, Any]]:
    """Yield a prediction for every sample.

    `expert` is None for a model without a gate; a cascade has `stage` in its place, at which the
    sample stopped, and `weights` name that.
    """
    import torch

    samples = torch.from_numpy(inputs)
    with torch.inference_mode():
        probability, chosen = model(samples).softmax(dim=1).max(dim=1)
        routing = model.route(samples)
    kind = "stage" if model.stages > 1 else "expert"
    for row, name in enumerate(names):
        weights = routing[row].tolist()
        yield {
            "image": name,
            "class": model.classes[int(chosen[row])],
            "probability": float(probability[row]),
            kind: int(routing[row].argmax()) if len(weights) > 1 else None,
            "weights": weights,
        }


def _describe(predictions: list[dict[str, Any]]) -> str:
    if not predictions:
        return ""
    kind = "stage" if "stage" in predictions[0] else "expert"
    rows = [
        [
            found["image"],
            found["class"],
            f"{100 * found['probability']:.1f} %",
            "-" if found[kind] is None else str(found[kind]),
        ]
        for found in predictions
    ]
    return table(["image", "class", "probability", kind], rows, numbers=2)
