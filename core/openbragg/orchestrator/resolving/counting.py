"""Counts that nobody gave: by default what exact arithmetic makes of a quotient, on request what the reference does."""

from __future__ import annotations

import math

import attrs

from openbragg.model.intervals import Interval, resolve_interval
from openbragg.model.scalars import Scalar, whole_above
from openbragg.orchestrator.resolving.quirks import notice

#: The quirk's name.
_QUIRK = "rounded-counts"
#: Larger numbers are refused before they are counted with.
_COUNTABLE = 1e9


@attrs.frozen
class Counting:
    """How counts are chosen, and where the two ways differ: in words, as ``differing``."""

    as_reference: bool = False
    differing: list[str] = attrs.field(factory=list)

    def rounded_up(self, quotient: float, what: str, reference: float | None = None) -> int:
        """The whole number at or above a quotient, which may come out of the reference's arithmetic otherwise.

        Raises
        ------
        InputError
            When there is none, because what was divided is too far apart.
        """
        return self.chosen(
            whole_above(quotient, what), _as_it_comes(quotient if reference is None else reference), what
        )

    def interval(self, whole: Scalar | None, step: Scalar | None, count: int | None, what: str) -> Interval:
        """What `resolve_interval` makes of an interval."""
        exact = resolve_interval(whole, step, count)
        reference = resolve_interval(whole, step, count, exact=False)
        self.chosen(exact.count, reference.count, what)
        return reference if self.as_reference else exact

    def chosen(self, exact: int, reference: int | None, what: str) -> int:
        """The one or the other; where they differ, that is noted."""
        if reference is None or exact == reference:
            return exact
        self.differing.append(f"{reference} {what} in place of {exact}")
        return reference if self.as_reference else exact

    def notices(self) -> list[str]:
        """What is to be said where the reference's numbers are others and were not asked for."""
        return [] if self.as_reference or not self.differing else [notice(_QUIRK, ", ".join(self.differing))]


def counting(quirks: frozenset[str]) -> Counting:
    """How counts are chosen with these quirks."""
    return Counting(_QUIRK in quirks)


def _as_it_comes(quotient: float) -> int | None:
    """The whole number at or above it; None where the reference has none either."""
    return math.ceil(quotient) if abs(quotient) < _COUNTABLE else None
