"""The benchmarks of further inputs, proxies and lower fidelities: small runs, one-line errors."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import pytest
from benchmarks import fidelity, proxies

from moesaic.errors import InputError
from moesaic.seeds import generator
from moesaic.spaces import get_space


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    space = get_space("nasbench201")
    path = tmp_path_factory.mktemp("table") / "cells.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", "cellstr", "val"])
        for number, cell in enumerate(fidelity.draw_cells(space, 90, 5)):
            # the more convolutions, the better
            good = space.describe(cell).count("conv")
            noise = generator(0, "noise", number).normal()
            writer.writerow([number, space.describe(cell), 40 + 8 * good + noise])
    return str(path)


def proxies_words(table: str, **changed: object) -> argparse.Namespace:
    words = {
        "table": table,
        "clusters": "val",
        "data": "digits",
        "proxies": "parameters,naswot",
        "cells": 78,
        "image_size": 8,
        "batch": 8,
        "draws": 2,
        "seed": 0,
    }
    return argparse.Namespace(**{**words, **changed})


@pytest.mark.slow
def test_proxies_are_measured_and_compared(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = proxies.run(proxies_words(table))
    assert found["cells"] == 78
    assert set(found["alone"]) == {"parameters", "naswot"}
    # more convolutions are more parameters, and better here by construction
    assert found["alone"]["parameters"] > 0.3
    assert set(found["kendall"]) == {"25"}
    row = found["kendall"]["25"]
    assert row["gain"]["mean"] == pytest.approx(row["with"]["mean"] - row["without"]["mean"])
    assert -1 <= row["without"]["low"] <= row["without"]["mean"] <= row["without"]["high"]
    proxies.show(found)
    assert "naswot" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"proxies": "nasw"}, "naswot"),
        ({"data": "digits,digits"}, "one each"),
        ({"draws": 1}, "--draws"),
        ({"cells": 10}, "--cells"),
        ({"clusters": "test"}, "no column"),
    ],
)
def test_bad_words_are_one_line(table: str, changed: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        proxies.run(proxies_words(table, **changed))


def fidelity_words(**changed: object) -> argparse.Namespace:
    words = {
        "data": "digits",
        "image_size": None,
        "cells": 30,
        "early": 1,
        "epochs": 2,
        "draws": 2,
        "seed": 0,
    }
    return argparse.Namespace(**{**words, **changed})


@pytest.mark.slow
def test_an_early_loss_tells_of_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    found = fidelity.run(fidelity_words())
    assert found["cells"] == 30
    row = found["kendall"]["10"]
    assert row["early loss alone"]["mean"] > 0.2
    assert np.isfinite([part["mean"] for part in row.values()]).all()
    fidelity.show(found)
    assert "10 cells learned from" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"early": 2}, "--early"),
        ({"draws": 1}, "--draws"),
        ({"cells": 20}, "--cells"),
        ({"data": "toy"}, "no images"),
        ({"data": str(Path("nowhere.npz"))}, "nowhere"),
    ],
)
def test_bad_words_of_fidelity_are_one_line(changed: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fidelity.run(fidelity_words(**changed))
