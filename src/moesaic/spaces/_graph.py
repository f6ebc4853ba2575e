"""Cells as labelled multigraphs: pruning, canonical form, paths; it knows nothing of tensors.

A cell is a tuple of live edges (i, j, operation), several between the same two vertices
allowed. Vertex 0 is the input; the output is the sum of the leaves, the vertices nothing live
leaves from. A cell whose output is one given vertex is the same thing after pruning: that
vertex is then its only leaf.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

Edge = tuple[int, int, str]
Edges = tuple[Edge, ...]
NONE = "none"


def live_edges(edges: Iterable[Edge], output: int | None) -> Edges:
    """Return the edges on a live path from vertex 0 to the output, sorted.

    Args:
        edges: (i, j, operation) with i < j; operation "none" carries nothing.
        output: the output vertex, or None when the output is the sum of the leaves.
    """
    real = sorted(edge for edge in edges if edge[2] != NONE)
    reached = {0}
    for i, j, _ in real:  # sorted by source, and i < j: sources are settled before they are used
        if i in reached:
            reached.add(j)
    forward = [edge for edge in real if edge[0] in reached]
    if output is None:
        return tuple(forward)
    useful = {output}
    for i, j, _ in sorted(forward, key=lambda edge: -edge[1]):
        if j in useful:
            useful.add(i)
    return tuple(edge for edge in forward if edge[1] in useful)


def leaves(edges: Edges) -> tuple[int, ...]:
    """Return the vertices that no live edge leaves from, ascending."""
    sources = {i for i, _, _ in edges}
    return tuple(sorted({j for _, j, _ in edges} - sources))


@lru_cache(maxsize=1 << 16)
def canonical_form(edges: Edges) -> Edges:
    """Relabel live edges so that isomorphic cells, and only those, give equal tuples.

    Vertices are ordered by longest distance from the input, then by colour refinement
    (Weisfeiler and Leman), then by whichever permutation inside equal colours gives the
    smallest tuple. The result keeps i < j, so it is itself a cell with vertices 0 .. n - 1.

    Args:
        edges: live edges, as `live_edges` returns them.
    """
    colour = _refine(edges)
    classes: dict[int, list[int]] = defaultdict(list)
    for vertex, value in colour.items():
        classes[value].append(vertex)
    # Vertices of one colour are equally far from the input, hence never joined by an edge:
    # any order inside a colour keeps i < j.
    ordered = [classes[value] for value in sorted(classes)]
    best: Edges | None = None
    for choice in itertools.product(*(itertools.permutations(group) for group in ordered)):
        label = {vertex: new for new, vertex in enumerate(itertools.chain(*choice))}
        candidate = tuple(sorted((label[i], label[j], op) for i, j, op in edges))
        if best is None or candidate < best:
            best = candidate
    return best if best is not None else ()


def _refine(edges: Edges) -> dict[int, int]:
    """Return each vertex's colour: an isomorphism-invariant rank that respects i < j."""
    distance = longest_distance(edges)
    ends = set(leaves(edges))
    colour = _rank({v: (d, v in ends) for v, d in distance.items()})
    while True:
        around: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
        for i, j, op in edges:
            around[i].append((1, op, colour[j]))
            around[j].append((0, op, colour[i]))
        finer = _rank({v: (colour[v], tuple(sorted(around[v]))) for v in colour})
        if len(set(finer.values())) == len(set(colour.values())):
            return finer
        colour = finer


def _rank(signatures: dict[int, tuple[Any, ...]]) -> dict[int, int]:
    order = {value: rank for rank, value in enumerate(sorted(set(signatures.values())))}
    return {vertex: order[value] for vertex, value in signatures.items()}


def longest_distance(edges: Edges) -> dict[int, int]:
    """Return for every live vertex the number of edges of the longest path from the input."""
    distance = {0: 0}
    for i, j, _ in sorted(edges):
        distance[j] = max(distance.get(j, 0), distance[i] + 1)
    return distance


@lru_cache(maxsize=1 << 14)
def path_counts(edges: Edges) -> dict[tuple[str, ...], int]:
    """Count the live paths from the input to the output by the operations along them.

    Args:
        edges: live edges, as `live_edges` or `canonical_form` returns them.
    """
    to: dict[int, Counter[tuple[str, ...]]] = defaultdict(Counter)
    to[0][()] = 1
    for i, j, op in sorted(edges):
        for sequence, count in to[i].items():
            to[j][(*sequence, op)] += count
    total: Counter[tuple[str, ...]] = Counter()
    for leaf in leaves(edges):
        total.update(to[leaf])
    return dict(total)
