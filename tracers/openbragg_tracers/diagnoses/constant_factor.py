"""A factor that is missing, or there twice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl
from openbragg_tracers.diagnoses.evidence import CLOSE, is_close, number, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openbragg import Diagnosis, PixelComparison

#: What photons are the sum times, but for the steps, by which they are divided.
_CHAIN = ("r_e_sqr", "fluence_photons_per_m2", "steps", "capture_fraction", "polar", "omega_pixel")
_BEFORE_THE_SUM = ("geometry", "q", "cell", "h k l", "F_latt axes", "F_latt", "F_cell")
_LENGTHS = ("pix0_vector_meters", "pixel_pos_meters", "R_distance_meters", "diffracted_vec", "incident_vec")
_SUM, _PHOTONS, _IMAGE = "I_before_scaling", "I_pixel_final", "floatimage_accumulated"
#: What else a factor may be.
_OTHERS = ("obliquity_factor", "cos_2theta")


@attrs.frozen
class ConstantFactor:
    """The sum, the photons or the image differ by a factor, and what they were made from agrees."""

    name: ClassVar[str] = "constant-factor"
    summary: ClassVar[str] = "a factor that one program leaves out of the sum or the scale, or has twice"
    flags: ClassVar[tuple[str, ...]] = ()
    phase: ClassVar[str] = "sum"
    explanation: ClassVar[str] = (
        "Everything agrees but for a factor in the sum, or in the chain from the sum to the image. When it is one of "
        "the chain's numbers, one program leaves it out, has it twice or divides by it; when it is the ratio of what "
        "the two traces say of one, that number differs."
    )

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        """See `openbragg.Diagnosis.evidence`."""
        diverged = [pixel for pixel in pixels if pixel.diverged]
        found = [_links(pixel) for pixel in diverged]
        if not found or not all(found):
            return None
        named = [_named(pixel, links) for pixel, links in zip(diverged, found, strict=True)]
        if all(named):
            return named[0]
        return _unnamed(diverged, found)


@attrs.frozen
class _Link:
    """One step of the chain: of what, and how many times A's B's is."""

    words: str
    factor: float
    is_sum: bool


def _links(pixel: PixelComparison) -> list[_Link]:
    """Steps of the chain whose factor differs, of which everything before agrees."""
    ratios = {name: ratio(number(pixel, name)) for name in (_SUM, _PHOTONS, _IMAGE)}
    found = []
    summed, photons, image = ratios.values()
    if not pixel.agrees(*_LENGTHS):
        return []
    if summed is not None and _is_off(pixel, summed, _SUM) and pixel.phases_agree(*_BEFORE_THE_SUM):
        found.append(_Link(_SUM, summed, is_sum=True))
    if photons is not None and summed is not None and _is_off(pixel, photons / summed, _PHOTONS):
        found.append(_Link(f"{_PHOTONS} / {_SUM}", photons / summed, is_sum=False))
    if image is not None and photons is not None and _is_off(pixel, image / photons, _IMAGE):
        found.append(_Link(f"{_IMAGE} / {_PHOTONS}", image / photons, is_sum=False))
    return found


def _is_off(pixel: PixelComparison, factor: float, name: str) -> bool:
    found = pixel.value(name)
    return found is not None and 0.0 < abs(factor) < math.inf and abs(factor - 1.0) > max(found.tolerance, CLOSE)


def _named(pixel: PixelComparison, links: list[_Link]) -> str | None:
    """Each link with what its factor equals; None when one equals nothing."""
    words = []
    for link in links:
        equal = _ratio_of_chain(pixel, link) or _number_of_chain(pixel, link)
        if equal is None:
            return None
        words.append(f"{link.words} of B is {link.factor:.9g} times A's: {equal}")
    return "; ".join(words)


def _unnamed(pixels: list[PixelComparison], found: list[list[_Link]]) -> str | None:
    """A factor that equals nothing, when something shows that it is constant."""
    first = found[0]
    for links in found[1:]:
        same = len(links) == len(first) and all(
            own.words == other.words and is_close(own.factor, other.factor)
            for own, other in zip(links, first, strict=True)
        )
        if not same:
            return None
    if any(link.is_sum for link in first) and len(pixels) == 1 and not _is_constant(pixels[0], first[0].factor):
        return None
    words = [f"{link.words} of B is {link.factor:.9g} times A's" for link in first]
    return f"{'; '.join(words)}; no number of the chain and no ratio of two equals it"


def _is_constant(pixel: PixelComparison, factor: float) -> bool:
    """Whether the intensities of several steps differ by the factor."""
    pairs = [(step.first["intensity"], step.second["intensity"]) for step in pixel.steps if "intensity" in step.sizes]
    lit = [(ours, theirs) for ours, theirs in pairs if ours or theirs]
    return len(lit) > 1 and all(is_close(theirs, factor * ours) for ours, theirs in lit)


def _ratio_of_chain(pixel: PixelComparison, link: _Link) -> str | None:
    """The numbers of the chain that differ and whose ratio makes the factor."""
    ratios = {name: found for name in _CHAIN if (found := ratio(number(pixel, name))) is not None}
    differing = {name: found for name, found in ratios.items() if not is_close(found, 1.0)}
    for count in range(1, len(differing) + 1):
        for names in combinations(differing, count):
            made = math.fsum(_log(differing[name]) * (-1.0 if name == "steps" else 1.0) for name in names)
            if _is_log(link, made) or (link.is_sum and _is_log(link, -made)):
                return f"the ratio of {' and '.join(names)}, which differ{'s' if count == 1 else ''}"
    return None


def _number_of_chain(pixel: PixelComparison, link: _Link) -> str | None:
    """Numbers that both have, one or two of which make the factor."""
    for names, powers in _powers(list(_candidates(pixel, link))):
        values = [pair[0] for name in names if (pair := number(pixel, name)) is not None]
        if _is_log(link, math.fsum(_log(value) * power for value, power in zip(values, powers, strict=True))):
            return f"that is {_product(names, powers)}"
    return None


def _log(value: float) -> float:
    """Logarithm of the magnitude: products of numbers in a trace may be beyond all numbers."""
    return math.log(abs(value))


def _is_log(link: _Link, made: float) -> bool:
    return link.factor > 0.0 and abs(math.log(link.factor) - made) <= CLOSE


def _candidates(pixel: PixelComparison, link: _Link) -> Iterator[str]:
    """Numbers that agree and are neither 0 nor 1."""
    for name in (*_CHAIN, *_OTHERS, *(("F_cell",) if link.is_sum else ())):
        pair = number(pixel, name)
        if pair is not None and pair[0] > 0.0 and pixel.agrees(name) and not is_close(pair[0], 1.0):
            yield name


def _powers(names: list[str]) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """One number or two, to the first power or divided by, and the square of one alone."""
    yield from (((name,), (power,)) for power in (1, -1, 2, -2) for name in names)
    for pair in combinations(names, 2):
        yield from ((pair, powers) for powers in product((1, -1), repeat=2))


def _product(names: tuple[str, ...], powers: tuple[int, ...]) -> str:
    above = [f"{name}^2" if power == 2 else name for name, power in zip(names, powers, strict=True) if power > 0]
    below = [f"{name}^2" if power == -2 else name for name, power in zip(names, powers, strict=True) if power < 0]
    text = " x ".join(above) or "1"
    return f"{text} / {' / '.join(below)}" if below else text


@hookimpl
def diagnoses() -> list[type[Diagnosis]]:
    """Offer the diagnosis."""
    return [ConstantFactor]
