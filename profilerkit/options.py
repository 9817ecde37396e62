"""Turn what a person wrote for a plugin's options into its fields' types, or say what is wrong."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from profilerkit.errors import UsageError

_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def option_fields(plugin: type) -> dict[str, attrs.Attribute[Any]]:
    """Return a plugin's options: the public fields that its constructor takes."""
    if not attrs.has(plugin):
        return {}
    return {each.name: each for each in attrs.fields(plugin) if each.init and not each.name.startswith("_")}


def option_type(plugin: type, field: attrs.Attribute[Any]) -> Any:
    """Return the type of one option; private fields may name types that exist for checkers only."""
    holder = types.SimpleNamespace(__annotations__={field.name: field.type})
    return get_type_hints(holder, vars(sys.modules[plugin.__module__]))[field.name]


def parse_options(name: str, plugin: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given options with the types of the plugin's fields.

    Raises UsageError for an option that it does not have or a value that does not fit.
    """
    fields = option_fields(plugin)
    parsed = {}
    for option, value in given.items():
        field = fields.get(option)
        if field is None:
            has = ", ".join(sorted(fields)) or "none"
            raise UsageError(f"{name!r} has no option {option!r} (it has: {has}).")
        try:
            parsed[option] = _convert(value, option_type(plugin, field))
        except (ValueError, TypeError) as error:
            raise UsageError(f"{name}.{option} cannot be {value!r}: {error}.") from None
    _construct(name, plugin, parsed)
    return parsed


def _construct(name: str, plugin: type, parsed: Mapping[str, Any]) -> None:
    """Have the plugin's own validators look at the values."""
    try:
        plugin(**parsed)
    except (ValueError, TypeError) as error:
        raise UsageError(f"These options do not suit {name!r}: {error}.") from None


def _convert(value: Any, kind: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None or (
            isinstance(value, str) and value.lower() in ("", "none") and type(None) in arguments
        ):
            return None
        return _convert(value, next(each for each in arguments if each is not type(None)))
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"it is one of {', '.join(map(str, arguments))}")
        return value
    if origin in (list, tuple):
        parts = value.split(",") if isinstance(value, str) else list(value)
        return origin(
            _convert(each.strip() if isinstance(each, str) else each, arguments[0]) for each in parts
        )
    return _scalar(value, kind)


def _scalar(value: Any, kind: Any) -> Any:
    if kind is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() not in _WORDS:
            raise ValueError("it is true or false")
        return _WORDS[str(value).lower()]
    if kind is int:
        return int(value)
    if kind is float:
        return float(value)
    if kind is Path:
        return str(Path(value))
    return str(value)
