"""The typed description of a run: every name here is a word on the command line and in a file."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from moesaic.errors import InputError, unknown_name


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return self.model_dump(mode="json")


class Recipe(_Settings):
    """How a network is trained: AdamW under a one-cycle schedule on augmented batches.

    Two trainings with the same recipe, architecture, data and seed give the same weights, bit
    for bit, on one thread.
    """

    epochs: int = Field(12, ge=1, description="passes over the training samples")
    batch_size: int = Field(128, ge=2, description="samples a step")
    lr: float = Field(4e-3, gt=0, description="peak learning rate of the one-cycle schedule")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay")
    warmup: float = Field(0.25, gt=0, lt=1, description="share of the steps spent rising")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="of the training loss only")
    clip: float = Field(5.0, gt=0, description="largest norm of the gradient")
    shift: int = Field(2, ge=0, le=16, description="random shift of images, in pixels")
    flip: bool = Field(False, description="mirror images at random")
    cutout: int = Field(0, ge=0, description="side of a square hidden at random, in pixels")

    def for_epochs(self, epochs: int) -> Recipe:
        """Return the same recipe with another number of epochs."""
        return self.model_copy(update={"epochs": epochs})


class Taught(_Settings):
    """How a mixture's gate is taught.

    In the opening epochs every expert sees every sample and the gate learns the routing; from then
    on only the chosen experts run on a sample, so an epoch costs about one network and the experts
    learn to live with the gate's mistakes.
    """

    opening: float = Field(
        0.08, ge=0, le=1, description="share of the epochs in which all experts see all samples"
    )
    weight: float = Field(1.0, ge=0, description="weight of the gate's own cross-entropy")

    def opening_epochs(self, epochs: int) -> int:
        """Return how many of `epochs` are opening ones, at least one when the share is not 0."""
        # rounded first: 0.07 * 100 is 7.000000000000001
        return math.ceil(round(self.opening * epochs, 9))


class SearchConfig(_Settings):
    """Everything that defines a search; the same values give the same result."""

    data: str = Field("mosaic", description="what to learn from: names and paths, joined by +")
    image_size: int | None = Field(None, ge=4, le=512, description="side images are brought to")
    space: str = Field("auto", description="search space; auto: nasbench201 or vector_cells")
    widths: tuple[int, ...] | None = Field(
        None, description="channels of every stage; the space's own when not given"
    )
    cells_per_stage: int = Field(1, ge=1, le=20, description="cells in every stage")
    embedder: Literal["trained", "pixels", "given"] = Field(
        "trained", description="where clusters are looked for"
    )
    clusterer: Literal["kmeans", "gaussian", "hdbscan"] = Field(
        "kmeans", description="how clusters are found"
    )
    clusters: int | None = Field(None, ge=1, description="M, the clusters; chosen when not given")
    experts: int | Literal["auto"] = Field(2, description="K, the experts, or auto")
    strategy: str = Field("joint", description="decomposed, joint, evolution or random")
    trials: int = Field(24, ge=2, description="architectures trained at the lowest rung")
    rungs: tuple[int, ...] = Field((3, 9), description="epochs of the rungs of successive halving")
    eta: int = Field(3, ge=2, description="one in eta is promoted from rung to rung")
    rounds: int = Field(2, ge=0, description="most rounds of specialisation")
    epochs: int | Literal["auto"] = Field(
        "auto", description="epochs of the final trainings; auto: until validation saturates"
    )
    most_epochs: int = Field(48, ge=1, description="most epochs that auto may choose")
    repeats: int = Field(1, ge=1, description="seeds of the final stage")
    baselines: bool = Field(True, description="train the baselines beside the mixture")
    top_k: int = Field(1, ge=1, description="experts that run on each sample")
    budget: float | None = Field(None, gt=0, description="seconds the run should take")
    trial_timeout: float | None = Field(None, gt=0, description="seconds one trial may take")
    seed: int = Field(0, ge=0, description="the run's seed")
    workers: int = Field(2, ge=1, description="worker processes")
    device: str = Field("auto", description="cpu, cuda, or auto")
    executor: str = Field("process", description="process or inprocess")
    storage: str | None = Field(None, description="database URL; SQLite in the run by default")
    recipe: Recipe = Recipe()
    taught: Taught = Taught()

    @field_validator("budget", "trial_timeout", mode="before")
    @classmethod
    def _duration(cls, value: object) -> object:
        return parse_duration(value) if isinstance(value, str) else value

    @field_validator("experts", "epochs", mode="before")
    @classmethod
    def _number_or_auto(cls, value: object) -> object:
        if isinstance(value, str) and value.isdigit():
            return int(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> SearchConfig:
        if isinstance(self.experts, int):
            if not 2 <= self.experts <= 64:
                raise ValueError(
                    f"experts is {self.experts}, expected 2 to 64 or auto: "
                    "a mixture needs two, and the best single network is always trained beside it"
                )
            if self.clusters is not None and self.experts > self.clusters:
                raise ValueError(
                    f"experts is {self.experts} but clusters is {self.clusters}: "
                    "an expert needs a cluster of its own, lower experts or raise clusters"
                )
            if self.top_k > self.experts:
                raise ValueError(f"top_k is {self.top_k}, expected at most {self.experts}, experts")
        elif self.strategy == "decomposed":
            raise ValueError(
                "experts is auto, but the strategy decomposed gives every cluster its own expert: "
                "give a number of experts, or the strategy joint"
            )
        if isinstance(self.epochs, int) and self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}, expected 1 or more, or auto")
        if self.widths is not None and (not self.widths or min(self.widths) < 1):
            raise ValueError(f"widths is {self.widths}, expected channels of 1 or more")
        if not self.rungs or list(self.rungs) != sorted(set(self.rungs)) or self.rungs[0] < 1:
            raise ValueError(f"rungs is {self.rungs}, expected rising numbers of epochs")
        return self


def parse_duration(text: str) -> float:
    """Return the seconds in a duration such as 90, 45s, 5m or 2h.

    Raises:
        ValueError: the text is not a duration.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write seconds, or a number with s, m or h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def make_config(values: dict[str, Any]) -> SearchConfig:
    """Return the configuration with these values, defaults for the rest.

    Raises:
        InputError: an unknown name or a value that does not fit, in one line.
    """
    try:
        return SearchConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(
            str(part) for part in first["loc"] if part not in ("int", "literal['auto']")
        )
        if first["type"] == "extra_forbidden":
            raise _unknown_setting(name) from None
        given = first.get("input")
        if first["type"] == "literal_error" and name in _CHOICES:
            raise unknown_name(name, str(given), _CHOICES[name]) from None
        if name in ("experts", "epochs") and first["type"] in ("int_parsing", "literal_error"):
            raise InputError(f"{name}: expected a number or auto, given {given!r}") from None
        message = str(first["msg"]).removeprefix("Value error, ")
        shown = "" if isinstance(given, dict) else f" (given: {given!r})"
        raise InputError(f"{name or 'configuration'}: {message}{shown}") from None


_CHOICES = {
    "embedder": ("trained", "pixels", "given"),
    "clusterer": ("kmeans", "gaussian", "hdbscan"),
}


def _unknown_setting(name: str) -> InputError:
    parent, _, leaf = name.rpartition(".")
    owners: dict[str, type[BaseModel]] = {"recipe": Recipe, "taught": Taught}
    return unknown_name("setting", leaf, owners.get(parent, SearchConfig).model_fields)


def load_config(path: Path) -> dict[str, Any]:
    """Read the settings in a YAML file.

    Raises:
        InputError: no such file, or not a mapping of names to values.
    """
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no configuration file {path}: check the path after --config") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read the configuration {path}: {reason}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path} holds {type(values).__name__}, expected lines of 'name: value'")
    return values


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Turn words such as `recipe.lr=0.01` into nested settings.

    Raises:
        InputError: a word without `=`.
    """
    import yaml

    values: dict[str, Any] = {}
    for word in assignments:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InputError(f"--set takes name=value, given {word!r}: for example recipe.lr=0.01")
        target = values
        *parents, leaf = name.strip().split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise InputError(f"--set gives both {parent} and {name}: keep one of them")
        try:
            target[leaf] = yaml.safe_load(text)
        except yaml.YAMLError:
            target[leaf] = text
    return values


def merge_settings(*layers: dict[str, Any]) -> dict[str, Any]:
    """Return nested settings in which later layers win."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if isinstance(value, dict) and isinstance(merged.get(name), dict):
                merged[name] = merge_settings(merged[name], value)
            else:
                merged[name] = value
    return merged
