"""The section on the structure: the data map, the clusters and how good the partition is."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from moesaic.data import Dataset
from moesaic.report import _judge as judge
from moesaic.report import _theme as theme
from moesaic.report._format import DASH, listed, percent, plain, whole
from moesaic.report._material import Layout, Material


def build_structure(material: Material) -> dict[str, Any]:
    """Return what the template of this section reads."""
    found = material.result.get("structure") or {}
    before = found.get("clusters_before_merging")
    count = int(found.get("clusters") or len(found.get("sizes") or []))
    return {
        "count": count,
        "merged_from": before if before is not None and before != count else None,
        "origin": _origin(material),
        "maps": _maps(material),
        "by_gate": material.gate is not None,
        "clusters": _clusters(material, found),
        "measures": _measures(material, found),
        "confusion": _confusion(found),
    }


def _origin(material: Material) -> str:
    """Say in words where the clusters come from."""
    config = material.config
    if config.embedder == "given":
        return "given as a column of the data"
    places = {
        "trained": "the embedding that a small network learned",
        "classes": "the embedding and the class probabilities of a small network",
        "pixels": "the principal components of the inputs",
    }
    means = {"kmeans": "k-means", "gaussian": "a Gaussian mixture", "hdbscan": "HDBSCAN"}
    return f"found by {means[config.clusterer]} in {places[config.embedder]}; no source was named"


def _maps(material: Material) -> list[dict[str, Any]]:
    layout = material.layout
    if layout is None:
        return []
    experts = len(material.experts)
    counted = int(layout.clusters.max()) + 1
    maps = [
        {
            "title": "by cluster",
            "svg": _map("map-clusters", "cluster", layout, layout.clusters),
            "legend": [_key(place, f"cluster {place + 1}") for place in range(counted)],
        }
    ]
    chosen = expert_of_samples(material)
    if chosen is not None and experts:
        of_points = chosen[layout.samples]
        maps.append(
            {
                "title": "by expert",
                "svg": _map("map-experts", "expert", layout, of_points),
                "legend": [_key(place, f"expert {place + 1}") for place in range(experts)],
            }
        )
    return maps


def _key(place: int, name: str) -> dict[str, str]:
    return {"glyph": theme.glyph(place), "colour": theme.css_colour(place), "name": name}


def expert_of_samples(material: Material) -> NDArray[np.int64] | None:
    """Return the expert (N_val,) of every validation sample: the gate's choice, or the plan."""
    if material.gate is not None:
        return material.gate
    routing = np.asarray(material.routing, dtype=np.int64)
    if material.clusters is None or not len(routing):
        return None
    chosen: NDArray[np.int64] = routing[material.clusters]
    return chosen


def _map(name: str, noun: str, layout: Layout, groups: NDArray[np.int64]) -> Markup:
    def plot(axes: Axes) -> None:
        for place in np.unique(groups):
            x, y = layout.points[groups == place].T
            axes.plot(
                x,
                y,
                linestyle="none",
                marker=theme.marker(int(place)),
                markersize=4.5 if len(groups) > 400 else 6.5,
                markerfacecolor=theme.colour(int(place)),
                markeredgecolor=theme.PAPER,
                markeredgewidth=0.5,
                alpha=0.9,
            )
        axes.set_axis_off()
        axes.set_aspect("equal", adjustable="datalim")

    counts = np.bincount(groups)
    told = listed([f"{count} of {noun} {place + 1}" for place, count in enumerate(counts) if count])
    return theme.draw(
        name, f"Map of {len(groups)} validation samples: {told}", plot, width=4.7, height=3.9
    )


def _clusters(material: Material, found: dict[str, Any]) -> list[dict[str, Any]]:
    sizes = found.get("sizes") or []
    routing = material.routing
    return [
        {
            **_key(place, f"Cluster {place + 1}"),
            "size": whole(size),
            "share": percent(material.shares[place] if place < len(material.shares) else None),
            "expert": f"expert {routing[place] + 1}" if place < len(routing) else DASH,
            "classes": _commonest(material, place, domains=False),
            "domains": _commonest(material, place, domains=True),
        }
        for place, size in enumerate(sizes)
    ]


def _commonest(material: Material, cluster: int, *, domains: bool) -> str:
    """Name the commonest classes or sources in a cluster's validation samples."""
    dataset = material.dataset
    if dataset is None or material.clusters is None:
        return ""
    labels, names = _named(dataset, domains)
    if labels is None:
        return ""
    inside = labels[material.clusters == cluster]
    if not len(inside):
        return DASH
    counts = np.bincount(inside, minlength=len(names))
    order = np.argsort(-counts, kind="stable")[: 2 if domains else 4]
    return ", ".join(
        f"{names[place]} {percent(counts[place] / len(inside), 0)}"
        for place in order
        if counts[place] >= 0.005 * len(inside)
    )


def _named(dataset: Dataset, domains: bool) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    if not domains:
        return dataset.validation.labels.numpy(), dataset.classes
    if dataset.validation.domains is None or not dataset.domain_names:
        return None, ()
    return dataset.validation.domains.numpy(), dataset.domain_names


def _measures(material: Material, found: dict[str, Any]) -> list[dict[str, Any]]:
    shares = [float(share) for share in found.get("shares") or []]
    rows = [
        {
            "name": "Silhouette",
            "meaning": "how much nearer a sample lies to its own cluster than to the next one; "
            "1 is perfectly apart, 0 is no clusters at all",
            "value": plain(found.get("silhouette")),
            "judgement": judge.silhouette(found.get("silhouette")),
        },
        {
            "name": "Stability",
            "meaning": "agreement between clusterings of different subsamples (adjusted Rand "
            "index); 1 is the same clusters every time, 0 is chance",
            "value": plain(found.get("stability")),
            "judgement": judge.stability(found.get("stability")),
        },
        {
            "name": "Routability",
            "meaning": "how often a network as small as the gate names the right cluster of a "
            "sample it has not seen; what it cannot tell apart, the gate cannot route",
            "value": percent(found.get("routability")),
            "judgement": judge.routability(found.get("routability"), shares),
        },
        {
            "name": "Purity, classes",
            "meaning": "share of samples that belong to their cluster's commonest class",
            "value": percent(found.get("purity_labels")),
            "judgement": judge.purity_of_labels(found.get("purity_labels")),
        },
    ]
    if found.get("purity_domains") is not None:
        rows.append(
            {
                "name": "Purity, sources",
                "meaning": "share of samples that belong to their cluster's commonest source; "
                "sources are used to report, never to search",
                "value": percent(found.get("purity_domains")),
                "judgement": judge.purity_of_domains(found.get("purity_domains")),
            }
        )
    return rows


def _confusion(found: dict[str, Any]) -> dict[str, Any] | None:
    table = found.get("confusion") or []
    if len(table) < 2:
        return None
    return {
        "columns": [f"cluster {place + 1}" for place in range(len(table))],
        "rows": [
            {"name": f"Cluster {place + 1}", "cells": [heat(value) for value in row]}
            for place, row in enumerate(table)
        ],
    }


def heat(value: Any) -> dict[str, Any]:
    """Return a cell of a heat map: its text and how deeply it is shaded, 0 .. 1."""
    share = min(1.0, max(0.0, float(value or 0.0)))
    return {"text": percent(share, 0), "depth": f"{share:.2f}", "deep": share > 0.55}
