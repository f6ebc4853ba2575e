"""What the page of a campaign is made from, read once from its directory; it judges nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from moesaic.report._format import number
from moesaic.runs import RunFolder, open_folder, read_result

_LONGEST_NAME = 28


@dataclass(frozen=True)
class Planned:
    """A mixture that was planned.

    Attributes:
        index: its place in the plan, from 0.
        families: their names.
        status: `planned` (not begun), `done`, `failed` or `lost`.
        accuracy: on the validation split; None unless done.
        quick: the same after the quick rung; None where there was none.
        full: whether it was trained for all epochs.
        cause: why it failed, "" where it did not.
        message: the same in words.
        retries: how often it was tried again.
    """

    index: int
    families: tuple[str, ...]
    status: str
    accuracy: float | None
    quick: float | None
    full: bool
    cause: str
    message: str
    retries: int

    @property
    def begun(self) -> bool:
        """Whether it was launched, or refused."""
        return self.status != "planned"


@dataclass(frozen=True)
class CampaignMaterial:
    """A finished campaign; what its result does not hold is empty.

    Attributes:
        folder: the run's directory.
        result: what result.json holds.
        planned: every mixture that was planned, in the order of the plan.
        pool: names of the families.
    """

    folder: RunFolder
    result: dict[str, Any]
    planned: tuple[Planned, ...]
    pool: tuple[str, ...]

    @cached_property
    def config(self) -> dict[str, Any]:
        """The settings."""
        return mapping(self.result.get("config"))

    @cached_property
    def experts(self) -> int:
        """K, the families in a mixture."""
        given = number(self.config.get("experts"))
        return int(given) if given else max((len(p.families) for p in self.planned), default=0)

    @cached_property
    def done(self) -> tuple[Planned, ...]:
        """Every mixture that has an accuracy."""
        return tuple(p for p in self.planned if p.status == "done" and p.accuracy is not None)

    @cached_property
    def has_quick_rung(self) -> bool:
        """Whether mixtures went through a quick first rung."""
        return any(p.quick is not None for p in self.planned)


def read_campaign(path: Path) -> CampaignMaterial:
    """Read a finished campaign.

    Raises:
        InputError: there is no run in `path`, or it is not finished.
    """
    folder = open_folder(path)
    result = read_result(folder)
    planned = tuple(_planned(row) for row in records(result.get("candidates")))
    named = [str(name) for name in result.get("pool") or []]
    met = [name for mixture in planned for name in mixture.families]
    return CampaignMaterial(
        folder=folder,
        result=result,
        planned=tuple(sorted(planned, key=lambda mixture: mixture.index)),
        pool=tuple(dict.fromkeys([*named, *met])),
    )


def _planned(row: dict[str, Any]) -> Planned:
    return Planned(
        index=int(number(row.get("index")) or 0),
        families=tuple(str(name) for name in row.get("families") or []),
        status=str(row.get("status", "planned")),
        accuracy=number(row.get("accuracy")),
        quick=number(row.get("quick")),
        full=bool(row.get("full", True)),
        cause=str(row.get("cause") or ""),
        message=str(row.get("message") or ""),
        retries=int(number(row.get("retries")) or 0),
    )


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapping, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def records(value: Any) -> list[dict[str, Any]]:
    """Return the mappings in a list, none for anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def joined(families: tuple[str, ...] | list[str]) -> str:
    """Write a mixture as a person does."""
    return " + ".join(str(name) for name in families)


def short(name: str) -> str:
    """Return a name that fits a drawing."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def plural(count: int, one: str, many: str) -> str:
    """Choose the word that goes with a count."""
    return one if count == 1 else many


def first_line(message: str, most: int = 200) -> str:
    """Return the first line of a message that says something, shortened."""
    line = next((part.strip() for part in message.splitlines() if part.strip()), "")
    return line if len(line) <= most else f"{line[: most - 1]}…"


def group_counts(keys: Callable[[Planned], str], planned: list[Planned]) -> dict[str, int]:
    """Count mixtures by a key, commonest first, equal ones by name."""
    counts: dict[str, int] = {}
    for mixture in planned:
        counts[keys(mixture)] = counts.get(keys(mixture), 0) + 1
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
