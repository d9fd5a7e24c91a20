"""Intervals sampled at a number of points: angles of divergence, wavelengths, layers of a sensor."""

from __future__ import annotations

import attrs

from openbragg.model.scalars import Scalar, plain, rounded_up, whole_above

#: Fewest points that span a range.
_ENDS = 2


@attrs.frozen
class Interval:
    """Points ``i * step - range / 2`` for i below `count`, in the unit of the range."""

    range: Scalar
    step: Scalar
    count: int


POINT = Interval(0.0, 0.0, 1)


def resolve_interval(whole: Scalar | None, step: Scalar | None, count: int | None, *, exact: bool = True) -> Interval:
    """Fill in what is not given of an interval, as the reference program does.

    A range alone has two points at its ends; range and step as many as cover it; range and count points from end to
    end; a step alone two points; a count alone spreads over 1 (a radian, say). Without extent it is one point.

    A range that is a whole number of steps but for rounding has that number; without `exact` the quotient is rounded up
    as it comes, as by the reference.
    """
    above = whole_above if exact else rounded_up
    stepped = step is not None and plain(step) > 0.0
    if not count:
        if whole is None:
            interval = Interval(step, step, _ENDS) if step is not None and stepped else POINT
        elif step is not None and stepped:
            interval = Interval(whole, step, above(plain(whole) / plain(step), "sources"))
        else:
            interval = Interval(whole, whole, _ENDS)
    elif whole is None:
        interval = Interval(step, step, _ENDS) if step is not None and stepped else Interval(1.0, 1.0 / count, count)
    elif step is not None and stepped:
        interval = Interval(whole, step, count)
    else:
        count = max(_ENDS, count)
        interval = Interval(whole, whole / (count - 1), count)
    if not (plain(interval.range) > 0.0 and plain(interval.step) > 0.0 and interval.count > 0):
        return POINT
    return interval
