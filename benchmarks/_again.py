"""What the benchmarks do with a finished search: its design again, more trainings, the test split.

It also cuts data sets to a part of their training samples. It concludes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import moesaic
from benchmarks._show import PlainWatcher
from moesaic.bank import Observation, Trial, read_predictions
from moesaic.config import SearchConfig, make_config
from moesaic.data import near_duplicates, open_dataset
from moesaic.data._arrays import NpzSource
from moesaic.data._split import grouped_holdout
from moesaic.errors import InputError
from moesaic.runs import RunResult, Watcher
from moesaic.runs._context import load_context, load_partition, make_space
from moesaic.runs._design import serving
from moesaic.runs._folder import open_folder
from moesaic.runs._lifecycle import extend
from moesaic.runs._plan import trial_to_dict
from moesaic.runs._session import SearchSession
from moesaic.runs._variants import Design, gate_macs, matched
from moesaic.runs._work import run_test, trained_experts
from moesaic.seeds import generator

TEST = "benchmark-test"
_MAY_CHANGE = {"workers", "executor", "device", "budget"}


def cut(
    data: str,
    samples: int | None,
    seed: int,
    folder: Path,
    alike: Sequence[float] = (),
    held_out: float | None = None,
) -> str:
    """Write a part of the training images of every .npz source; test images stay as they are.

    Args:
        data: paths of .npz files joined by +, or any other sources where nothing is cut.
        samples: most training images of each source; None leaves all as they are.
        seed: of the draw.
        folder: where the parts are written; parts that are there are taken again.
        alike: for each source, how similar training images must be to be on one side of its split
            (`moesaic.data.near_duplicates`, looked for before the cut), 0 to ask for none; none
            given asks for none.
        held_out: share of the part that is written as its validation split; None leaves that to the
            reader of the data, who draws a fifth.
    """
    sources = data.split("+")
    if alike and len(alike) != len(sources):
        raise InputError(f"give one similarity for each of the {len(sources)} sources, 0 for none")
    if samples is None and not any(alike) and held_out is None:
        return data
    parts = []
    for place, (source, similarity) in enumerate(
        zip(sources, alike or [0] * len(sources), strict=True)
    ):
        size = "all" if samples is None else str(samples)
        name = f"{Path(source).stem}-{place}-{size}-{seed}"
        name += f"-{similarity:g}" if similarity else ""
        path = folder / (f"{name}.npz" if held_out is None else f"{name}-held-{held_out:g}.npz")
        if not path.exists():
            if not Path(source).is_file():
                raise InputError(f"--samples cuts .npz files only, given {source}")
            with np.load(source, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            if similarity:
                train = NpzSource().load(source, seed=seed, image_size=None).train
                groups = near_duplicates(train.inputs, train.labels, similarity)
                arrays["train_groups"] = groups
            rng = generator(seed, "benchmark/samples", place)
            kept = np.sort(rng.permutation(len(arrays["train_labels"]))[:samples])
            for name in {"train_images", "train_labels", "train_groups"} & set(arrays):
                arrays[name] = arrays[name][kept]
            if held_out is not None:
                _hold_out(arrays, held_out, generator(seed, "benchmark/held out", place))
            folder.mkdir(parents=True, exist_ok=True)
            # several runs may share the folder: what is there must be whole
            half = path.with_name(f"{path.stem}.{os.getpid()}.npz")
            np.savez(half, **arrays)
            half.replace(path)
        parts.append(str(path))
    return "+".join(parts)


def _hold_out(arrays: dict[str, Any], share: float, rng: np.random.Generator) -> None:
    """Make a part of the training images the validation split; no group is divided."""
    labels = arrays["train_labels"]
    groups = arrays.pop("train_groups", np.arange(len(labels)))
    kept, held = grouped_holdout(labels, groups, share, rng)
    for part in ("images", "labels"):
        whole = arrays[f"train_{part}"]
        arrays[f"train_{part}"], arrays[f"validation_{part}"] = whole[kept], whole[held]


def search_or_resume(
    place: Path, settings: dict[str, Any], watcher: Watcher | None = None
) -> RunResult:
    """Begin a search in `place`, or go on with the one that is there.

    Raises:
        InputError: the one that is there has other settings.
    """
    if (place / "config.yaml").exists():
        known, wanted = open_folder(place).config(), make_config(settings)
        other = [
            name
            for name in settings
            if name not in _MAY_CHANGE and getattr(known, name) != getattr(wanted, name)
        ]
        if other:
            raise InputError(
                f"{place} holds a search with another {' and '.join(sorted(other))}: give another "
                "--out"
            )
        return moesaic.resume(place, watcher=watcher or PlainWatcher())
    return moesaic.search(out=place, watcher=watcher or PlainWatcher(), **settings)


def with_session(place: Path, work: Callable[[SearchSession], Any]) -> Any:
    """Open workers on a finished search, do the work and close them."""
    folder = open_folder(place)
    config = folder.config()
    if not isinstance(config, SearchConfig):
        raise InputError(f"{place} is a {config.kind}, expected a search")
    config = config.model_copy(update={"budget": None})
    return extend(folder, config, PlainWatcher(), "the same command", work)


def design_of(session: SearchSession, result: dict[str, Any]) -> Design:
    """Return the design of the final stage of a finished search, as far as more work needs it."""
    dataset = load_context(str(session.folder.path)).dataset
    space = make_space(session.config, dataset)
    shape, classes = dataset.input_shape, len(dataset.classes)
    mixture = trial_of(session, "final-0-mixture")
    single = trained_experts(trial_of(session, "final-0-single"))[0]
    experts = tuple(trained_experts(mixture))
    target = int(result["target_macs"])
    gate_size = float(mixture.payload.get("gate_size", 1.0))
    gate = gate_macs(shape, len(experts), gate_size)
    return Design(
        config=session.config,
        space=space,
        input_shape=shape,
        classes=classes,
        domains=len(dataset.domain_names or ()),
        experts=experts,
        routing=tuple(mixture.payload["routing"]),
        target=target,
        single=single,
        copy=matched(space, single, target - gate, shape, classes),
        recipe=session.config.recipe.for_epochs(int(result["epochs"])),
        domain_experts=serving(
            dataset, mixture.payload["routing"], load_partition(str(session.folder.path))
        ),
        gate_size=gate_size,
    )


def trial_of(session: SearchSession, stage: str) -> Trial:
    """Return the first trial of a stage that was done.

    Raises:
        InputError: there is none.
    """
    found: list[Observation] = session.bank.observations(stage=stage)
    if not found:
        raise InputError(f"{session.folder.path}: no trial of {stage} was done")
    return found[0].trial


def on_test(session: SearchSession, trials: Sequence[Trial]) -> dict[str, dict[str, Any]]:
    """Measure finished trials on the test split, each once; later calls read the answers back.

    Returns:
        trial key -> `accuracy`, `macs` and, for a mixture, its routing.
    """
    known: dict[str, dict[str, Any]] = session.bank.meta(TEST) or {}
    missing = {trial.key: trial for trial in trials if trial.key not in known}
    words = [
        {"path": str(session.folder.path), "payload": trial_to_dict(trial)}
        for trial in missing.values()
    ]
    needs = [session.test_needs(trial) for trial in missing.values()]
    if words:
        answers = session.call("test", run_test, words, needs)
        for key, told in zip(missing, answers, strict=True):
            known[key] = {name: told[name] for name in told if name != "experts_used"}
        session.bank.set_meta(TEST, known)
    return {trial.key: known[trial.key] for trial in trials}


def right_of(folder: Path, key: str) -> np.ndarray:
    """Return 0 or 1 for every test sample, (N,), of a trial that was measured on the test split."""
    labels = open_dataset(folder / "data", test=True).test.labels.numpy()
    told = read_predictions(folder / "predictions" / f"{key}-test.npy")
    return (told.argmax(axis=1) == labels).astype(np.float64)


def clusters_on_their_source(folder: Path, routing: Sequence[int]) -> tuple[int, int]:
    """Return how many clusters go to the expert of their own source, and how many there are.

    The source of a cluster is the one that most of its training samples come from; the source of
    an expert the one that most of the samples routed to it come from.

    Args:
        folder: of a run whose data have domains.
        routing: the expert of every cluster, (M,).
    """
    domains = open_dataset(folder / "data").train.domains
    if domains is None:
        raise InputError(f"the data of {folder} have no domains: join two sources with +")
    partition = load_partition(str(folder))
    counts = np.zeros((partition.count, int(domains.max()) + 1), np.int64)
    np.add.at(counts, (partition.train, domains.numpy()), 1)
    expert_of = np.asarray(routing)
    source = {
        expert: int(counts[expert_of == expert].sum(axis=0).argmax()) for expert in set(routing)
    }
    own = counts.argmax(axis=1)
    right = sum(source[int(expert)] == int(own[m]) for m, expert in enumerate(expert_of))
    return right, partition.count
