"""Families for tests: four tiny ones that work, and some that fail in their own ways."""

import time

import torch
from torch import nn

from moesaic.spaces import register_family


class Tiny(nn.Module):
    def __init__(self, shape, classes, width, fault=None):
        super().__init__()
        self.stem = nn.Conv2d(shape[0], width, 3, stride=2, padding=1)
        self.head = nn.Linear(width, classes)
        self.fault = fault

    def forward(self, inputs):
        if self.fault is not None:
            self.fault(inputs)
        return self.head(torch.relu(self.stem(inputs)).mean(dim=(2, 3)))


def raises(inputs):
    raise ValueError("poisoned")


def never_returns(inputs):
    while True:
        time.sleep(0.05)


def too_much_for_a_large_batch(inputs):
    if inputs.shape[0] > 16 and torch.is_grad_enabled() and inputs.device.type != "meta":
        raise MemoryError("batch too large")


def family(width, fault=None):
    return lambda shape, classes: Tiny(shape, classes, width, fault)


for number in range(5):
    register_family(f"Tiny{number}", family(3 + number))
register_family("Raises", family(3, raises))
register_family("Hangs", family(3, never_returns))
register_family("Hungry", family(3, too_much_for_a_large_batch))


def decides_by_values(inputs):
    if inputs.device.type != "meta" and float(inputs.abs().max()) > 1e9:
        raise ValueError("never")


register_family("Untraceable", family(40, decides_by_values))
