"""Which terms of a pixel are written down."""

from __future__ import annotations

import attrs

from openbragg import Rule, UsageError, quoted

#: How people name the axes of a sum in a selection, and the axes of the trace that they mean.
SELECTED_AXES: dict[str, tuple[int, ...]] = {
    "layer": (0,),
    "slow_subpixel": (1,),
    "fast_subpixel": (2,),
    "subpixel": (1, 2),
    "source": (3,),
    "phi": (4,),
    "mosaic": (5,),
}
_EXPECTED = f"AXIS=NUMBER or AXIS=all, AXIS one of {', '.join(SELECTED_AXES)}"
#: No axis has a step with a longer number.
_MOST_DIGITS = 10


@attrs.frozen
class Selection:
    """Which terms of a pixel are written down: for each axis of the sum one step, or None for all of them.

    By default every rotation step of the first layer, subpixel, source and mosaic domain.
    """

    steps: tuple[int | None, ...] = (0, 0, 0, 0, None, 0)


def parse_selection(text: str) -> Selection:
    """A selection from words like ``source=0,mosaic=all``; axes that are not named stay at the default.

    Raises
    ------
    UsageError
        For a word that is not an axis, = and a whole number or ``all``.
    """
    steps = list(Selection().steps)
    for word in (part.strip() for part in text.split(",") if part.strip()):
        axis, _, value = (part.strip() for part in word.partition("="))
        if axis not in SELECTED_AXES or not (value == "all" or (value.isdecimal() and len(value) <= _MOST_DIGITS)):
            raise UsageError(f"--select: expected {_EXPECTED}, got {quoted(word)}")
        for number in SELECTED_AXES[axis]:
            steps[number] = None if value == "all" else int(value)
    return Selection(tuple(steps))


def _is_selection(text: str) -> bool:
    try:
        parse_selection(text)
    except UsageError:
        return False
    return True


#: A rule: words that `parse_selection` understands.
SELECTION = Rule(f"{_EXPECTED}, and commas between them", _is_selection)
