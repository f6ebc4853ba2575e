"""Pools of families: presets, and reading one from what a person wrote; it registers none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from moesaic.errors import InputError
from moesaic.spaces.families._registry import family_names, get_family

# The pool of the MoE4 campaign on CIFAR-10.
LEMUR29 = (
    *("AirNet", "AirNext", "AlexNet", "BagNet", "ConvNeXt", "DPN107", "DPN131", "DPN68"),
    *("DarkNet", "DenseNet", "Diffuser", "EfficientNet", "FractalNet", "GoogLeNet", "ICNet"),
    *("InceptionV3-1", "MNASNet", "MaxVit", "MobileNetV2", "MobileNetV3", "RegNet", "ResNet"),
    *("ShuffleNet", "SqueezeNet-1", "SqueezeNet-2", "SwinTransformer", "UNet2D", "VGG"),
    "VisionTransformer",
)
_PRESETS = ("native", "pytorchcv")  # all families of that provider
_ROOMS = ("lemur/", "pytorchcv/", "timm/")  # what begins so is a name, not a path


def read_pool(text: str) -> tuple[str, ...]:
    """Return the names in a pool, in the order written.

    Args:
        text: `lemur29`; `native` or `pytorchcv` for all of that provider; the path of a text file
            with one name a line (from `#` on a line is a comment); or names joined by commas.

    Raises:
        InputError: the pool is empty, repeats a name or holds an unknown one, or the file cannot
            be read.
    """
    wanted = text.strip()
    if wanted == "lemur29":
        return LEMUR29
    if wanted in _PRESETS:
        return check_pool(family_names(wanted), f"pool {wanted!r}")
    if _is_path(wanted):
        return check_pool(_read_file(Path(wanted)), f"pool file {wanted}")
    return check_pool([name.strip() for name in wanted.split(",") if name.strip()])


def check_pool(names: Sequence[str], source: str = "the pool") -> tuple[str, ...]:
    """Return the names as they are given once they are known to be a pool.

    Args:
        names: of families.
        source: where they come from, for the message.

    Raises:
        InputError: there are none, one is repeated, or one is unknown.
    """
    if not names:
        raise InputError(f"{source} has no families: name at least one, such as ResNet")
    for place, name in enumerate(names):
        get_family(name)
        if name in names[:place]:
            raise InputError(f"{source} names the family {name!r} twice: name it once")
    return tuple(names)


def _is_path(text: str) -> bool:
    if not text or "," in text or text.startswith(_ROOMS) or text in family_names():
        return False
    return any(mark in text for mark in "/\\") or text.endswith(".txt") or Path(text).is_file()


def _read_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise InputError(
            f"there is no pool file {path}: give a file with one family a line, or names joined "
            "by commas"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the pool file {path} cannot be read as text: {error}") from error
    names = (line.split("#", 1)[0].strip() for line in lines)
    return [name for name in names if name]
