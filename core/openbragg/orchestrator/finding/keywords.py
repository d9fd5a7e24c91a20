"""Options of plugins as Python gives them: keywords that are fields, or flags without their dash."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import attrs

from openbragg.errors import UsageError
from openbragg.options import OptionSpec
from openbragg.roles import Found


def by_fields(found: Found, options: dict[str, Any]) -> dict[str, Any]:
    """Options by their fields, some of which may be named by a flag.

    Raises
    ------
    UsageError
        When the plugin has no such option, or one is named twice; the message lists those that it has.
    """
    specs = dict(found.options())
    fields = {_word(flag): field for field, spec in specs.items() for flag in spec.flags}
    # What is not declared with `option` may still be given.
    fields |= {attribute.alias: attribute.alias for attribute in attrs.fields(found.cls) if attribute.init}
    by_field: dict[str, Any] = {}
    for word, value in options.items():
        field = fields.get(word) or fields.get(_word(word))
        if field is None:
            close = get_close_matches(word, fields, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            there = ", ".join(_said(name, specs.get(name)) for name in dict.fromkeys(fields.values())) or "none"
            raise UsageError(f"{found.name} of {found.origin()} has no option {word!r}{hint}; options: {there}")
        if field in by_field:
            raise UsageError(f"{found.name} of {found.origin()}: the option {field} is given twice")
        by_field[field] = value
    return by_field


def _word(flag: str) -> str:
    """A flag as a keyword."""
    return flag.lstrip("-").replace("-", "_")


def _said(field: str, spec: OptionSpec | None) -> str:
    """An option as a message lists it: its field and its flag."""
    return f"{field} ({spec.flags[0]})" if spec is not None and spec.flags else field
