"""Defaults of options as people see them: in the unit that they type, and in SI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from openbragg.units import unit


def default_of(owner: type, field: str, component: int | None = None, *, common: bool = False) -> Any:
    """The default of a field of an attrs class, in SI; None where there is none, or it is made anew each time.

    Of a tuple it is the part of that number, or with `common` what all its parts have in common.
    """
    value = getattr(attrs.fields(owner), field).default
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        return None
    if isinstance(value, tuple) and component is not None:
        return value[component]
    if isinstance(value, tuple) and common:
        return value[0] if len(set(value)) == 1 else None
    return value


def typed(value: Any, unit_name: str) -> str:
    """A value in SI as a user would type it in a unit, with the digits that matter; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool | str | Path):
        return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    numbers = value if isinstance(value, tuple) else (value,)
    words = (number if isinstance(number, str) else f"{in_unit(number, unit_name):.9g}" for number in numbers)
    return " ".join(words)


def in_unit(value: Any, unit_name: str) -> Any:
    """A value in SI as it is in a unit: a number, each number of a tuple; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(in_unit(single, unit_name) for single in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return unit(unit_name).from_si(value)
