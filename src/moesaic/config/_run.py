"""What every run has, search or campaign: data, structure, machine, seed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from moesaic.config._read import parse_duration
from moesaic.config._recipe import Settings


class RunConfig(Settings):
    """The settings that a search and a campaign share; `kind` tells them apart."""

    kind: str = Field("run", description="what sort of run it is")
    data: str = Field("mosaic", description="what to learn from: names and paths, joined by +")
    image_size: int | None = Field(None, ge=4, le=512, description="side images are brought to")
    embedder: Literal["trained", "classes", "pixels", "given"] = Field(
        "trained", description="where clusters are looked for: trained, classes, pixels or given"
    )
    clusterer: Literal["kmeans", "gaussian", "hdbscan"] = Field(
        "kmeans", description="how clusters are found"
    )
    clusters: int | None = Field(None, ge=1, description="M, the clusters; chosen when not given")
    baselines: bool = Field(True, description="train the baselines beside the mixture")
    budget: float | None = Field(None, gt=0, description="seconds the run should take")
    trial_timeout: float | None = Field(None, gt=0, description="seconds one trial may take")
    seed: int = Field(0, ge=0, description="the run's seed")
    workers: int = Field(2, ge=1, le=1024, description="worker processes")
    device: str = Field("auto", description="cpu, cuda, or auto")
    executor: str = Field("process", description="process, inprocess or ray")
    address: str | None = Field(None, description="Ray cluster to join; a local one when not given")
    storage: str | None = Field(None, description="database URL; SQLite in the run by default")

    @model_validator(mode="after")
    def _clusters_are_counted_by_one(self) -> Self:
        who = {"embedder": "given", "clusterer": "hdbscan"}
        for name, value in who.items():
            if self.clusters is not None and getattr(self, name) == value:
                raise ValueError(
                    f"clusters is {self.clusters}, but {name} {value} finds their number itself: "
                    f"leave clusters out, or choose another {name}"
                )
        return self

    @field_validator("budget", "trial_timeout", mode="before")
    @classmethod
    def _duration(cls, value: object) -> object:
        return parse_duration(value) if isinstance(value, str) else value
