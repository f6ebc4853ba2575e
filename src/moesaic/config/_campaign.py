"""The settings of a campaign over expert families."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from moesaic.config._recipe import Moe4, Recipe, Taught
from moesaic.config._run import RunConfig

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


class CampaignConfig(RunConfig):
    """Everything that defines a campaign; the same values give the same result.

    Unless the machine has a say: by `budget`, `max_memory` and time limits (docs/campaigns.md).
    """

    kind: Literal["campaign"] = Field("campaign", description="what sort of run it is")
    pool: str = Field("lemur29", description="families: a preset, a file of names, or name,name")
    plugins: tuple[str, ...] = Field((), description="Python files that register families")
    experts: int = Field(4, ge=2, le=8, description="K, the families in a mixture")
    planner: str = Field(
        "stratified", description="alphabetical, random, stratified, adaptive, ranked"
    )
    ranking: Literal["oracle", "cluster", "ensemble", "mean", "gate"] = Field(
        "oracle", description="the score by which the ranked planner orders mixtures"
    )
    candidates: int = Field(60, ge=1, description="mixtures that are trained")
    epochs: int = Field(3, ge=1, description="epochs a mixture is trained")
    quick_epochs: int | None = Field(
        None, ge=1, description="epochs of a quick first rung; none when not given"
    )
    promote: float = Field(
        0.25, gt=0, le=1, description="share of the quick rung that is trained for all epochs"
    )
    preset: Literal["moe4", "taught"] = Field("moe4", description="how a mixture is trained")
    top_k: int | None = Field(
        None, ge=1, description="experts that run on a sample; all (moe4) or 1 (taught) by default"
    )
    retry_policy: Literal["smaller_batch", "none"] = Field(
        "smaller_batch", description="what follows a trial that ran out of memory"
    )
    max_memory: int | None = Field(
        None, gt=0, description="bytes that one trial may be predicted to need"
    )
    recipe: Recipe | None = Field(None, description="of all trainings; the preset's when not given")
    taught: Taught = Taught()
    moe4: Moe4 = Moe4()

    @property
    def least_clusters(self) -> int:
        """Fewest clusters that mixtures can be measured on: one an expert where that is taught."""
        return self.experts if self.preset == "taught" else 2

    @field_validator("max_memory", mode="before")
    @classmethod
    def _bytes(cls, value: object) -> object:
        return parse_bytes(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> CampaignConfig:
        taught = self.preset == "taught"
        if self.top_k is not None and self.top_k > self.experts:
            raise ValueError(f"top_k is {self.top_k}, expected at most {self.experts}, experts")
        if self.clusters is not None and self.clusters < self.least_clusters:
            raise ValueError(
                f"clusters is {self.clusters}, expected {self.least_clusters} or more"
                f"{': an expert of the preset taught needs one of its own' if taught else ''}"
            )
        if self.quick_epochs is not None and self.quick_epochs >= self.epochs:
            raise ValueError(
                f"quick_epochs is {self.quick_epochs}, expected fewer than epochs, {self.epochs}"
            )
        return self


def parse_bytes(text: str) -> int:
    """Return the bytes in a size such as 500000, 800MB or 4GiB; a K is 1024.

    Raises:
        ValueError: the text is not a size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    if match is None:
        raise ValueError(f"{text!r} is not a size: write bytes, or a number with MB or GB")
    return int(float(match[1]) * _UNITS[match[2]])
