"""Joining of divided data sets into one, with sizes, channels, labels and names matched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from moesaic.data._check import LARGEST_IMAGE, SMALLEST_IMAGE, check_image_size
from moesaic.data._dataset import Dataset, Split
from moesaic.data._resize import match_channels, resize
from moesaic.errors import InputError


def join_datasets(parts: Sequence[Dataset], image_size: int | None = None) -> Dataset:
    """Join data sets split by split.

    Labels are offset, so that no class is shared. Images are brought to `image_size`, or to the
    largest side among the parts where they differ; grey is repeated to RGB where one part is in
    colour. A part is one domain, unless it has domains of its own, which it keeps.

    Args:
        parts: at least one data set, all images or all vectors of one length.
        image_size: side of the images in pixels, or None.

    Returns:
        The joined data set; a single part keeps its names and its domains (or their absence).

    Raises:
        InputError: images and vectors, vectors of unlike lengths, or an impossible image size.
    """
    parts = _match_inputs(parts, image_size)
    if len(parts) == 1:
        return parts[0]
    names = distinct([part.name for part in parts])
    domains = [
        (name,) if part.domain_names is None else part.domain_names
        for name, part in zip(names, parts, strict=True)
    ]
    return Dataset(
        name="+".join(part.name for part in parts),
        train=_join_splits([part.train for part in parts], parts, domains),
        validation=_join_splits([part.validation for part in parts], parts, domains),
        test=_join_splits([part.test for part in parts], parts, domains),
        classes=_merge_names([part.classes for part in parts], names),
        domain_names=_merge_names(domains, names),
        skipped=sum(part.skipped for part in parts),
        notes=tuple(f"{part.name}: {note}" for part in parts for note in part.notes),
    )


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names, later ones of the same name numbered (`a`, `a-2`, `a-3`)."""
    used: set[str] = set()
    result = []
    for name in names:
        fresh, number = name, 1
        while fresh in used:
            number += 1
            fresh = f"{name}-{number}"
        used.add(fresh)
        result.append(fresh)
    return result


def _merge_names(groups: Sequence[tuple[str, ...]], sources: Sequence[str]) -> tuple[str, ...]:
    """Return all names in order, those of a source with a collision prefixed by the source."""
    counts = Counter(name for group in groups for name in group)
    merged: list[str] = []
    for group, source in zip(groups, sources, strict=True):
        # A source that is one domain has its own name there already: no "digits/digits".
        collides = group != (source,) and any(counts[name] > 1 for name in group)
        merged.extend(f"{source}/{name}" if collides else name for name in group)
    return tuple(distinct(merged))


def _match_inputs(parts: Sequence[Dataset], image_size: int | None) -> list[Dataset]:
    """Return the parts with inputs of one shape."""
    kinds = {part.is_images for part in parts}
    if len(kinds) > 1:
        listed = ", ".join(f"{p.name}: {'images' if p.is_images else 'vectors'}" for p in parts)
        raise InputError(f"images and vectors cannot be joined ({listed}): search them separately")
    if not kinds.pop():
        lengths = {part.input_shape[0] for part in parts}
        if len(lengths) > 1:
            listed = ", ".join(f"{p.name}: {p.input_shape[0]}" for p in parts)
            raise InputError(
                f"vectors of unlike lengths cannot be joined ({listed}): give sources with as many "
                "features each"
            )
        if image_size is not None:
            raise InputError(f"'{parts[0].name}' holds vectors: leave --image-size out")
        return list(parts)
    height, width = _common_size([part.input_shape for part in parts], image_size)
    channels = max(part.input_shape[0] for part in parts)

    def match(split: Split) -> Split:
        inputs = match_channels(resize(split.inputs, height, width), channels)
        return replace(split, inputs=inputs)

    return [
        replace(p, train=match(p.train), validation=match(p.validation), test=match(p.test))
        for p in parts
    ]


def _common_size(shapes: Sequence[tuple[int, ...]], image_size: int | None) -> tuple[int, int]:
    """Return the height and width to which images of these shapes (C, H, W) are brought."""
    if image_size is not None:
        check_image_size(image_size)
        return image_size, image_size
    sizes = {shape[1:] for shape in shapes}
    side = max(max(size) for size in sizes)
    height, width = sizes.pop() if len(sizes) == 1 else (side, side)
    if min(height, width) < SMALLEST_IMAGE or max(height, width) > LARGEST_IMAGE:
        raise InputError(
            f"images of {height} x {width} pixels are out of range: give --image-size between "
            f"{SMALLEST_IMAGE} and {LARGEST_IMAGE}"
        )
    return height, width


def _join_splits(
    splits: Sequence[Split], parts: Sequence[Dataset], domains: Sequence[tuple[str, ...]]
) -> Split:
    """Return the splits one after another with labels and domains offset."""
    labels: list[Tensor] = []
    owners: list[Tensor] = []
    label_offset = domain_offset = 0
    for split, part, names in zip(splits, parts, domains, strict=True):
        own = torch.zeros_like(split.labels) if split.domains is None else split.domains
        labels.append(split.labels + label_offset)
        owners.append(own + domain_offset)
        label_offset += len(part.classes)
        domain_offset += len(names)
    return Split(torch.cat([s.inputs for s in splits]), torch.cat(labels), torch.cat(owners))
