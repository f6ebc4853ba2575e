"""From a mapping of settings to a checked configuration; what is wrong is said in one line."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from moesaic.config._campaign import CampaignConfig
from moesaic.config._run import RunConfig
from moesaic.config._search import SearchConfig
from moesaic.errors import InputError, unknown_name

AnyConfig = TypeVar("AnyConfig", bound=RunConfig)


def make_config(values: Mapping[str, Any]) -> SearchConfig:
    """Return the configuration of a search with these values, defaults for the rest.

    Raises:
        InputError: an unknown name or a value that does not fit, in one line.
    """
    return _make(SearchConfig, values)


def make_run_config(values: Mapping[str, Any]) -> SearchConfig | CampaignConfig:
    """Return the configuration of the sort of run that `kind` names, a search without it.

    Raises:
        InputError: an unknown name or a value that does not fit, in one line.
    """
    if values.get("kind") == "campaign":
        return make_campaign_config(values)
    return make_config(values)


def make_campaign_config(values: Mapping[str, Any]) -> CampaignConfig:
    """Return the configuration of a campaign with these values, defaults for the rest.

    Raises:
        InputError: an unknown name or a value that does not fit, in one line.
    """
    return _make(CampaignConfig, values)


def _make(kind: type[AnyConfig], values: Mapping[str, Any]) -> AnyConfig:
    try:
        return kind.model_validate({name: _as_text(value) for name, value in values.items()})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(
            str(part) for part in first["loc"] if part not in ("int", "literal['auto']")
        )
        if first["type"] == "extra_forbidden":
            raise _unknown_setting(kind, name) from None
        given = first.get("input")
        choices = _choices(kind, name)
        if first["type"] == "literal_error" and choices:
            raise unknown_name(name, str(given), choices) from None
        if name in ("experts", "epochs") and first["type"] in ("int_parsing", "literal_error"):
            expected = "a number or auto" if kind is SearchConfig else "a number"
            raise InputError(f"{name}: expected {expected}, given {given!r}") from None
        message = str(first["msg"]).removeprefix("Value error, ")
        if first["type"] == "tuple_type":
            message = "expected a list such as [1,2]"
        if name == "data" and first["type"] == "string_type":
            message = "expected names and paths joined by +; arrays go into an .npz file first"
        shown = "" if isinstance(given, dict) else f" (given: {_short(given)})"
        raise InputError(f"{name or 'configuration'}: {message}{shown}") from None


def _short(given: object) -> str:
    """Return a value as it would be typed, or of what type it is where that takes a line."""
    text = " ".join(repr(given).split())
    return text if len(text) <= 80 else f"a {type(given).__name__}"


def _as_text(value: object) -> object:
    """Return paths, alone or in a list, as the text that settings are written in."""
    if isinstance(value, list | tuple):
        return [os.fspath(one) if isinstance(one, os.PathLike) else one for one in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _owner(kind: type[BaseModel], parents: list[str]) -> type[BaseModel]:
    """Return the class whose fields a nested name is looked up in."""
    for parent in parents:
        field = kind.model_fields.get(parent)
        inner = [
            part
            for part in _parts(field.annotation if field is not None else None)
            if isinstance(part, type) and issubclass(part, BaseModel)
        ]
        if not inner:
            return kind
        kind = inner[0]
    return kind


def _choices(kind: type[BaseModel], name: str) -> tuple[str, ...]:
    """Return the words a setting may be, where it takes words only."""
    *parents, leaf = name.split(".")
    field = _owner(kind, parents).model_fields.get(leaf)
    parts = _parts(field.annotation if field is not None else None)
    words = [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
    only_words = all(get_origin(part) is Literal or part is type(None) for part in parts)
    return tuple(str(word) for word in words) if only_words else ()


def _parts(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _unknown_setting(kind: type[BaseModel], name: str) -> InputError:
    *parents, leaf = name.split(".")
    return unknown_name("setting", leaf, _owner(kind, parents).model_fields)
