"""Pruning, canonical form and path counts against networkx and brute force."""

import itertools
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.spaces._graph import canonical_form, leaves, live_edges, longest_distance, path_counts

OPS = ("none", "a", "b", "skip_connect")


@st.composite
def cells(draw, max_vertices=6):
    """Encodings (edges, output): an operation an edge, or a free multigraph with leaves."""
    n = draw(st.integers(2, max_vertices))
    ops = st.sampled_from(OPS[: draw(st.integers(2, len(OPS)))])
    pairs = list(itertools.combinations(range(n), 2))
    if draw(st.booleans()):
        return [(i, j, draw(ops)) for i, j in pairs], n - 1
    edges = [(draw(st.integers(0, j - 1)), j, draw(ops)) for j in range(1, n) for _ in range(2)]
    return edges, None


def to_networkx(edges):
    graph = nx.MultiDiGraph()
    if not edges:
        return graph
    ends = set(leaves(edges))
    for vertex in {v for i, j, _ in edges for v in (i, j)}:
        graph.add_node(vertex, role=(vertex == 0, vertex in ends))
    for i, j, op in edges:
        graph.add_edge(i, j, op=op)
    return graph


def isomorphic(first, second):
    """networkx' answer; parallel edges match as multisets of operations."""
    return nx.is_isomorphic(
        to_networkx(first),
        to_networkx(second),
        node_match=lambda a, b: a["role"] == b["role"],
        edge_match=lambda a, b: (
            Counter(e["op"] for e in a.values()) == Counter(e["op"] for e in b.values())
        ),
    )


def renamed(edges, rng):
    """The same cell with its intermediate vertices renamed in another topological order."""
    graph = to_networkx(edges)
    order, ready = [], [0]
    degree = dict(graph.in_degree())
    while ready:
        vertex = ready.pop(int(rng.integers(len(ready))))
        order.append(vertex)
        for _, j in graph.out_edges(vertex):
            degree[j] -= 1
            if degree[j] == 0:
                ready.append(j)
    label = {vertex: new for new, vertex in enumerate(order)}
    moved = [(label[i], label[j], op) for i, j, op in edges]
    return tuple(moved[k] for k in rng.permutation(len(moved)))


@given(cells())
def test_live_edges_are_those_on_a_path_from_input_to_output(cell):
    edges, output = cell
    graph = nx.MultiDiGraph((i, j) for i, j, op in edges if op != "none")
    graph.add_nodes_from([0, output or 0])
    live = live_edges(edges, output)
    expected = [
        (i, j, op)
        for i, j, op in edges
        if op != "none"
        and nx.has_path(graph, 0, i)
        and (output is None or nx.has_path(graph, j, output))
    ]
    assert sorted(live) == sorted(expected)
    assert live == live_edges(live, output)
    if live and output is not None:
        assert leaves(live) == (output,)


@settings(max_examples=300)
@given(cells(), cells())
def test_canonical_forms_are_equal_exactly_when_networkx_says_isomorphic(first, second):
    a, b = live_edges(*first), live_edges(*second)
    assert (canonical_form(a) == canonical_form(b)) == isomorphic(a, b)


@settings(max_examples=200)
@given(cells(), st.integers(0, 2**32 - 1))
def test_renamed_cells_have_the_same_canonical_form(cell, seed):
    edges = live_edges(*cell)
    if edges:
        other = renamed(edges, np.random.default_rng(seed))
        assert isomorphic(edges, other)
        assert canonical_form(tuple(sorted(other))) == canonical_form(edges)


@given(cells(), st.data())
def test_changing_one_operation_changes_the_form_unless_isomorphic(cell, data):
    """Near misses: pairs that differ little are where a weak invariant would fail."""
    edges = live_edges(*cell)
    if edges:
        k = data.draw(st.integers(0, len(edges) - 1))
        i, j, op = edges[k]
        swapped = tuple(sorted((*edges[:k], (i, j, "a" if op == "b" else "b"), *edges[k + 1 :])))
        same = canonical_form(swapped) == canonical_form(edges)
        assert same == isomorphic(swapped, edges)


@given(cells())
def test_the_canonical_form_is_an_isomorphic_cell_with_ordered_vertices(cell):
    edges = live_edges(*cell)
    form = canonical_form(edges)
    assert isomorphic(edges, form)
    assert canonical_form(form) == form
    assert all(0 <= i < j for i, j, _ in form)
    assert {v for i, j, _ in form for v in (i, j)} == set(range(len(longest_distance(form)))) or (
        not form
    )


def test_all_small_cells_have_as_many_forms_as_networkx_finds_classes():
    pairs = list(itertools.combinations(range(4), 2))
    distinct = {
        live_edges([(i, j, op) for (i, j), op in zip(pairs, ops, strict=True)], 3)
        for ops in itertools.product(("none", "a", "b"), repeat=len(pairs))
    }
    classes: dict = {}
    for edges in distinct:
        group = classes.setdefault(tuple(sorted(op for *_, op in edges)), [])
        if not any(isomorphic(edges, other) for other in group):
            group.append(edges)
    assert len({canonical_form(edges) for edges in distinct}) == sum(map(len, classes.values()))


@given(cells())
def test_path_counts_agree_with_enumerated_paths(cell):
    edges = live_edges(*cell)
    graph = nx.MultiDiGraph()
    graph.add_edges_from((i, j, {"op": op}) for i, j, op in edges)
    expected = Counter(
        tuple(graph.edges[edge]["op"] for edge in path)
        for leaf in leaves(edges)
        for path in nx.all_simple_edge_paths(graph, 0, leaf)
    )
    assert path_counts(edges) == expected
    if edges:
        longest = nx.dag_longest_path_length(nx.DiGraph(graph))
        assert max(longest_distance(edges).values()) == longest == max(map(len, expected))


@pytest.mark.parametrize("vertices", [7, 8])
def test_many_interchangeable_vertices_are_still_one_form(vertices):
    edges = tuple((0, j, "a") for j in range(1, vertices))
    assert canonical_form(edges) == edges
