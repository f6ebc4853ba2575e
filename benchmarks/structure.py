"""Compares embedders by the structure that is found with them: nothing is searched.

    python -m benchmarks.structure --data A.npz+B.npz --image-size 16 --seeds 0 1 2

For every embedder and seed the data are embedded and clustered as at the beginning of a search, and
the clusters are joined into as many groups as there are sources, as a search does for its experts.
It prints the purity of both: the share of the training samples that lie in a cluster, or a group,
where most are of their own source. Sources are not told to the search.

With `--divide` a few generalists are trained (`--set trials=4`) and the groups are also found as
`--experts auto` does, by trained mixtures; otherwise by Ward's criterion alone. Where the two
differ, a mixture of each is trained for all epochs, twice with seeds of their own, and the
validation accuracies are compared.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score

from benchmarks._again import cut
from benchmarks._show import PlainWatcher, answer
from moesaic.config import SearchConfig, make_config, merge_settings, parse_assignments
from moesaic.data import open_dataset
from moesaic.errors import InputError
from moesaic.runs._context import load_context, load_partition, make_space
from moesaic.runs._divide import Divisions
from moesaic.runs._generalists import train_generalists
from moesaic.runs._lifecycle import begin
from moesaic.runs._session import SearchSession
from moesaic.runs._structure import cluster_weight, find_structure, group_clusters
from moesaic.runs._variants import gate_macs

EMBEDDERS = ("trained", "classes")


def purity(names: NDArray[np.int64], sources: NDArray[np.int64]) -> float:
    """Return the share of samples in a cluster, or group, where most are of their own source.

    Args:
        names: (N,), the cluster or group of every sample.
        sources: (N,), where it is from.
    """
    table = np.zeros((names.max() + 1, sources.max() + 1), np.int64)
    np.add.at(table, (names, sources), 1)
    return float(table.max(axis=1).sum() / len(names))


def run_one(settings: dict[str, Any], place: Path, divide: bool = False) -> dict[str, Any]:
    """Find the structure of the data once; `divide` trains mixtures to find the groups."""

    def execute(session: SearchSession) -> dict[str, Any]:
        path = session.folder.path
        known = open_dataset(session.folder.data)
        sources = known.train.domains
        if sources is None or known.domain_names is None:
            raise InputError(f"the data {settings['data']} are of one source: join two with +")
        count = len(known.domain_names)
        found = find_structure(session, count, session.config.clusters, session.config.rungs[-1])
        clusters = load_partition(str(path)).train
        groups = group_clusters(str(path), count)
        taken, gain = measured_groups(session, count) if divide else (groups, None)
        return {
            "status": "done",
            "clusters": found["clusters"],
            "purity": purity(clusters, sources.numpy()),
            "groups": purity(groups[clusters], sources.numpy()),
            "taken": purity(taken[clusters], sources.numpy()),
            "gain": gain,
            "routability": found["routability"],
        }

    config = make_config(settings)
    if not isinstance(config, SearchConfig):
        raise InputError(f"{config.kind}: expected the settings of a search")
    return begin(config, place, PlainWatcher(), lambda given, _: given, execute).result


def measured_groups(session: SearchSession, count: int) -> tuple[NDArray[np.int64], float | None]:
    """Return the group (M,) of every cluster as `Divisions` has it, and what that gains.

    The gain is in validation accuracy over Ward's groups, of mixtures trained for all epochs; None
    where the groups are Ward's.
    """
    path = str(session.folder.path)
    dataset, partition = load_context(path).dataset, load_partition(path)
    space, weight = make_space(session.config, dataset), cluster_weight(partition)
    gate = gate_macs(dataset.input_shape, count)
    rung, _ = train_generalists(session, space, weight, count, gate)
    losses = np.stack([one.loss for one in rung]) @ weight
    best = rung[int(losses.argmin())].trial.architecture
    if best is None:
        raise InputError(f"{space.name} has no architectures to divide with: choose another space")
    labels = dataset.validation.labels.numpy()
    config = session.config
    epochs = config.most_epochs if config.epochs == "auto" else int(config.epochs)
    divisions = Divisions(session, best, epochs, labels)
    ward, taken = group_clusters(path, count), divisions.of(count)
    if normalized_mutual_info_score(ward, taken) > 1 - 1e-9:
        return ward, None
    trials = [
        divisions.mixture(groups, epochs, "judged", place, repeat=100 + place // 2)
        for place, groups in enumerate((ward, taken) * 2)
    ]
    session.perform("both ways for all epochs", trials)
    right = [(session.bank.predictions(one.key).argmax(axis=1) == labels).mean() for one in trials]
    return taken, float(np.mean(right[1::2]) - np.mean(right[::2]))


def run(words: argparse.Namespace) -> dict[str, Any]:
    """Find the structure with every embedder and seed."""
    rows: list[dict[str, Any]] = []
    given = {
        "image_size": words.image_size,
        "clusters": words.clusters,
        "workers": 1,
        "experts": max(2, len(words.data.split("+"))),
    }
    with tempfile.TemporaryDirectory(prefix="structure-") as scratch:
        place = Path(scratch)
        data = cut(words.data, words.samples, 0, place / "data")
        for seed in words.seeds:
            for embedder in words.embedders:
                wanted = {**given, "data": data, "seed": seed, "embedder": embedder}
                settings = merge_settings(wanted, parse_assignments(words.set))
                found = run_one(settings, place / f"{embedder}-{seed}", words.divide)
                rows.append({"embedder": embedder, "seed": seed, **found})
    return {"data": words.data, "rows": rows, "means": means(rows)}


def means(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the mean of every number over the seeds, by embedder."""
    names = ("purity", "groups", "taken", "routability", "seconds")
    return {
        embedder: {
            name: float(np.mean([row[name] for row in rows if row["embedder"] == embedder]))
            for name in names
        }
        for embedder in dict.fromkeys(row["embedder"] for row in rows)
    }


def show(found: dict[str, Any]) -> None:
    """Print one line a seed and one mean an embedder."""
    print(
        f"{'embedder':12}{'seed':>5}{'clusters':>10}{'pure':>8}{'Ward':>8}{'taken':>8}{'gate':>8}"
        f"{'s':>6}  gain"
    )
    for row in found["rows"]:
        print(
            f"{row['embedder']:12}{row['seed']:5}{row['clusters']:10}{row['purity']:8.3f}"
            f"{row['groups']:8.3f}{row['taken']:8.3f}{row['routability']:8.3f}{row['seconds']:6.0f}"
            + ("" if row["gain"] is None else f"  {100 * row['gain']:+.1f} points")
        )
    for name, mean in found["means"].items():
        print(
            f"{name:12}{'mean':>5}{'':10}{mean['purity']:8.3f}{mean['groups']:8.3f}"
            f"{mean['taken']:8.3f}{mean['routability']:8.3f}{mean['seconds']:6.0f}"
        )


def main() -> int:
    """Run the benchmark; the exit status is 2 for bad input, 1 for a run that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="sources joined by +")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--embedders", nargs="+", default=list(EMBEDDERS), choices=EMBEDDERS)
    parser.add_argument("--samples", type=int, default=None, help="training images of each source")
    parser.add_argument("--image-size", type=int, default=None)
    parser.add_argument("--clusters", type=int, default=None)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--divide", action="store_true", help="measure how to divide, as --experts auto does"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    words = parser.parse_args()
    return answer(words.json, lambda: run(words), show)


if __name__ == "__main__":
    sys.exit(main())
