"""What a comparison says, as lines of text and tables; how they look is another's business."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from openbragg import PixelComparison, StepComparison, TraceDifference, TracedPixel, TracePlace
from openbragg_tracers.comparison.differences import Comparison, names_of_one, steps_of_one
from openbragg_tracers.comparison.findings import Finding
from openbragg_tracers.traces.model import STEP_AXES, Value, pixel_name

#: Steps that a table shows at most, in full and in brief, and places in a line.
_MOST_STEPS, _MOST_PLACES = (500, 40), 5
#: Stands beside a difference beyond its tolerance.
MARK = "*"
_CHAIN = ("sum", "scaling")


@attrs.frozen
class Table:
    """Rows of words under a title; the first `labels` columns are names, the others numbers."""

    title: str
    header: list[str]
    rows: list[list[str]]
    labels: int = 1


@attrs.frozen
class Facts:
    """Words and what there is to say of each."""

    rows: list[tuple[str, str]]


@attrs.frozen
class Heading:
    """What the blocks that follow are about."""

    text: str


Block = Table | Facts | Heading


def report(comparison: Comparison, findings: Sequence[Finding] = (), *, brief: bool = False) -> Iterator[Block]:
    """What there is to say of a comparison, in the order in which one wants to know it.

    Parameters
    ----------
    comparison
        What was compared.
    findings
        What explains the differences.
    brief
        Whether the values of a pixel are summed up by phase, and fewer steps are shown. Of more steps than a table
        shows, those that diverged come first.
    """
    yield Facts([*_sides(comparison), *_verdict(comparison, findings)])
    for pixel in comparison.pixels:
        yield Heading(pixel_words(pixel))
        yield Facts(list(_pixel_facts(pixel)))
        yield _phases_table(pixel) if brief else _values_table(pixel)
        if pixel.numbers:
            yield _steps_table(pixel, _MOST_STEPS[brief])
        chain = [each for each in pixel.values if each.phase in _CHAIN]
        if chain:
            yield _chain_table(chain)


def divergence_words(difference: TraceDifference) -> str:
    """Where the first divergence is, and how large."""
    name = f"{difference.phase} ({difference.name})"
    where = ""
    if difference.place is not None:
        where = f" at {difference.place}"
    elif difference.phi_tic is not None:
        where = f" at phi_tic {difference.phi_tic}"
    return f"{name}{where}: {difference.size:.3g}, tolerance {difference.tolerance:g}"


def pixel_words(pixel: PixelComparison) -> str:
    """Which pixel it is."""
    ours, theirs = pixel.first, pixel.second
    words = f"pixel {pixel_name(ours)}"
    if (ours.slow, ours.fast) == (theirs.slow, theirs.fast):
        return words
    return f"{words} of A, {pixel_name(theirs)} of B"


def value_words(value: Value) -> str:
    """A number, a vector or words, with all digits."""
    if isinstance(value, list):
        return " ".join(map(value_words, value))
    return value if isinstance(value, str) else f"{value:.15g}"


def _sides(comparison: Comparison) -> Iterator[tuple[str, str]]:
    for name, file in (("A", comparison.first), ("B", comparison.second)):
        count = len(file.pixels)
        yield name, f"{file.name()} ({file.kind}, {count} pixel{'' if count == 1 else 's'})"
    named = {difference.name: difference.tolerance for pixel in comparison.pixels for difference in pixel.values}
    for pixel in comparison.pixels:
        named |= {name: number.tolerance for name, number in pixel.numbers.items()}
    default = comparison.tolerances.default
    yield (
        "tolerance",
        "; ".join([f"{default:g}", *(f"{name} {value:g}" for name, value in named.items() if value != default)]),
    )
    for name, pixels in (("A", comparison.only_first), ("B", comparison.only_second)):
        if pixels:
            yield f"only in {name}", _pixels_words(pixels)


def _pixels_words(pixels: list[TracedPixel]) -> str:
    shown = "; ".join(map(pixel_name, pixels[:_MOST_PLACES]))
    more = len(pixels) - _MOST_PLACES
    return f"{len(pixels)} pixel{'' if len(pixels) == 1 else 's'}: {shown}" + (f"; {more} more" if more > 0 else "")


def _verdict(comparison: Comparison, findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    found = comparison.first_divergence()
    total = len(comparison.pixels)
    if found is None:
        yield "verdict", "within tolerance"
        return
    earliest, pixel = found
    diverged = comparison.diverged()
    yield "verdict", "diverged" if total == 1 else f"diverged in {len(diverged)} of {total} pixels"
    yield "first divergence", divergence_words(earliest) + (f"; {pixel_words(pixel)}" if total > 1 else "")
    if not findings:
        yield "diagnosis", "none of the known patterns fits"
    for finding in findings:
        yield "diagnosis", f"{finding.name}: {finding.evidence}"
        yield "", finding.explanation


def _pixel_facts(pixel: PixelComparison) -> Iterator[tuple[str, str]]:
    found = pixel.first_divergence
    if found is None:
        yield "verdict", "within tolerance"
    else:
        yield "first divergence", divergence_words(found)
        yield "A", value_words(found.first)
        yield "B", value_words(found.second)
    if pixel.steps:
        off = [step.place for step in pixel.steps if not pixel.step_agrees(step)]
        said = f"{len(off)} beyond tolerance: {_places_words(off)}" if off else "all within tolerance"
        yield "steps", f"{len(pixel.steps)} in both; {said}"
    for name, names, places in zip("AB", names_of_one(pixel), steps_of_one(pixel), strict=True):
        if names:
            yield f"only in {name}", ", ".join(names)
        if places:
            yield f"only in {name}", f"{len(places)} step{'' if len(places) == 1 else 's'}: {_places_words(places)}"


def _places_words(places: list[TracePlace]) -> str:
    shown = "; ".join(map(str, places[:_MOST_PLACES]))
    return f"{shown}; {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else shown


def _values_table(pixel: PixelComparison) -> Table:
    rows = []
    for each in pixel.values:
        rows.append([each.phase, each.name, _size(each.size, each.diverged), f"{each.tolerance:g}"])
    return Table("values of the pixel", ["phase", "quantity", "difference", "tolerance"], rows, labels=2)


def _phases_table(pixel: PixelComparison) -> Table:
    """Of each phase the value of the pixel that is closest to its tolerance, or furthest beyond."""
    rows = []
    for phase in dict.fromkeys(each.phase for each in pixel.values):
        within = [each for each in pixel.values if each.phase == phase]
        worst = max(within, key=lambda each: (each.diverged, each.size / (each.tolerance or 1.0)))
        off = sum(each.diverged for each in within)
        rows.append([phase, worst.name, _size(worst.size, worst.diverged), f"{off} of {len(within)}"])
    return Table("values of the pixel", ["phase", "furthest off", "difference", "beyond tolerance"], rows, labels=2)


def _steps_table(pixel: PixelComparison, most: int) -> Table:
    """Differences of the steps; axes on which all are the first are left out."""
    shown = _shown(pixel, most)
    axes = [axis for axis in STEP_AXES if axis == "phi_tic" or any(getattr(step.place, axis) for step in pixel.steps)]
    has_phi = "phi_deg" in pixel.numbers
    names = [name for name in pixel.numbers if name != "phi_deg"]
    rows = []
    for step in shown:
        row = [str(getattr(step.place, axis)) for axis in axes]
        row += [f"{step.first['phi_deg']:g}" if "phi_deg" in step.sizes else ""] if has_phi else []
        rows.append(row + [_step_size(pixel, step, name) for name in names])
    title = "differences of the steps"
    left_out = len(pixel.steps) - len(shown)
    if left_out:
        off = sum(not pixel.step_agrees(step) for step in pixel.steps) - sum(
            not pixel.step_agrees(each) for each in shown
        )
        title += f" ({left_out} more steps, {off} of them beyond tolerance)"
    return Table(title, [*axes, *(["phi_deg"] if has_phi else []), *names], rows, labels=0)


def _shown(pixel: PixelComparison, most: int) -> Sequence[StepComparison]:
    if len(pixel.steps) <= most:
        return pixel.steps
    chosen = sorted(pixel.steps, key=lambda step: (pixel.step_agrees(step), step.place))[:most]
    return sorted(chosen, key=lambda step: step.place)


def _step_size(pixel: PixelComparison, step: StepComparison, name: str) -> str:
    if name not in step.sizes:
        return ""
    difference = pixel.difference(step, name)
    return _size(difference.size, difference.diverged)


def _chain_table(chain: Iterable[TraceDifference]) -> Table:
    rows = [
        [
            each.name,
            value_words(each.first),
            value_words(each.second),
            _ratio(each),
            _size(each.size, each.diverged),
        ]
        for each in chain
    ]
    return Table("scaling chain", ["factor", "A", "B", "B/A", "difference"], rows)


def _ratio(difference: TraceDifference) -> str:
    ours, theirs = difference.first, difference.second
    if isinstance(ours, str | list) or isinstance(theirs, str | list) or not ours:
        return ""
    return f"{theirs / ours:.12g}"


def _size(size: float, diverged: bool) -> str:
    return f"{size:.2g}{MARK}" if diverged else f"{size:.2g}"
