"""Pixels that a CrystFEL geometry file calls bad."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from openbragg import InputError, PanelGeometry
from openbragg_plugins.geometry_readers.numbers import number, whole_number
from openbragg_plugins.geometry_readers.spans import MOST_ROWS, Rectangle, Span, cropped, inside, rectangles

_IN_DATA = ("min_fs", "max_fs", "min_ss", "max_ss")
_IN_LABORATORY = ("min_x", "max_x", "min_y", "max_y")
_ASLANT = f"aslant on panels of more than {MOST_ROWS} rows"
#: An axis has no part along another one below this.
_NONE = 1e-12


@attrs.frozen
class Word:
    """A value and the line it stands on."""

    line: int
    text: str


Keys = Mapping[str, Word]


def bad_pixels(
    path: Path,
    regions: Mapping[str, Keys],
    keys: Mapping[str, Keys],
    panels: tuple[PanelGeometry, ...],
    rows: Mapping[str, int],
) -> tuple[tuple[Rectangle, ...], tuple[str, ...]]:
    """Rectangles of the image with bad pixels, and what is to be said of those that are not heeded.

    Parameters
    ----------
    regions
        The bad regions: each in fs and ss, both ends included, or in x and y of the laboratory in pixels, between which
        the corner of a pixel that is its place lies, as in CrystFEL.
    keys, panels, rows
        What is said of each panel, the panels, and the rows of the image above each one's part of the data.

    Raises
    ------
    InputError
        When a number is none, or a panel is not there.
    """
    found: list[Rectangle] = []
    left_out: dict[str, list[str]] = {"without four limits in fs and ss or in x and y": [], _ASLANT: []}
    without, aslant = left_out.values()
    for name, region in regions.items():
        if "panel" in region and region["panel"].text not in rows:
            word = region["panel"]
            raise InputError(f"{path}, line {word.line}: there is no panel {ascii(word.text)[:60]}")
        there = [panel for panel in panels if "panel" not in region or panel.name == region["panel"].text]
        if all(key in region for key in _IN_DATA):
            # CrystFEL cuts the fractions off.
            limits = [math.trunc(number(path, region[key].line, region[key].text)) for key in _IN_DATA]
            for panel in there:
                found.extend(_in_data(panel, limits, rows[panel.name]))
        elif all(key in region for key in _IN_LABORATORY):
            bounds = [number(path, region[key].line, region[key].text) for key in _IN_LABORATORY]
            made = [_in_laboratory(panel, bounds) for panel in there]
            found.extend(rectangle for each in made if each is not None for rectangle in each)
            aslant.extend([name] if None in made else [])
        else:
            without.append(name)
    for panel in panels:
        found.extend(_of_panel(path, keys[panel.name], panel))
    notices = (
        f"{path}: bad regions {which} are passed over: {ascii(', '.join(names))[1:-1][:60]}"
        for which, names in left_out.items()
        if names
    )
    return tuple(dict.fromkeys(found)), tuple(notices)


def _of_panel(path: Path, keys: Keys, panel: PanelGeometry) -> Iterator[Rectangle]:
    """All of a panel that is not to be used, or its edge."""
    slow, fast = panel.slab or (0, 0)
    last_slow, last_fast = slow + panel.pixels[0] - 1, fast + panel.pixels[1] - 1
    unused = keys["no_index"].text.lower() if "no_index" in keys else "0"
    if unused == "true" or (unused[:1].isdigit() and unused.strip("0.")):
        yield fast, last_fast, slow, last_slow
    if "mask_edge_pixels" not in keys:
        return
    width = whole_number(path, keys["mask_edge_pixels"].line, keys["mask_edge_pixels"].text)
    if width > 0:
        yield fast, last_fast, slow, min(slow + width - 1, last_slow)
        yield fast, last_fast, max(last_slow - width + 1, slow), last_slow
        yield fast, min(fast + width - 1, last_fast), slow, last_slow
        yield max(last_fast - width + 1, fast), last_fast, slow, last_slow


def _in_data(panel: PanelGeometry, limits: list[int], above: int) -> Iterator[Rectangle]:
    """The part of a panel within limits in fs and ss of the data."""
    slow, fast = panel.slab or (0, 0)
    for first, last in cropped((limits[0] - fast, limits[1] - fast), panel.pixels[1]):
        for top, bottom in cropped((limits[2] + above - slow, limits[3] + above - slow), panel.pixels[0]):
            yield fast + first, fast + last, slow + top, slow + bottom


def _in_laboratory(panel: PanelGeometry, bounds: list[float]) -> list[Rectangle] | None:
    """The part of a panel between bounds in x and y; None where it is of too many rows to tell one by one."""
    slow, fast = panel.slab or (0, 0)
    found: list[Rectangle] = []
    # Each bound is on one index alone where the axes are along x and y.
    columns, lines = [(0, panel.pixels[1] - 1)], [(0, panel.pixels[0] - 1)]
    oblique = []
    for axis, (low, high) in enumerate((bounds[:2], bounds[2:])):
        start = panel.origin[axis] / panel.pixel_size
        along, down = panel.fast[axis], panel.slow[axis]
        if abs(along) > _NONE and abs(down) > _NONE:
            oblique.append((low - start, high - start, along, down))
        elif abs(down) > _NONE:
            lines = [part for span in lines for part in _meet(span, _between(low - start, high - start, down))]
        elif abs(along) > _NONE:
            columns = [part for span in columns for part in _meet(span, _between(low - start, high - start, along))]
        elif not low < start < high:
            return []
    for top, bottom in lines:
        for first, last in columns:
            if not oblique:
                found.append((fast + first, fast + last, slow + top, slow + bottom))
                continue
            if bottom - top >= MOST_ROWS:
                return None
            each = ((row, _in_row((first, last), row, oblique)) for row in range(top, bottom + 1))
            found.extend(
                (fast + left, fast + right, slow + up, slow + low) for left, right, up, low in rectangles(each)
            )
    return found


def _in_row(span: Span, row: int, bounds: list[tuple[float, float, float, float]]) -> list[Span]:
    """The pixels of a span of a row whose place is between bounds: low and high, and what fs and ss add to it."""
    spans = [span]
    for low, high, along, down in bounds:
        within = _between(low - down * row, high - down * row, along)
        spans = [part for each in spans for part in _meet(each, within)]
    return spans


def _between(low: float, high: float, step: float) -> Span:
    """The whole numbers whose product with a step, which is not 0, is strictly between two numbers."""
    ends = sorted((low / step, high / step))
    return inside(*ends) if low < high else (0, -1)


def _meet(one: Span, other: Span) -> Iterator[Span]:
    """What two spans share, where they share anything."""
    first, last = max(one[0], other[0]), min(one[1], other[1])
    if first <= last:
        yield first, last
