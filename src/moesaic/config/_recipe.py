"""How networks and mixtures are trained, as settings; it trains nothing."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of all settings: immutable, no unknown names, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return self.model_dump(mode="json")


class Recipe(Settings):
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


class Taught(Settings):
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
