"""Windows of a feature map: cutting, joining, and who attends to whom, against plain loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moesaic.spaces.families.native._windows import WindowAttention, Windows

CASES = {
    "one window": (4, 4, {}),
    "blocks": (8, 8, {}),
    "blocks that are not filled": (6, 5, {}),
    "shifted": (8, 8, {"shift": 2}),
    "shifted and not filled": (7, 9, {"shift": 2}),
    "shifted by one": (8, 6, {"shift": 1}),
    "grid": (8, 8, {"grid": True}),
    "grid that is not filled": (7, 6, {"grid": True}),
}


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    side=st.integers(1, 4),
    shift=st.integers(0, 3),
    grid=st.booleans(),
)
def test_joining_undoes_cutting(height, width, side, shift, grid):
    windows = Windows(height, width, side, shift=shift % side, grid=grid)
    x = torch.randn(2, height, width, 3)
    cut = windows.cut(x)
    assert cut.shape == (2, windows.groups, side * side, 3)
    assert torch.equal(windows.join(cut), x)


def test_blocks_lie_side_by_side_and_grids_spread_out():
    x = torch.arange(16.0).reshape(1, 4, 4, 1)
    assert Windows(4, 4, 2).cut(x)[0, 1, :, 0].tolist() == [2, 3, 6, 7]
    assert Windows(4, 4, 2, grid=True).cut(x)[0, 1, :, 0].tolist() == [1, 3, 9, 11]
    assert Windows(4, 4, 2, shift=1).cut(x)[0, 0, :, 0].tolist() == [5, 6, 9, 10]


def place(row, count, windows, end):
    """Return (group, place in it) of a row, the group told apart where the map was turned."""
    if windows.grid:
        return (row % count, 0), row // count
    turned = (row - windows.shift) % end
    return (turned // windows.side, int(row < windows.shift)), turned % windows.side


def by_loops(layer, x):
    """Return the attention of every pixel to those of its group, one pixel and head at a time."""
    windows = layer.windows
    (height, width), side = windows.size, windows.side
    at = {}
    for row in range(height):
        for column in range(width):
            down = place(row, windows.rows, windows, windows.rows * side)
            right = place(column, windows.columns, windows, windows.columns * side)
            at[row, column] = ((down[0], right[0]), down[1], right[1])
    heads = layer.attention.heads
    query, key, value = layer.attention.mix(x[0]).reshape(height, width, 3, heads, -1).unbind(2)
    out = torch.zeros(height, width, heads, query.shape[-1])
    for here, (group, r, c) in at.items():
        others = [other for other, (theirs, _, _) in at.items() if theirs == group]
        for head in range(heads):
            logits = [
                query[here][head] @ key[other][head] * query.shape[-1] ** -0.5
                + layer.relative[
                    (r - at[other][1] + side - 1) * (2 * side - 1) + c - at[other][2] + side - 1,
                    head,
                ]
                for other in others
            ]
            weights = torch.stack(logits).softmax(0)
            out[here][head] = sum(w * value[o][head] for w, o in zip(weights, others, strict=True))
    return layer.attention.project(out.flatten(2))


@pytest.mark.parametrize("name", CASES)
def test_pixels_attend_to_those_of_their_own_window_only(name):
    height, width, options = CASES[name]
    torch.manual_seed(0)
    layer = WindowAttention(6, 2, Windows(height, width, 4, **options))
    torch.nn.init.normal_(layer.relative)
    x = torch.randn(1, height, width, 6)
    with torch.no_grad():
        assert torch.allclose(layer(x)[0], by_loops(layer, x), atol=1e-5)
