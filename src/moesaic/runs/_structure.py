"""The first stage of a search: embed the data, cluster, merge what a gate cannot tell apart."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from moesaic.bank import damaged, write_atomic
from moesaic.config import AnyConfig, Recipe
from moesaic.errors import InputError
from moesaic.mixture import build_gate
from moesaic.runs._context import Context, load_context, load_partition, save_partition
from moesaic.runs._folder import RunFolder
from moesaic.runs._session import Session
from moesaic.seeds import derive_seed
from moesaic.structure import (
    Partition,
    assess,
    cluster,
    embed_classes,
    embed_pixels,
    embed_trained,
    join_clusters,
    merge_indistinct,
    probe_routing,
    train_embedder,
    whiten,
)

CENTRES = "centres.npy"  # of the clusters, (M, F)
EMBEDDING = "embedding.npy"  # of the validation split, (N_val, F)
_MAP_SAMPLES = 1000
_MOST_CLUSTERS = 8
_LEAST_EPOCHS = 6
_CLASSES_EPOCHS = 12


def find_structure(
    session: Session[AnyConfig], least: int, count: int | None, epochs: int
) -> dict[str, Any]:
    """Find the partition of the run's data, once; later calls and resumed runs read it back.

    Args:
        session: the run.
        least: fewest clusters that are of use.
        count: M, chosen when None.
        epochs: of the rungs that follow; the embedder and the probe are trained as long.

    Returns:
        The partition's quality, JSON-able, with `clusters`, `shares` and `merged`.
    """
    known: dict[str, Any] | None = session.bank.meta("structure")
    if known is None:
        words = [
            {"path": str(session.folder.path), "least": least, "count": count, "epochs": epochs}
        ]
        known = session.call("structure", run_structure, words)[0]
        del known["files"]
        session.bank.set_meta("structure", known)
    return known


def run_structure(path: str, least: int, count: int | None, epochs: int) -> dict[str, Any]:
    """Embed, cluster and judge; returns the partition's quality and the `files` it wrote.

    The arguments are those of `find_structure`.
    """
    context = load_context(path)
    config = context.config
    seed = derive_seed(config.seed, "structure")
    recipe = (config.recipe or Recipe()).for_epochs(max(epochs, _LEAST_EPOCHS))
    train, validation = _embedding(context, recipe, seed)
    if config.embedder == "given":
        partition = _given(context)
    else:
        partition = cluster(
            train,
            validation,
            count=count,
            method=config.clusterer,
            seed=seed,
            most=max(_MOST_CLUSTERS, least),
            measured=least,
        )
    if partition.count < least and config.embedder != "given":
        partition = cluster(train, validation, count=least, method="kmeans", seed=seed)
    probe = partial(
        probe_routing,
        train=context.dataset.train,
        validation=context.dataset.validation,
        normaliser=context.normaliser,
        probe=partial(build_gate, context.dataset.input_shape),
        recipe=recipe,
        seed=derive_seed(config.seed, "probe"),
    )
    found = partition.count
    routing = probe(partition)
    if config.clusters is None and config.embedder != "given":
        merged = merge_indistinct(partition, routing)
        enough = merged.count >= least and merged.measured >= min(least, partition.measured)
        if merged.count != found and enough:
            partition, routing = merged, probe(merged)
    if partition.count < least:
        raise InputError(
            f"the data gave {partition.count} clusters for {least} experts: lower --experts, or "
            "choose another --embedder"
        )
    if partition.measured < least:
        raise InputError(
            f"only {partition.measured} of {partition.count} clusters have validation samples, too "
            f"few for {least} experts: lower --experts, choose another --clusters, or give more "
            "samples"
        )
    quality = assess(
        partition,
        train,
        context.dataset.validation,
        method=None if config.embedder == "given" else config.clusterer,
        count=found,
        routability=routing.accuracy,
        seed=seed,
    )
    context.folder.structure.mkdir(exist_ok=True)  # a copy of the run has it once there is a file
    save_partition(context.folder, partition)
    load_partition.cache_clear()
    _save(context.folder, CENTRES, _centres(train, partition))
    _save(context.folder, EMBEDDING, validation.astype(np.float32))
    _save_map(context, validation, partition, seed)
    return {
        **quality.to_dict(),
        "clusters": partition.count,
        "clusters_before_merging": found,
        "shares": [float(share) for share in partition.shares],
        "confusion": routing.confusion.tolist(),
        "files": [f"structure/{name}" for name in ("partition.npz", CENTRES, EMBEDDING, "map.npz")],
    }


def group_clusters(path: str, groups: int) -> NDArray[np.int64]:
    """Return the group (M,) of every cluster when M clusters are joined into `groups` by Ward.

    Clusters count by their training samples. Groups are numbered by their first cluster, and
    those of one group more divide one of these.
    """
    return join_clusters(load_centres(path), np.maximum(load_partition(path).sizes, 1), groups)


def load_centres(path: str) -> NDArray[np.float64]:
    """Read the centres (M, F) of the clusters of the run in `path`.

    Raises:
        DamagedRun: their file is missing or damaged.
    """
    file = RunFolder(Path(path)).structure / CENTRES
    try:
        found: NDArray[np.float64] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(file, f"centres: {error}") from error
    return found


def _save(folder: RunFolder, name: str, array: NDArray[np.floating]) -> None:
    write_atomic(folder.structure / name, lambda file: np.save(file, array))


def cluster_weight(partition: Partition) -> NDArray[np.float64]:
    """Return the shares (M,) of the clusters, 0 for one that no validation sample fell into."""
    seen = np.bincount(partition.validation, minlength=partition.count) > 0
    weight = np.where(seen, partition.shares, 0.0)
    shares: NDArray[np.float64] = weight / weight.sum()
    return shares


def _embedding(
    context: Context, recipe: Recipe, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    dataset, config = context.dataset, context.config
    if config.embedder == "trained":
        network = train_embedder(dataset.train, context.normaliser, context.classes, recipe, seed)
        pair = (
            embed_trained(network, dataset.train, context.normaliser),
            embed_trained(network, dataset.validation, context.normaliser),
        )
        return whiten(*pair)
    if config.embedder == "classes":
        longer = recipe.for_epochs(max(recipe.epochs, _CLASSES_EPOCHS))
        network = train_embedder(dataset.train, context.normaliser, context.classes, longer, seed)
        train, validation = (
            embed_classes(network, split, context.normaliser).astype(np.float64)
            for split in (dataset.train, dataset.validation)
        )
        return train, validation
    pixels = embed_pixels(dataset.train, dataset.validation, seed)
    return pixels[0].astype(np.float64), pixels[1].astype(np.float64)


def _given(context: Context) -> Partition:
    train, validation = context.dataset.train.domains, context.dataset.validation.domains
    if train is None or validation is None:
        raise InputError(
            "the data carry no domain column for --embedder given: "
            "join sources with + or choose --embedder trained"
        )
    names, first = np.unique(train.numpy(), return_inverse=True)
    second = np.searchsorted(names, validation.numpy()).clip(0, len(names) - 1)
    return Partition(first.astype(np.int64), second.astype(np.int64), len(names))


def _centres(points: NDArray[np.float64], partition: Partition) -> NDArray[np.float64]:
    return np.stack(
        [points[partition.train == name].mean(axis=0) for name in range(partition.count)]
    )


def _save_map(
    context: Context, points: NDArray[np.float64], partition: Partition, seed: int
) -> None:
    """Lay a sample of the validation split out in the plane, for the report."""
    rng = np.random.default_rng(derive_seed(seed, "map"))
    chosen = np.sort(rng.permutation(len(points))[:_MAP_SAMPLES])
    if points.shape[1] < 2:
        flat = np.repeat(points[chosen], 2, 1)
    elif len(chosen) < 10:
        flat = points[chosen][:, :2]
    else:
        perplexity = min(30.0, (len(chosen) - 1) / 3)
        flat = TSNE(
            2, init="pca", perplexity=perplexity, random_state=seed % 2**32, max_iter=500
        ).fit_transform(points[chosen])
    write_atomic(
        context.folder.structure / "map.npz",
        lambda file: np.savez(
            file,
            samples=chosen,
            points=flat.astype(np.float32),
            clusters=partition.validation[chosen],
        ),
    )
