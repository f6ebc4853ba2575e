"""The recipe that belongs to the name of a preset; what a preset does is said in mixture/."""

from __future__ import annotations

from moesaic.config._recipe import Recipe
from moesaic.errors import unknown_name

# The published figures. Its 5 epochs of warm-up are held to a quarter of the steps, so that a
# training of one epoch leaves the warm-up too.
_MOE4 = Recipe(
    epochs=50,
    schedule="warmup_cosine",
    lr=5e-4,
    min_lr=1e-6,
    weight_decay=5e-4,
    warmup=0.25,
    warmup_epochs=5,
    gate_lr=2.0,
    gate_weight_decay=2.5e-4,
    mixup=0.2,
    label_smoothing=0.1,
    clip=1.0,
)
_RECIPES: dict[str, Recipe] = {"moe4": _MOE4, "taught": Recipe()}


def preset_recipe(preset: str) -> Recipe:
    """Return the recipe of a preset: `moe4` as published (arXiv 2606.23739), `taught` the default.

    Augmentation is the default's in both, because whether an image may be mirrored depends on the
    data.

    Raises:
        InputError: no such preset.
    """
    if preset not in _RECIPES:
        raise unknown_name("preset", preset, _RECIPES)
    return _RECIPES[preset]
