"""Small finished run directories made without training; no tests here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from page_reader import Page

from moesaic.bank import Bank, Observation, Trial, save_checkpoint, save_predictions
from moesaic.config import make_config
from moesaic.data import Dataset, Split, describe_dataset, save_dataset
from moesaic.mixture import build_network
from moesaic.report import write_report
from moesaic.spaces import Architecture, SearchSpace, get_space

CLASSES = ("zero", "<script>alert('class')</script>", 'a "quoted" & $odd$ name', "three")


def make_dataset(*, vectors: bool = False, domains: bool = True, samples: int = 60) -> Dataset:
    """Return a little data set of two clusters, which are its domains."""
    rng = np.random.default_rng(3)

    def split(count: int) -> Split:
        domain = np.arange(count) % 2
        labels = (2 * domain + (np.arange(count) // 2) % 2).astype(np.int64)
        if vectors:
            inputs = torch.from_numpy(rng.normal(size=(count, 5)).astype(np.float32))
            inputs[:, 0] += torch.from_numpy(4.0 * domain).float()
        else:
            pixels = rng.integers(0, 100, (count, 3, 8, 8)) + 150 * domain[:, None, None, None]
            inputs = torch.from_numpy(pixels.astype(np.uint8))
        known = torch.from_numpy(domain) if domains else None
        return Split(inputs, torch.from_numpy(labels), known)

    return Dataset(
        name="toy+<b>bold</b>",
        train=split(2 * samples),
        validation=split(samples),
        test=split(samples),
        classes=CLASSES,
        domain_names=("left", "right") if domains else None,
    )


class FakeRun:
    """Writes a finished run directory; `result` may be changed before `write`."""

    def __init__(self, folder: Path, dataset: Dataset, **settings: Any) -> None:
        self.folder = folder
        self.dataset = dataset
        self.config = make_config({"data": "toy", "trials": 8, "rungs": (1, 3), **settings})
        self.space: SearchSpace = get_space("nasbench201", widths=(2, 4))
        rng = np.random.default_rng(0)
        self.architectures = [self.space.sample(rng) for _ in range(8)]
        folder.mkdir(parents=True)
        text = yaml.safe_dump(self.config.to_dict(), sort_keys=False)
        (folder / "config.yaml").write_text(text)
        save_dataset(dataset, folder / "data")
        self._structure()
        self.mixture = self._fill_bank()
        self.result = self._result()

    def write(self) -> Path:
        """Write result.json and return the run's directory."""
        (self.folder / "result.json").write_text(json.dumps(self.result))
        return self.folder

    @property
    def text(self) -> str:
        """The page that was written last."""
        return (self.folder / "report.html").read_text(encoding="utf-8")

    def _structure(self) -> None:
        place = self.folder / "structure"
        place.mkdir()
        count = len(self.dataset.validation)
        clusters = np.arange(count) % 2
        rng = np.random.default_rng(1)
        points = rng.normal(size=(count, 2)) + 6.0 * clusters[:, None]
        np.savez(place / "map.npz", samples=np.arange(count), points=points, clusters=clusters)
        np.savez(place / "partition.npz", train=np.zeros(1), validation=clusters, count=2)

    def _fill_bank(self) -> Trial:
        rng = np.random.default_rng(2)
        with Bank.create(self.folder, fingerprint="feedc0de") as bank:
            for index, architecture in enumerate(self.architectures):
                trial = _trial("rung-0", index, architecture)
                self._finish(bank, trial, rng.uniform(0.5, 1.5, 2))
            for index, architecture in enumerate(self.architectures[:3]):
                trial = _trial("rung-1", index, architecture)
                self._finish(bank, trial, rng.uniform(0.3, 0.8, 2))
            for cluster, architecture in enumerate(self.architectures[:2]):
                subset = (cluster == 0, cluster == 1)
                trial = _trial("specialise-2-0", 2 * cluster, architecture, subset)
                self._finish(bank, trial, rng.uniform(0.2, 0.6, 2))
            mixture = self._mixture_trial()
            bank.plan([mixture])
            torch.manual_seed(0)
            experts = [Architecture.from_dict(one) for one in mixture.payload["experts"]]
            shape, classes = self.dataset.input_shape, len(CLASSES)
            checkpoint = None
            if self.dataset.is_images:
                weights = build_network(experts, shape, classes).state_dict()
                checkpoint = save_checkpoint(self.folder, mixture.key, weights)
            bank.finish(_observation(mixture, np.array([0.2, 0.3])), None, checkpoint)
            bank.set_meta("data", describe_dataset(self.dataset))
        return mixture

    def fail_trial(self, message: str, traceback: str) -> None:
        """Add a failed trial."""
        with Bank.open(self.folder) as bank:
            trial = _trial("rung-0", 99, self.architectures[7], None)
            bank.plan([trial])
            bank.fail(trial.key, "diverged", message, traceback)

    def _mixture_trial(self) -> Trial:
        experts = [architecture.to_dict() for architecture in self.architectures[:2]]
        payload = {"experts": experts, "routing": [0, 1], "top_k": 1}
        return Trial("mixture", "final-0-mixture", 0, seed=1, payload=payload)

    def _finish(self, bank: Bank, trial: Trial, loss: np.ndarray) -> None:
        bank.plan([trial])
        name = save_predictions(self.folder, trial.key, np.zeros((2, len(CLASSES))))
        bank.finish(_observation(trial, loss), name, None)

    def _network(self, place: int) -> dict[str, Any]:
        architecture = self.architectures[place]
        return {
            "text": self.space.describe(architecture),
            "graph": [list(edge) for edge in self.space.graph(architecture)],
            "widths": list(self.space.widths(architecture)),
        }

    def _result(self) -> dict[str, Any]:
        experts = [
            {
                **self._network(place),
                "key": self.architectures[place].key,
                "macs": 120_000 + place,
                "parameters": 4321,
                "clusters": [place],
                "specialised": True,
            }
            for place in range(2)
        ]
        gain = {"mean": 0.043, "low": 0.02, "high": 0.066}
        rng = np.random.default_rng(5)
        measured = rng.uniform(0.5, 1.5, (12, 2))
        predicted = measured + rng.normal(0, 0.1, (12, 2))
        baselines = {
            name: variant(accuracy)
            for name, accuracy in (
                ("single", 0.89),
                ("single_long", 0.9),
                ("homogeneous", 0.925),
                ("random", 0.91),
                ("ensemble", 0.905),
                ("oracle", 0.94),
            )
        }
        mixture = variant(0.933, [[self.mixture.key]])
        mixture["behind_reference"] = {"mean": 0.0, "low": 0.0, "high": 0.0}
        return {
            "run": str(self.folder),
            "status": "done",
            "verdict": {
                "worth": True,
                "handed_over": "mixture",
                "mixture": "mixture",
                "single": "single_long",
                "gain_validation": gain,
                "gain_test": gain,
                "sentence": "A mixture is worth it on this data: +4.3 points of test accuracy.",
            },
            "test_accuracy": 0.933,
            "macs_active": 130_000,
            "model": {"variant": "mixture", "repeat": 0, "test_accuracy": 0.94},
            "mixture": mixture,
            "baselines": baselines,
            "structure": {
                "sizes": [60, 60],
                "silhouette": 0.61,
                "stability": 0.97,
                "routability": 0.99,
                "purity_labels": 0.5,
                "purity_domains": 1.0,
                "clusters": 2,
                "clusters_before_merging": 3,
                "shares": [0.5, 0.5],
                "confusion": [[0.98, 0.02], [0.0, 1.0]],
            },
            "routing": {
                "agreement_domains": 0.985,
                "usage": [0.49, 0.51],
                "gate_macs": 9000,
                "accuracy_top": 0.933,
                "accuracy_all_experts": 0.935,
            },
            "value": {
                "heterogeneity": {"mean": 0.02, "low": 0.01, "high": 0.03, "unit": "nats"},
                "specialisation": {"mean": 0.01, "low": -0.01, "high": 0.03, "unit": "nats"},
                "gate": {"mean": 0.04, "low": 0.02, "high": 0.06, "unit": "accuracy"},
                "different_experts": {
                    "mean": -0.02,
                    "low": -0.03,
                    "high": -0.01,
                    "unit": "accuracy",
                },
            },
            "selection": {
                "experts": experts,
                "different": 2,
                "routing": [0, 1],
                "objective": 0.31,
                "history": [0.42, 0.31],
                "proven_optimal": True,
                "single": self._network(2),
            },
            "how_many": {
                "found": 2,
                "experts": 2,
                "most": 8,
                "least_share": 0.02,
                "epochs": 24,
                "steps": [step(1, 2, 0.12, pays=True), step(2, 3, -0.01, pays=False)],
                "groups": [0, 1],
                "ways": {
                    "3": [{"groups": [0, 1, 2], "loss": 0.9}] * 4,
                    "2": [{"groups": [0, 1, 1], "loss": 0.95}] * 2,
                },
            },
            "surrogate": {
                "model": "ridge",
                "observations": 12,
                "trusted": True,
                "reason": "held-out Spearman 0.80 from 12 architectures",
                "spearman": [0.8, None],
                "kendall": [0.6, None],
                "rmse": [0.1, 0.12],
                "coverage50": [0.5, 0.55],
                "coverage90": [0.9, 0.88],
                "measured": measured.tolist(),
                "predicted": [*predicted.tolist()[:-1], [None, None]],
                "compared": {"ridge": 0.8, "trees": 0.7},
            },
            "theory": theory(),
            "epochs": 24,
            "saturation": {"12": 0.9, "24": 0.93, "48": 0.931},
            "data": describe_dataset(self.dataset),
            "trials": {"done": 14, "failed": 0, "lost": 0, "causes": {}},
            "cost": {
                "trainings": 14,
                "training_seconds": 83.2,
                "samples": 123456,
                "peak_memory": 50_000_000,
            },
            "seconds": 65.0,
        }


def step(few: int, more: int, gain: float, *, pays: bool) -> dict[str, Any]:
    """Return what was found when more experts were compared with fewer."""
    interval = {"mean": gain, "low": gain - 0.02, "high": gain + 0.02}
    step = {"from": few, "to": more, "gain": interval, "loss": 0.9, "pays": pays}
    return {**step, "trainings": [2, 2] if pays else [4, 4]}


def theory() -> dict[str, Any]:
    """Return what a run with one guided round measured."""
    effect = {"mean": -0.12, "low": -0.2, "high": -0.04}
    none = {"mean": 0.01, "low": -0.05, "high": 0.07}
    return {
        "surrogate_error_max": 0.41,
        "surrogate_error_mean": 0.12,
        "ascent_violations": 0,
        "optimism": 0.015,
        "bound_violations": 0,
        "joint_minus_decomposed": 0.0021,
        "cluster_rank_correlation": 0.62,
        "rounds": [
            {"round": 0, "asked": 12, "predicted": 0},
            {
                "round": 1,
                "asked": 4,
                "predicted": 4,
                "before": 0.9,
                "believed": 0.71,
                "achieved": 0.85,
                "after": 0.84,
                "error_max": 0.41,
                "error_mean": 0.12,
                "error_sum": 0.41,
                "surrogate_optimism": 0.14,
                "breaks_bound": False,
            },
        ],
        "objective": [
            {"after": "round 1", "objective": 0.9},
            {"after": "round 2", "objective": 0.84},
            {"after": "specialisation 1", "objective": 0.31},
        ],
        "optimism_interval": {"mean": 0.015, "low": 0.01, "high": 0.02},
        "same_cluster_correlation": 0.88,
        "joint_minus_decomposed_trained": -0.02,
        "value_of_heterogeneity": 0.03,
        "routing_entropy": 0.69,
        "routing_entropy_gate": 0.68,
        "operations": [
            {
                "cluster": cluster,
                "preferred": preferred,
                "operations": [
                    {"operation": "nor_conv_3x3", "effect": effect, "apart": none},
                    {"operation": "skip_connect", "effect": none, "apart": effect},
                ],
            }
            for cluster, preferred in enumerate(("nor_conv_3x3", None))
        ],
    }


def variant(accuracy: float, trials: list[list[str]] | None = None) -> dict[str, Any]:
    """Return the row of a variant with three repeats."""
    behind = 0.933 - accuracy
    return {
        "test_accuracy": accuracy,
        "validation_accuracy": accuracy,
        "test_accuracies": [accuracy - 0.01, accuracy, accuracy + 0.01],
        "macs_active": 130_000,
        "parameters": 9000,
        "training_passes": 24.0,
        "training_seconds": 12.5,
        "behind_reference": {"mean": behind, "low": behind - 0.01, "high": behind + 0.01},
        "trials": trials or [["0" * 16]],
    }


def _trial(
    stage: str,
    index: int,
    architecture: Architecture,
    subset: tuple[bool, ...] | None = None,
) -> Trial:
    recipe = {"stage": stage, "index": index}
    return Trial("expert", stage, index, 1, architecture, subset, recipe)


def _observation(trial: Trial, loss: np.ndarray) -> Observation:
    return Observation(trial, loss, 1 - loss / 2, macs=1000, parameters=100, seconds=2.5)


def render(run: FakeRun) -> Page:
    """Write a run's report and read it."""
    write_report(run.write())
    return Page(run.text)
