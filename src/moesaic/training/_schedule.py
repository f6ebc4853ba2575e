"""Learning-rate schedules as shares of the peak, by name; they hold no optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from moesaic.config import Recipe

_START = 0.04  # of the peak, at the first step of one_cycle
_LINEAR_START = 0.1  # the same of warmup_cosine


def learning_rates(recipe: Recipe, steps: int, factor: float = 1.0) -> Callable[[int], float]:
    """Return the function from a step, 0 .. steps, to its share of a group's peak learning rate.

    Args:
        recipe: names the schedule and gives its warm-up and where it ends.
        steps: of the whole training.
        factor: of the group; its peak is factor * recipe.lr. All groups end at `min_lr`.
    """
    floor = min(1.0, recipe.min_lr / (factor * recipe.lr))
    if recipe.schedule == "warmup_cosine":
        shape = partial(warmup_cosine, steps=steps, warmup=recipe.warmup_share, floor=floor)
    else:
        shape = partial(one_cycle, steps=steps, warmup=recipe.warmup_share, floor=floor)
    return shape


def one_cycle(step: int, steps: int, warmup: float, floor: float = 0.0) -> float:
    """Return the share of the peak learning rate at a step: a cosine up, a longer one down.

    Args:
        step: 0 .. steps.
        steps: of the whole training.
        warmup: share of the steps spent rising.
        floor: share of the peak where the fall ends, after the last step.
    """
    peak = warmup * steps
    if step < peak:
        return _START + (1 - _START) * (1 - math.cos(math.pi * step / peak)) / 2
    down = (1 + math.cos(math.pi * min(1.0, (step - peak) / (steps - peak)))) / 2
    return floor + (1 - floor) * down


def warmup_cosine(step: int, steps: int, warmup: float, floor: float = 0.0) -> float:
    """Return the share of the peak learning rate at a step: a line up from .1, a cosine down.

    The peak and, from two steps on, the floor are both reached, however few the steps: the last
    step that is taken, `steps - 1`, is at the floor.

    Args:
        step: 0 .. steps.
        steps: of the whole training.
        warmup: share of the steps spent rising, at most.
        floor: share of the peak where the fall ends.
    """
    rising = min(int(warmup * steps), max(0, steps - 2))
    if step < rising:
        return _LINEAR_START + (1 - _LINEAR_START) * step / rising
    falling = max(1, steps - 1 - rising)
    down = (1 + math.cos(math.pi * min(1.0, (step - rising) / falling))) / 2
    return floor + (1 - floor) * down
