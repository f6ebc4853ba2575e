"""The settings of a search: every name here is a word on the command line and in a file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from moesaic.config._recipe import Recipe, Taught
from moesaic.config._run import RunConfig


class SearchConfig(RunConfig):
    """Everything that defines a search; the same values give the same result.

    Unless the machine has a say: by `budget` and `trial_timeout` (docs/search.md).
    """

    kind: Literal["search"] = Field("search", description="what sort of run it is")
    space: str = Field("auto", description="search space; auto: nasbench201 or vector_cells")
    widths: tuple[int, ...] | None = Field(
        None, description="channels of every stage; the space's own when not given"
    )
    cells_per_stage: int = Field(1, ge=1, le=20, description="cells in every stage")
    experts: int | Literal["auto"] = Field(2, description="K, the experts, or auto")
    strategy: str = Field("joint", description="decomposed, joint, evolution, random or sgem")
    masks: bool = Field(
        False, description="joint: train on drawn subsets too, and find the groups of clusters"
    )
    trials: int = Field(
        24, ge=2, le=1_000_000, description="architectures trained at the lowest rung"
    )
    rungs: tuple[int, ...] = Field((3, 9), description="epochs of the rungs of successive halving")
    eta: int = Field(3, ge=2, description="one in eta is promoted from rung to rung")
    transfer: str | None = Field(
        None, description="directory of an earlier run of this space whose bank informs the search"
    )
    proxies: tuple[str, ...] = Field(
        (), description="zero-cost proxies that the surrogate reads, one batch a cluster; none"
    )
    rounds: int = Field(2, ge=0, description="most rounds of specialisation")
    epochs: int | Literal["auto"] = Field(
        "auto", description="epochs of the final trainings; auto: until validation saturates"
    )
    most_epochs: int = Field(48, ge=1, description="most epochs that auto may choose")
    repeats: int = Field(1, ge=1, description="seeds of the final stage")
    top_k: int = Field(1, ge=1, description="experts that run on each sample")
    price: float | None = Field(
        None,
        ge=0,
        description="what compute costs: points of accuracy that a million MACs more must buy",
    )
    max_macs: float | None = Field(
        None, gt=0, description="most expected MACs of one sample, gate counted"
    )
    width_choices: tuple[float, ...] | None = Field(
        None, description="with a price: factors on the widths; .35 to 1.4, and 2.8 at stride 2"
    )
    depth_choices: tuple[int, ...] = Field(
        (), description="with a price: cells in every stage; cells_per_stage when not given"
    )
    stride_choices: tuple[int, ...] | None = Field(
        None, description="with a price: strides of the first convolution over images; 1 and 2"
    )
    gate_choices: tuple[float, ...] | None = Field(
        None, description="with a price: factors on the gate's channels; .35 to 1 when not given"
    )
    recipe: Recipe = Recipe()
    taught: Taught = Taught()

    @property
    def priced(self) -> bool:
        """Whether compute has a price or a limit, so that experts keep sizes of their own."""
        return self.price is not None or self.max_macs is not None

    @property
    def sized(self) -> bool:
        """Whether any sizes to draw from are given."""
        return any((self.width_choices is not None, self.depth_choices, self.stride_choices))

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
        elif self.clusters == 1:
            raise ValueError(
                "clusters is 1 but experts is auto: an expert needs a cluster of its own, give 2 "
                "clusters or more, or none"
            )
        elif self.strategy == "decomposed":
            raise ValueError(
                "experts is auto, but the strategy decomposed gives every cluster its own expert: "
                "give a number of experts, or the strategy joint"
            )
        if self.strategy == "decomposed" and self.clusters not in (None, self.experts):
            raise ValueError(
                f"clusters is {self.clusters}, but the strategy decomposed gives every cluster its "
                f"own expert, and experts is {self.experts}: leave clusters out, or choose the "
                "strategy joint"
            )
        if self.masks and self.strategy != "joint":
            raise ValueError(
                f"masks is given, but the strategy {self.strategy} draws none or its own: "
                "choose the strategy joint"
            )
        if self.transfer is not None and self.strategy in ("random", "evolution", "sgem"):
            raise ValueError(
                f"transfer is given, but the strategy {self.strategy} asks no surrogate that it "
                "could inform: give the strategy joint or decomposed, or no transfer"
            )
        if self.proxies and self.strategy in ("random", "evolution", "sgem"):
            raise ValueError(
                f"proxies are given, but the strategy {self.strategy} asks no surrogate that would "
                "read them: give the strategy joint or decomposed, or no proxies"
            )
        if isinstance(self.epochs, int) and self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}, expected 1 or more, or auto")
        if self.widths is not None and (not self.widths or min(self.widths) < 1):
            raise ValueError(f"widths is {self.widths}, expected channels of 1 or more")
        if self.priced and self.top_k > 1:
            raise ValueError(
                f"top_k is {self.top_k}, but price and max_macs count one expert a sample: "
                "give top_k 1 or no price"
            )
        if not self.priced and (self.sized or self.gate_choices is not None):
            raise ValueError(
                "width_choices, depth_choices, stride_choices and gate_choices are for a search "
                "with a price: give price or max_macs (price 0 lets sizes differ, free of charge)"
            )
        if self.gate_choices is not None and (
            not self.gate_choices or not all(0 < size <= 4 for size in self.gate_choices)
        ):
            raise ValueError(f"gate_choices is {self.gate_choices}, expected factors up to 4")
        if self.max_macs is not None and max(self.gate_choices or (1.0,)) > 1:
            raise ValueError(
                f"gate_choices is {self.gate_choices}, expected at most 1 with max_macs: the limit "
                "is kept with a gate of size 1"
            )
        if not self.rungs or list(self.rungs) != sorted(set(self.rungs)) or self.rungs[0] < 1:
            raise ValueError(f"rungs is {self.rungs}, expected rising numbers of epochs")
        return self
