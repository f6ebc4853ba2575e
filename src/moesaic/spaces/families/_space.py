"""The `families` search space: every architecture is one family by name, with nothing to vary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from moesaic.errors import BuildError, InputError, MoesaicError
from moesaic.spaces._base import Architecture, SearchSpace
from moesaic.spaces.families._pools import check_pool, read_pool
from moesaic.spaces.families._registry import Family, family_names, get_family

NAME = "families"


def family_architecture(name: str) -> Architecture:
    """Return the architecture that stands for a family.

    Raises:
        InputError: nobody registered a family of that name.
    """
    return _architecture(get_family(name).name)


class FamilySpace(SearchSpace):
    """A pool of families. Stateless after construction, safe to share between threads.

    Families have no widths and no inner decisions: every other member is a neighbour, and
    features only tell members apart. `build` knows every registered family, in the pool or not.
    """

    name = NAME

    def __init__(self, pool: str | Sequence[str] | None = None) -> None:
        """Describe the space; the order of the pool does not matter.

        Args:
            pool: names of families, or a text that `read_pool` reads; all native ones when None.

        Raises:
            InputError: the pool is empty, repeats a name or holds an unknown one.
        """
        if pool is None:
            names = family_names("native")
        else:
            names = read_pool(pool) if isinstance(pool, str) else check_pool(pool)
        self.pool = tuple(sorted(names))

    @property
    def size(self) -> int:
        """Number of families in the pool."""
        return len(self.pool)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw a family, every one equally likely."""
        return _architecture(self.pool[int(rng.integers(len(self.pool)))])

    def members(self) -> Iterator[Architecture]:
        """Yield every family of the pool."""
        return (_architecture(name) for name in self.pool)

    def neighbours(
        self, architecture: Architecture, rng: np.random.Generator
    ) -> list[Architecture]:
        """Return every other family of the pool, in an order drawn from `rng`."""
        own = _name_of(architecture)
        others = [_architecture(name) for name in self.pool if name != own]
        return [others[place] for place in rng.permutation(len(others))]

    def features(self, architecture: Architecture) -> NDArray[np.float64]:
        """Return a vector (size,) with a one at the family's place in the sorted pool.

        Raises:
            InputError: the family is not in the pool.
        """
        name = _name_of(architecture)
        if name not in self.pool:
            raise InputError(
                f"family {name!r} is not in the pool of {len(self.pool)} families: add it to --pool"
            )
        return np.array([float(other == name) for other in self.pool])

    def stratum(self, architecture: Architecture) -> str:
        """Return the family's name: every family is a group of its own."""
        return _name_of(architecture)

    def build(
        self, architecture: Architecture, input_shape: tuple[int, ...], classes: int
    ) -> nn.Module:
        """Return the family's network (B, C, H, W) to (B, classes).

        Raises:
            InputError: nobody registered the family here.
            BuildError: the shape is not (C, H, W), the image is smaller than the family takes,
                or its build function failed.
        """
        found = get_family(_name_of(architecture))
        _check_shape(found, input_shape)
        try:
            model = found.build(tuple(input_shape), classes)
        except (MoesaicError, MemoryError, torch.OutOfMemoryError):
            raise  # they say what went wrong already
        except Exception as error:
            what = " ".join(str(error).split()) or "no message"
            raise BuildError(
                f"family {found.name!r} ({found.provider}) could not be built for input shape "
                f"{tuple(input_shape)}: {type(error).__name__}: {what}"
            ) from error
        if not isinstance(model, nn.Module):
            raise BuildError(
                f"family {found.name!r} ({found.provider}) built a {type(model).__name__}, "
                "expected a torch.nn.Module"
            )
        return model

    def resize(self, architecture: Architecture, widths: tuple[int, ...]) -> Architecture:
        """Return the architecture unchanged: a family has one size.

        Raises:
            InputError: widths were given.
        """
        if tuple(widths):
            raise InputError(
                f"family {_name_of(architecture)!r} has one size and no widths, got {widths}: "
                "choose a family of another size"
            )
        return architecture

    def widths(self, architecture: Architecture) -> tuple[int, ...]:
        """Return no widths."""
        return ()

    def describe(self, architecture: Architecture) -> str:
        """Return the family's name."""
        return _name_of(architecture)

    def graph(self, architecture: Architecture) -> list[tuple[int, int, str]]:
        """Return no edges: how a family is wired is its own affair."""
        return []


def _architecture(name: str) -> Architecture:
    text = json.dumps({"family": name}, sort_keys=True, separators=(",", ":"))
    key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return Architecture(key=key, space=NAME, text=text, family=name)


def _name_of(architecture: Architecture) -> str:
    return str(json.loads(architecture.text)["family"])


def _check_shape(found: Family, input_shape: tuple[int, ...]) -> None:
    if len(input_shape) != 3 or input_shape[0] < 1:
        raise BuildError(
            f"family {found.name!r} takes images (C, H, W), got input shape {tuple(input_shape)}"
        )
    if min(input_shape[1:]) < found.min_size:
        raise BuildError(
            f"family {found.name!r} takes images of {found.min_size} pixels or more a side, got "
            f"input shape {tuple(input_shape)}: choose a larger --image-size"
        )
