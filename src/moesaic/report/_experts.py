"""The section on the experts: their cells, costs and examples, and which cluster goes where."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moesaic.report import _theme as theme
from moesaic.report._cell import draw_cell, read_edges, style_of
from moesaic.report._examples import example_images, feature_table
from moesaic.report._format import amount, listed, percent
from moesaic.report._material import Material
from moesaic.report._structure import heat


def build_experts(material: Material) -> dict[str, Any]:
    """Return what the template of this section reads."""
    selection = material.result.get("selection") or {}
    single = selection.get("single") or None
    dataset = material.dataset
    return {
        "experts": [_expert(material, place, told) for place, told in enumerate(material.experts)],
        "different": selection.get("different"),
        "proven": bool(selection.get("proven_optimal")),
        "single": None if single is None else _network(single),
        "operations": _operations(material.experts, single),
        "images": dataset is not None and dataset.is_images,
        "vectors": dataset is not None and not dataset.is_images,
        "routing": _routing(material),
        "agreement": _agreement(material),
    }


def _network(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "cell": draw_cell(read_edges(told.get("graph") or [])),
        "text": str(told.get("text", "")),
        "widths": ", ".join(str(width) for width in told.get("widths") or []),
    }


def _expert(material: Material, place: int, told: dict[str, Any]) -> dict[str, Any]:
    clusters = [int(cluster) for cluster in told.get("clusters") or []]
    dataset, served = material.dataset, _served(material, clusters)
    seed = material.config.seed
    images = (
        example_images(dataset, served, seed, place)
        if dataset is not None and dataset.is_images
        else []
    )
    features = (
        feature_table(dataset, served) if dataset is not None and not dataset.is_images else []
    )
    shares = material.shares
    usage = (material.result.get("routing") or {}).get("usage") or []
    return {
        **_network(told),
        "name": f"Expert {place + 1}",
        "glyph": theme.glyph(place),
        "colour": theme.css_colour(place),
        "macs": amount(told.get("macs")),
        "parameters": amount(told.get("parameters")),
        "clusters": listed([str(cluster + 1) for cluster in clusters]) or "none",
        "several": len(clusters) != 1,
        "share": percent(sum(float(shares[c]) for c in clusters if c < len(shares)), 0),
        "usage": percent(usage[place], 0) if place < len(usage) else None,
        "chosen_as": _chosen_as(told),
        "images": images,
        "features": features,
    }


def _chosen_as(told: dict[str, Any]) -> str:
    if not told.get("specialised"):
        return "a generalist, trained on all data"
    if told.get("continued", True):
        return "a specialist, continued on its clusters"
    return "a specialist, trained on its clusters at several sizes"


def _served(material: Material, clusters: list[int]) -> NDArray[np.int64]:
    """Return the places (n,) of the validation samples in these clusters."""
    if material.clusters is None:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.isin(material.clusters, clusters)).astype(np.int64)


def _operations(experts: list[dict[str, Any]], single: dict[str, Any] | None) -> list[Any]:
    names = {
        operation
        for told in (*experts, *([single] if single else []))
        for _, _, operation in read_edges(told.get("graph") or [])
    }
    return [style_of(name) for name in sorted(names)]


def _routing(material: Material) -> dict[str, Any] | None:
    """Return the matrix cluster x expert: what the gate did, or what it was told to do."""
    plan, experts = material.routing, len(material.experts)
    if not plan or not experts:
        return None
    table = np.zeros((len(plan), experts))
    measured = material.gate is not None and material.clusters is not None
    if material.gate is not None and material.clusters is not None:
        np.add.at(table, (material.clusters, material.gate), 1.0)
    else:
        table[np.arange(len(plan)), plan] = 1.0
    table /= np.maximum(table.sum(axis=1, keepdims=True), 1.0)
    shares = material.shares
    return {
        "measured": measured,
        "copies": (material.result.get("verdict") or {}).get("mixture") == "homogeneous",
        "columns": [f"expert {place + 1}" for place in range(experts)],
        "rows": [
            {
                "name": f"Cluster {place + 1}",
                "share": percent(shares[place], 0) if place < len(shares) else "",
                "width": f"{100 * shares[place]:.0f}" if place < len(shares) else "0",
                "cells": [
                    {**heat(value), "planned": plan[place] == expert}
                    for expert, value in enumerate(row)
                ],
            }
            for place, row in enumerate(table)
        ],
        "totals": [heat(value) for value in shares[: len(plan)] @ table[: len(shares)]],
    }


def _agreement(material: Material) -> dict[str, Any]:
    told = material.result.get("routing") or {}
    return {
        "domains": percent(told.get("agreement_domains"))
        if told.get("agreement_domains") is not None
        else None,
        "top": percent(told.get("accuracy_top")),
        "everything": percent(told.get("accuracy_all_experts"))
        if told.get("accuracy_all_experts") is not None
        else None,
        "gate_macs": amount(told.get("gate_macs")) if told.get("gate_macs") is not None else None,
    }
