"""How an expert came to be, in words."""

from __future__ import annotations

import pytest

from moesaic.report._experts import _chosen_as


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"specialised": False, "continued": True}, "generalist"),
        (
            {"specialised": True},
            "continued on its clusters",
        ),  # results from before there were sizes
        ({"specialised": True, "continued": True}, "continued on its clusters"),
        ({"specialised": True, "continued": False}, "at several sizes"),
    ],
)
def test_the_report_says_how_an_expert_was_trained(told: dict[str, bool], words: str) -> None:
    assert words in _chosen_as(told)
