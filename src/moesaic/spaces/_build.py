"""Building a network from an architecture alone, whichever space it came from."""

from __future__ import annotations

from torch import nn

from moesaic.spaces._base import Architecture
from moesaic.spaces._registry import get_space


def build_architecture(
    architecture: Architecture, input_shape: tuple[int, ...], classes: int
) -> nn.Module:
    """Return an untrained network (B, *input_shape) -> (B, classes).

    An architecture's text says all there is to build, so its space needs no options here.

    Raises:
        InputError: nobody registered the architecture's space.
        BuildError: the network cannot take this input shape.
    """
    return get_space(architecture.space).build(architecture, input_shape, classes)
