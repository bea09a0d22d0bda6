"""Settings: checked where they are made, and read from plain tables by field name.

The frozen ``*Config`` dataclasses are the only source of defaults: the library, the recipe files
and the command line all take them from there.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import types
import typing
from typing import TYPE_CHECKING, Any, TypeVar

from speakergmm.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Config = TypeVar("Config")

# How a file says None, which TOML has no word for.
NONE = "none"


def check_range(
    name: str, value: float, low: float, high: float = math.inf, unit: str = ""
) -> None:
    """Refuse a number outside [low, high], or something that is not a number.

    Raises
    ------
    ConfigError
        With the setting's name, what was expected and what was got.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or math.isinf(value):
        span = f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
        span = "a finite number" if low == -math.inf else span
        raise ConfigError(f"{name} is {value!r}; expected {span} {unit}".rstrip())


def check_whole(name: str, value: float, low: float, high: float = math.inf, unit: str = "") -> int:
    """Give a whole number as Python's own, or refuse what is none in [low, high].

    NumPy's whole numbers may be of 8 bits, and what is computed of them goes round.

    Raises
    ------
    ConfigError
        With the setting's name, what was expected and what was got.
    """
    check_range(name, value, low, high, unit)
    if not isinstance(value, numbers.Integral):
        raise ConfigError(f"{name} is {value!r}; expected a whole number")
    return int(value)


def use_plain_numbers(config: Any) -> None:
    """Make NumPy's numbers in the fields of a frozen dataclass Python's own.

    They come of loops over arrays of settings; files and digests hold Python's.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, numbers.Number) and hasattr(value, "item"):
            object.__setattr__(config, field.name, value.item())


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Refuse a value that is none of the choices.

    Raises
    ------
    ConfigError
        With the setting's name, the choices and what was got.
    """
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        expected = ", ".join(repr(choice) for choice in choices)
        raise ConfigError(f"{name} is {value!r}; expected one of {expected}")


def _accepts(hint: Any, value: object) -> bool:
    """Tell whether a value from TOML or JSON fits a field's type hint."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_accepts(option, value) for option in options)
    if origin is typing.Literal:
        return any(type(value) is type(option) and value == option for option in options)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            return False
        items = options[:1] * len(value) if options[-1] is Ellipsis else options
        return len(items) == len(value) and all(map(_accepts, items, value))
    kinds = (int, float) if hint is float else hint
    # A bool is an int to Python, but not to whoever writes a file.
    return isinstance(value, kinds) and (hint is bool or not isinstance(value, bool))


def _converted(hint: Any, value: Any) -> Any:
    """Make a list a tuple, and a whole number a float where no whole number is asked for."""
    if isinstance(value, (list, tuple)):
        return tuple(_converted(typing.get_args(hint)[0], item) for item in value)
    wants = typing.get_args(hint) if typing.get_origin(hint) is not None else (hint,)
    if type(value) is int and float in wants and int not in wants:
        return float(value)
    return value


def _describe(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(repr(choice) for choice in typing.get_args(hint))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_describe(option) for option in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return f"a list of {_describe(typing.get_args(hint)[0])}"
    if hint is type(None):
        return repr(NONE)
    return {float: "a number", int: "a whole number", str: "text", bool: "true or false"}.get(
        hint, str(hint)
    )


def config_from_table(kind: type[Config], table: Mapping[str, Any], where: str) -> Config:
    """Make a ``*Config`` from a table of a TOML or JSON file.

    Parameters
    ----------
    kind : type
        The dataclass; fields that the table does not name keep their defaults.
    where : str
        Names the table in messages, such as ``recipe.toml [front_end]``.

    Raises
    ------
    ConfigError
        For an unknown setting (with the nearest known one), a value of the wrong kind, or one out
        of its range.
    """
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"{where}: unknown setting {name!r}; {hint}")
        if value == NONE and _accepts(hints[name], None):
            values[name] = None
            continue
        if not _accepts(hints[name], value):
            raise ConfigError(f"{where}: {name} is {value!r}; expected {_describe(hints[name])}")
        values[name] = _converted(hints[name], value)
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except TypeError:
        required = [
            field.name
            for field in dataclasses.fields(kind)  # type: ignore[arg-type]
            if field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
            and field.name not in table
        ]
        if not required:
            raise
        raise ConfigError(f"{where}: no value for {', '.join(required)}") from None
