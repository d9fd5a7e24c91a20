"""Indices with other signs, or in another order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations, product
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_tracers.diagnoses.evidence import in_all_that_differ, vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openbragg import Diagnosis, PixelComparison

_INDICES = "hkl"


@attrs.frozen
class HklPermutation:
    """h, k and l of one trace are those of the other with signs changed or places exchanged."""

    name: ClassVar[str] = "hkl-sign-or-axis"
    summary: ClassVar[str] = "indices with other signs, or in another order"
    flags: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[str] = "h k l"
    explanation: ClassVar[str] = (
        "The indices are the same numbers with other signs or in another order: an axis of the cell is reversed or "
        "taken for another, the rows of a matrix are exchanged, or the scattering vector has the opposite sense. "
        "Compare the cell vectors and q, which come before."
    )

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        """See `openbragg.Diagnosis.evidence`."""
        return in_all_that_differ(pixels, _permuted)


def _permuted(pixel: PixelComparison) -> str | None:
    triples = list(_triples(pixel))
    if not any(_differs(pixel, ours, theirs) for ours, theirs in triples):
        return None
    for order, signs in _signed_permutations():
        if not all(
            not _differs(pixel, [sign * ours[place] for place, sign in zip(order, signs, strict=True)], theirs)
            for ours, theirs in triples
        ):
            continue
        if _steps_follow(pixel, order, signs):
            words = (f"{'-' if sign < 0 else ''}{_INDICES[place]}" for place, sign in zip(order, signs, strict=True))
            return f"h k l of B are {' '.join(words)} of A"
    return None


def _triples(pixel: PixelComparison) -> Iterator[tuple[list[float], list[float]]]:
    """Fractional indices that both have, A's and B's."""
    found = vector(pixel, "hkl_frac")
    if found is not None:
        yield found
    names = [f"{index}_frac" for index in _INDICES]
    for step in pixel.steps:
        if all(name in step.sizes for name in names):
            triple = [step.first[name] for name in names], [step.second[name] for name in names]
            if all(math.isfinite(value) for side in triple for value in side):
                yield triple


def _differs(pixel: PixelComparison, ours: list[float], theirs: list[float]) -> bool:
    whole = pixel.value("hkl_frac")
    tolerance = whole.tolerance if whole is not None else pixel.numbers["h_frac"].tolerance
    return any(abs(b - a) > tolerance * max(1.0, abs(a), abs(b)) for a, b in zip(ours, theirs, strict=True))


def _steps_follow(pixel: PixelComparison, order: tuple[int, ...], signs: tuple[int, ...]) -> bool:
    """Whether an index of which alone the steps tell has its sign changed with the others."""
    return all(
        not _differs(pixel, [sign * step.first[name]], [step.second[name]])
        for name, place, sign, own in zip(("h_frac", "k_frac", "l_frac"), order, signs, range(3), strict=True)
        for step in pixel.steps
        if name in step.sizes and place == own
    )


def _signed_permutations() -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Those that change something, with the fewest changes first."""
    made = [
        (order, signs)
        for order in permutations(range(3))
        for signs in product((1, -1), repeat=3)
        if order != (0, 1, 2) or -1 in signs
    ]
    return sorted(made, key=lambda each: (sum(place != own for own, place in enumerate(each[0])), each[1].count(-1)))


@hookimpl
def diagnoses() -> list[type[Diagnosis]]:
    """Offer the diagnosis."""
    return [HklPermutation]
