"""How much two values may differ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import attrs

from openbragg import UsageError, quoted
from openbragg_tracers.traces.quantities import Quantity

#: What double precision leaves of a calculation of this length, with room for another order of its operations.
DEFAULT = 1e-9


@attrs.frozen
class Tolerances:
    """Relative tolerances.

    Attributes
    ----------
    default
        Of everything that has none of its own.
    named
        Of single quantities.
    """

    default: float = DEFAULT
    named: Mapping[str, float] = attrs.field(factory=dict)

    def of(self, quantity: Quantity) -> float:
        """The tolerance of a quantity; that of one in single precision is no smaller than this precision allows."""
        return self.named.get(quantity.name, max(self.default, quantity.coarseness))


def parse_tolerances(words: Iterable[str]) -> Tolerances:
    """Tolerances from words like ``1e-9`` and ``F_latt=1e-6``; of several of one kind the last counts.

    Raises
    ------
    UsageError
        For a word that is not of this form, or a number that is negative or NaN.
    """
    default = DEFAULT
    named = {}
    for word in words:
        name, equals, text = word.rpartition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not value >= 0.0 or bool(equals) != bool(name):
            raise UsageError(f"--tolerance: expected a number from 0 on, or NAME=NUMBER, got {quoted(word)}")
        if name:
            named[name] = value
        else:
            default = value
    return Tolerances(default, named)
