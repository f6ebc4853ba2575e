"""Decoding of many image files to one size; which files and what they mean is not decided here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from moesaic.errors import InputError

LARGEST_OWN_SIDE = 64
_GREY = frozenset(("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N"))
_SIXTEEN_BITS = frozenset(("PNG", "PPM"))  # formats whose widest whole numbers have 16 bits
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Decoded:
    """What became of a list of image files.

    Attributes:
        images: uint8 (n, C, H, W), the readable ones in their order.
        readable: which those are, bool (N,).
        fault: the first unreadable file and what is wrong with it, or "".
        largest: width and height of the largest readable file.
    """

    images: NDArray[np.uint8]
    readable: NDArray[np.bool_]
    fault: str
    largest: tuple[int, int]


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]
    grey: bool


def decode_images(paths: Sequence[Path], image_size: int | None) -> Decoded:
    """Decode files, turned upright, to one size and number of channels.

    They become squares of `image_size`; without it, images that all have one size keep it up to 64
    pixels, others become squares of the median of their shorter sides, 64 at most. Aspect ratios
    are not kept. All grey files give C = 1, else C = 3; transparency becomes white.

    Args:
        paths: the files (N of them).
        image_size: side in pixels, or None.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        headers = list(pool.map(_header, paths))
        good = [header for header in headers if isinstance(header, _Header)]
        width, height = _target(good, image_size)
        grey = all(header.grey for header in good)
        shape = (len(paths), height, width) if grey else (len(paths), height, width, 3)
        pixels = np.zeros(shape, dtype=np.uint8)

        def decode(place: int) -> str:
            header = headers[place]
            return header if isinstance(header, str) else _decode(paths[place], pixels[place])

        faults = list(pool.map(decode, range(len(paths))))
    readable = np.array([not fault for fault in faults], dtype=bool)
    images = pixels[readable]
    return Decoded(
        images=images[:, None] if grey else np.ascontiguousarray(images.transpose(0, 3, 1, 2)),
        readable=readable,
        fault=next((f"{p}: {f}" for p, f in zip(paths, faults, strict=True) if f), ""),
        largest=max((h.size for h in good), key=lambda size: size[0] * size[1], default=(0, 0)),
    )


def read_image(path: Path, input_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Decode one file for a model, as `decode_images` does for its training.

    Args:
        path: the file.
        input_shape: (C, H, W) with C 1 or 3.

    Returns:
        uint8 (C, H, W).

    Raises:
        InputError: the file is missing or no image that can be read.
    """
    channels, height, width = input_shape
    pixels = np.zeros((height, width) if channels == 1 else (height, width, 3), dtype=np.uint8)
    try:
        there = path.is_file()
    except OSError as error:  # the name is too long, a folder above may not be read
        raise InputError(f"cannot read the image {path}: {error.strerror or error}") from None
    if not there:
        raise InputError(f"no image file {path}: check the path")
    fault = _decode(path, pixels)
    if fault:
        raise InputError(
            f"cannot read the image {path}: {fault}; give a whole PNG, JPEG, BMP, GIF, TIFF, WebP "
            "or PPM file"
        )
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _header(path: Path) -> _Header | str:
    """Return what a file says it holds, or what is wrong with it."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
            size = image.size[::-1] if turned else image.size
            return _Header((size[0], size[1]), image.mode in _GREY)
    # Pillow raises almost anything on a damaged file; the fault is the result here.
    except Exception as error:  # noqa: BLE001
        return _reason(error)


def _target(headers: Sequence[_Header], image_size: int | None) -> tuple[int, int]:
    """Return the width and height that all images get."""
    if image_size is not None:
        return image_size, image_size
    sizes = {header.size for header in headers}
    if len(sizes) == 1 and all(max(size) <= LARGEST_OWN_SIDE for size in sizes):
        return sizes.pop()
    shorter = [min(header.size) for header in headers] or [1]
    side = min(LARGEST_OWN_SIDE, int(np.median(shorter)))
    return side, side


def _decode(path: Path, out: NDArray[np.uint8]) -> str:
    """Write an image into `out`, (H, W) or (H, W, 3); return what is wrong with it, or ""."""
    height, width = out.shape[:2]
    mode = "L" if out.ndim == 2 else "RGB"
    try:
        with Image.open(path) as image:
            # JPEG can be decoded at a fraction of its size; twice the target keeps the quality.
            image.draft(mode, (2 * width, 2 * height))
            if image.mode == "I" and image.format not in _SIXTEEN_BITS:
                raise ValueError("32-bit pixels, whose range is not known")
            upright = ImageOps.exif_transpose(image)
            plain = _to_mode(upright, mode)
            out[...] = np.asarray(plain.resize((width, height), Image.Resampling.BILINEAR))
    except Exception as error:  # noqa: BLE001
        return _reason(error)
    return ""


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Return an image as 8-bit grey or RGB."""
    if image.mode.startswith("I"):
        # 16 bits: Pillow's own conversion cuts values off at 255. One scale for all files: what
        # is dark stays darker than what is not.
        values = np.asarray(image).astype(np.float32).clip(0, 65535)
        image = Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert(mode)


def _reason(error: Exception) -> str:
    """Return one line on a fault."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
