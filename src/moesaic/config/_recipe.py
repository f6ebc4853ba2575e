"""How networks and mixtures are trained, as settings; it trains nothing."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator


class Settings(BaseModel):
    """Base of all settings: immutable, no unknown names, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return self.model_dump(mode="json")


class Recipe(Settings):
    """How a network is trained: AdamW under a learning-rate schedule on augmented batches.

    Two trainings with the same recipe, architecture, data and seed give the same weights, bit
    for bit, on one thread. Both schedules span the epochs that are trained: `one_cycle` rises
    along a cosine and falls along a longer one, `warmup_cosine` rises linearly from a tenth of the
    peak and falls along a cosine that reaches `min_lr` at the last step.
    """

    epochs: int = Field(
        12,
        ge=1,
        description="passes over the training samples; in a run epochs and rungs set it",
    )
    batch_size: int = Field(
        128,
        ge=2,
        description="samples a step; in a search with a budget 64 where fewer than 8,192 train and "
        "none is given",
    )
    schedule: Literal["one_cycle", "warmup_cosine"] = Field(
        "one_cycle", description="how the learning rate rises and falls over the steps"
    )
    lr: float = Field(4e-3, gt=0, description="peak learning rate of the schedule")
    min_lr: float = Field(0.0, ge=0, description="learning rate that the schedule ends at")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay")
    warmup: float = Field(0.25, gt=0, lt=1, description="share of the steps spent rising, at most")
    warmup_epochs: float | None = Field(
        None, gt=0, description="epochs spent rising, at most; by the share alone when not given"
    )
    gate_lr: float = Field(1.0, gt=0, description="factor on the learning rate of a mixture's gate")
    gate_weight_decay: float | None = Field(
        None, ge=0, description="weight decay of a mixture's gate; as the experts' when not given"
    )
    mixup: float = Field(
        0.0, ge=0, description="alpha of mixup, which trains on blends of two samples; 0 for none"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="of the training loss only")
    clip: float = Field(5.0, gt=0, description="largest norm of the gradient")
    shift: int = Field(2, ge=0, le=16, description="random shift of images, in pixels")
    flip: bool = Field(False, description="mirror images at random")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="of the products in training; bfloat16 is faster where the hardware has it",
    )
    cutout: int = Field(0, ge=0, description="side of a square hidden at random, in pixels")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form; the same work has the same one as before there was a choice."""
        found = super().to_dict()
        if self.precision == "float32":
            del found["precision"]
        return found

    def for_epochs(self, epochs: int) -> Recipe:
        """Return the same recipe with another number of epochs."""
        return self.model_copy(update={"epochs": epochs})

    @property
    def warmup_share(self) -> float:
        """Share of the steps spent rising: `warmup`, or less where `warmup_epochs` is less."""
        if self.warmup_epochs is None:
            return self.warmup
        return min(self.warmup, self.warmup_epochs / self.epochs)

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr is {self.min_lr}, expected at most lr, {self.lr}")
        return self


class Taught(Settings):
    """How a mixture's gate is taught.

    In the opening epochs every expert sees every sample and the gate learns the routing; from then
    on only the chosen experts run on a sample, so an epoch costs about one network and the experts
    learn to live with the gate's mistakes. A class that lies almost wholly in the clusters of one
    expert is gathered there: elsewhere its strays would be alone.
    """

    opening: float = Field(
        0.08, ge=0, le=1, description="share of the epochs in which all experts see all samples"
    )
    weight: float = Field(1.0, ge=0, description="weight of the gate's own cross-entropy")
    gather: float = Field(
        0.9,
        gt=0.5,
        le=1,
        description="share of a class at one expert from which on all of it is taught to go there",
    )

    def opening_epochs(self, epochs: int) -> int:
        """Return how many of `epochs` are opening ones, at least one when the share is not 0."""
        # rounded first: 0.07 * 100 is 7.000000000000001
        return math.ceil(round(self.opening * epochs, 9))


class Moe4(Settings):
    """How a mixture of the preset `moe4` weights its experts and keeps all of them in use."""

    temperature: float = Field(2.0, gt=0, description="divides the gate logits, learned from here")
    temperature_range: tuple[float, float] = Field(
        (0.5, 5.0), description="limits of the learned temperature"
    )
    noise: float = Field(
        0.1, ge=0, description="standard deviation of the noise on gate logits in training"
    )
    balance: Literal["switch", "importance", "z", "none"] = Field(
        "switch", description="loss on the gate beside the task's"
    )
    balance_weight: float = Field(0.01, ge=0, description="weight of that loss")
    gate_widths: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (64, 128, 64), description="channels of the gate's two convolutions; its hidden layer"
    )
    gate_dropout: float = Field(0.1, ge=0, lt=1, description="dropout before the gate's last layer")

    @model_validator(mode="after")
    def _consistent(self) -> Moe4:
        low, high = self.temperature_range
        if not 0 < low < self.temperature < high:
            raise ValueError(
                f"temperature is {self.temperature}, expected to lie between the limits of "
                f"temperature_range, {low} and {high}, which are above 0"
            )
        return self
