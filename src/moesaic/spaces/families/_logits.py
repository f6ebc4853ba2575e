"""Making sure that a foreign network answers with logits, by asking it once; it trains none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from moesaic.errors import BuildError
from moesaic.spaces.families._words import in_one_line

_BATCH = 2


class FirstOutput(nn.Module):
    """Hands on the first output of a network that also has auxiliary ones."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, classes) of images (B, C, H, W)."""
        logits: Tensor = _first(self.network(images))
        return logits


def with_logits(
    network: nn.Module, input_shape: tuple[int, ...], classes: int, name: str
) -> nn.Module:
    """Return the network, wrapped where it has more than one output.

    It is asked for the logits of two blank images, as in training and as in evaluation; flags,
    buffers (running means) and the state of the random generator are left as they were.

    Args:
        network: maps (B, *input_shape) to logits, or to a tuple that begins with them.
        input_shape: shape of one sample, without the batch.
        classes: number of logits expected.
        name: of the family, for messages.

    Raises:
        BuildError: it cannot take such images or answers with something else.
    """
    answers = [_ask(network, tuple(input_shape), name, training) for training in (True, False)]
    for answer in answers:
        logits = _first(answer)
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if got != (_BATCH, classes):
            raise BuildError(
                f"family {name!r} answers with {got} for {_BATCH} images of shape "
                f"{tuple(input_shape)}, expected ({_BATCH}, {classes}): it is no classifier of "
                "such images"
            )
    several = any(not isinstance(answer, Tensor) for answer in answers)
    return FirstOutput(network) if several else network


def _first(answer: Any) -> Any:
    return answer[0] if isinstance(answer, tuple | list) and answer else answer


def _ask(network: nn.Module, input_shape: tuple[int, ...], name: str, training: bool) -> Any:
    reference = next(network.parameters(), torch.empty(0))
    flags = [(module, module.training) for module in network.modules()]
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    images = torch.zeros((_BATCH, *input_shape), device=reference.device)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return network.train(training)(images)
    except MemoryError:
        raise
    except Exception as error:
        raise BuildError(
            f"family {name!r} cannot take images of shape {input_shape}: {in_one_line(error)}"
        ) from error
    finally:
        for module, flag in flags:
            module.training = flag
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)
