"""Finished campaigns made without training, in the shape of their result.json; no tests here."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from page_reader import Page

from moesaic.config import make_campaign_config
from moesaic.report import write_report

POOL = ("AirNet", "BagNet", "DPN", "IGCV3", "RegNet", "ResNeSt", "ShuffleNet", "SqueezeNext")
WORST = "DPN"
LOST, NOT_BEGUN = 8, 11
CAUSES = ("out_of_memory", "time_limit", "diverged", "worker_died")


class FakeCampaign:
    """Writes the directory of a finished campaign; `result` may be changed before `write`.

    Args:
        folder: of the run.
        pool: names of the families.
        planned: how many mixtures were planned.
        quick: whether there was a quick rung, from which a part was promoted.
        baselines: whether families were trained alone.
        fitted: whether effects of families were fitted.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pool: tuple[str, ...] = POOL,
        planned: int = 12,
        quick: bool = False,
        baselines: bool = True,
        fitted: bool = False,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.pool = pool
        self.rng = np.random.default_rng(7)
        self.worth = dict(zip(pool, self.rng.normal(0, 0.02, len(pool)), strict=True))
        settings = {"data": "mosaic", "pool": ",".join(pool), "candidates": planned, **settings}
        if quick:
            settings |= {"epochs": 6, "quick_epochs": 2}
        if not baselines:
            settings["baselines"] = False
        self.config = make_campaign_config(settings)
        self.candidates = self._candidates(planned, quick)
        self.result = self._result(quick, baselines, fitted)

    def write(self) -> Path:
        """Write config.yaml and result.json and return the run's directory."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump({"kind": "campaign", **self.config.to_dict()}, sort_keys=False)
        (self.folder / "config.yaml").write_text(text)
        (self.folder / "result.json").write_text(json.dumps(self.result))
        return self.folder

    @property
    def page(self) -> Page:
        """The page, written anew."""
        return Page(write_report(self.write()).read_text(encoding="utf-8"))

    def _candidates(self, planned: int, quick: bool) -> list[dict[str, Any]]:
        every = list(combinations(self.pool, self.config.experts))
        chosen = self.rng.permutation(len(every))[:planned]
        found = [self._candidate(place, every[which]) for place, which in enumerate(chosen)]
        if quick:
            done = [row for row in found if row["status"] == "done"]
            for row in found:
                row["full"] = False
                if row["status"] == "done":
                    row["quick"] = row["accuracy"]
            for row in sorted(done, key=lambda row: -row["accuracy"])[: len(done) // 2]:
                row["full"] = True
                row["accuracy"] += 0.1 + float(self.rng.normal(0, 0.01))
        return found

    def _candidate(self, place: int, families: tuple[str, ...]) -> dict[str, Any]:
        row = {
            "index": place,
            "families": list(families),
            "status": "done",
            "accuracy": 0.62 + sum(self.worth[name] for name in families),
            "quick": None,
            "full": True,
            "cause": None,
            "message": "",
            "trial": f"{place:016x}",
            "retries": 0,
        }
        row["accuracy"] += float(self.rng.normal(0, 0.01))
        if place == LOST:
            row |= {"status": "lost", "accuracy": None}
        elif place == NOT_BEGUN:
            row |= {"status": "planned", "accuracy": None}
        elif (WORST in families and place % 2) or place % 9 == 4:
            cause = CAUSES[place % len(CAUSES)]
            row |= {"status": "failed", "accuracy": None, "cause": cause, "message": told(cause)}
            row["retries"] = 2 if cause == "out_of_memory" else 0
        return row

    def _result(self, quick: bool, baselines: bool, fitted: bool) -> dict[str, Any]:
        states = Counter(row["status"] for row in self.candidates)
        causes = Counter(row["cause"] for row in self.candidates if row["cause"])
        table = self._table(baselines)
        result = {
            "run": str(self.folder),
            "kind": "campaign",
            "status": "done",
            "verdict": self._verdict(table, baselines),
            "trials": {
                "planned": len(self.candidates),
                "done": states["done"],
                "failed": dict(sorted(causes.items())),
                "lost": states["lost"],
                "not_begun": states["planned"],
                "retried": sum(row["retries"] > 0 for row in self.candidates),
            },
            "coverage": {"candidates": states["done"]},
            "coverage_planned": {"candidates": len(self.candidates)},
            "best": self._best(),
            "table": table,
            "model": {"variant": "mixture", "trial": self.ranked[0]["trial"]},
            "test_accuracy": table["mixture"]["test_accuracy"],
            "singles": self._singles() if baselines else [],
            "rungs": self._rungs() if quick else None,
            "pool": list(self.pool),
            "candidates": self.candidates,
            "families": self._families(),
            "structure": {"clusters": 3},
            "forecast": {"memory": 1.12, "seconds": 0.87},
            "data": {
                "name": "mosaic",
                "input_shape": [3, 16, 16],
                "samples": {"train": 4000, "validation": 1000, "test": 1000},
                "classes": {str(place): place for place in range(20)},
                "domains": {"digits": 0, "textures": 1},
                "fingerprint": "feedc0de",
            },
            "versions": {"python": "3.11.2", "moesaic": "0.1.0", "torch": "2.13.0"},
            "config": {"kind": "campaign", **self.config.to_dict()},
            "cost": {"trainings": 21, "training_seconds": 7384.2, "peak_memory": 812_000_000},
            "seconds": 3901.0,
        }
        return result | ({"yield": self._yield()} if fitted else {})

    @property
    def ranked(self) -> list[dict[str, Any]]:
        """Finished candidates, best first."""
        done = [row for row in self.candidates if row["status"] == "done"]
        full = [row for row in done if row["full"]] or done
        return sorted(full, key=lambda row: -row["accuracy"])

    def _table(self, baselines: bool) -> dict[str, Any]:
        names = ("mixture", "mixture_2", "mixture_3")
        best = self.ranked[0]["accuracy"]
        rows = {
            name: self._row(row["families"], row["accuracy"], best, 12.0)
            for name, row in zip(names, self.ranked, strict=False)
        }
        if baselines:
            four = self.ranked[0]["families"]
            rows["ensemble"] = self._row(four, best + 0.012, best, 12.0)
            rows["single"] = self._row(four[:1], best - 0.09, best, 3.0)
            rows["single_long"] = self._row(four[:1], best - 0.045, best, 12.0)
        return rows

    def _row(
        self, families: list[str], accuracy: float, best: float, passes: float
    ) -> dict[str, Any]:
        ahead = best - accuracy
        return {
            "families": families,
            "members": ["0" * 16],
            "validation_accuracy": accuracy,
            "test_accuracy": accuracy - 0.01,
            "macs_active": 2_400_000 * len(families),
            "parameters": 310_000 * len(families),
            "training_passes": passes,
            "training_seconds": 210.0,
            "mixture_ahead": {"mean": ahead, "low": ahead - 0.02, "high": ahead + 0.02},
        }

    def _verdict(self, table: dict[str, Any], baselines: bool) -> dict[str, Any]:
        families = " + ".join(table["mixture"]["families"])
        if not baselines:
            return {
                "worth": None,
                "handed_over": "mixture",
                "sentence": f"Best mixture: {families}; nothing was trained beside it.",
            }
        return {
            "worth": True,
            "handed_over": "mixture",
            "single": "single_long",
            "gain_test": table["single_long"]["mixture_ahead"],
            "sentence": f"A mixture of families is worth it on this data: {families}, +4.5 points "
            f"(95 % interval +2.5 to +6.5) against {table['single']['families'][0]} alone.",
        }

    def _best(self) -> list[dict[str, Any]]:
        rows = [
            {
                "families": row["families"],
                "accuracy": row["accuracy"],
                "test_accuracy": row["accuracy"] - 0.01 if place < 3 else None,
                "macs_active": 9_600_000,
                "parameters": 1_240_000,
                "seconds": 210.0 + place,
                "router": None,
                "trial": row["trial"],
            }
            for place, row in enumerate(self.ranked[:10])
        ]
        rows[0]["router"] = {
            "utilisation": [0.452, 0.35, 0.195, 0.003],
            "dead": [3],
            "dead_below": 0.01,
            "effective": 2.84,
            "entropy": 0.412,
            "table": [[0.9, 0.05, 0.05, 0.0], None, [0.1, 0.3, 0.6, 0.0]],
        }
        return rows

    def _singles(self) -> list[dict[str, Any]]:
        return [
            {
                "family": name,
                "accuracy": 0.5 + 2 * self.worth[name],
                "macs": 2_400_000,
                "parameters": 310_000,
                "seconds": 60.0,
                "peak_memory": 100_000_000,
            }
            for name in self.pool
        ]

    def _rungs(self) -> dict[str, Any]:
        full = [row for row in self.candidates if row["full"] and row["status"] == "done"]
        return {"promoted": len(full), "spearman": 0.71}

    def _families(self) -> list[dict[str, Any]]:
        rows = []
        for place, name in enumerate(self.pool):
            within = [row for row in self.candidates if name in row["families"]]
            scores = [row["accuracy"] for row in within if row["status"] == "done"]
            rows.append(
                {
                    "name": name,
                    "macs": 400_000 * (place + 1) ** 2,
                    "parameters": 90_000 * (place + 2),
                    "probe": "out_of_memory" if name == WORST else "done",
                    "candidates": len(within),
                    "done": len(scores),
                    "mean_accuracy": float(np.mean(scores)) if scores else None,
                }
            )
        return rows

    def _yield(self) -> dict[str, Any]:
        effects = [
            {"name": name, "mean": worth, "low": worth - 0.012, "high": worth + 0.012, "n": 5}
            for name, worth in self.worth.items()
        ]
        best, worst = (
            max(self.worth, key=self.worth.__getitem__),
            min(self.worth, key=self.worth.__getitem__),
        )
        return {"effects": effects, "keep": [best], "drop": [worst]}


def told(cause: str) -> str:
    """Return the message of a failure, longer than a line."""
    return f"{cause.replace('_', ' ')}: the trial was stopped\nsecond line: nobody needs it here"
