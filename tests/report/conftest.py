"""The run that most tests of the report read."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_reader import Page
from report_helpers import FakeRun, make_dataset

from moesaic.report import write_report


@pytest.fixture
def fake_run(tmp_path: Path) -> FakeRun:
    """Return a run on colour images of two domains, everything measured."""
    return FakeRun(tmp_path / "a run & <more>", make_dataset(), repeats=3)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    """Return a run whose report is written; tests only read it."""
    run = FakeRun(tmp_path_factory.mktemp("report") / "a run & <more>", make_dataset(), repeats=3)
    write_report(run.write())
    return run


@pytest.fixture(scope="session")
def page(finished: FakeRun) -> Page:
    """Return the page of `finished`."""
    return Page(finished.text)
