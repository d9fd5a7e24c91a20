"""Matter without order: the amplitude of a molecule as a table of sin(theta)/lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch

    Array = np.ndarray[Any, np.dtype[np.float64]]


def table_tensors(stol: Array, amplitudes: Array, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Places in 1/metres, amplitudes in electrons and their slopes, (rows,) each, as `amplitude` needs them.

    The slopes are those of Fritsch and Carlson's monotone cubic: between two rows the curve stays between their
    amplitudes, so that it has no hump that the table has not, and never falls below 0.
    """
    import numpy as np
    import torch

    slopes = np.zeros_like(amplitudes)
    if len(stol) > 1:
        steps = np.diff(stol)
        rises = np.diff(amplitudes) / steps
        slopes[0], slopes[-1] = rises[0], rises[-1]
        before, after = rises[:-1], rises[1:]
        turns = before * after <= 0.0
        one, other = 2.0 * steps[1:] + steps[:-1], steps[1:] + 2.0 * steps[:-1]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            inner = (one + other) / (one / before + other / after)
        slopes[1:-1] = np.where(turns, 0.0, inner)
    return tuple(torch.from_numpy(column.copy()).to(device) for column in (stol, amplitudes, slopes))


def amplitude(stol: torch.Tensor, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """F in electrons at sin(theta)/lambda in 1/metres, any shape; beyond the table, that of its first or last row."""
    import torch

    places, amplitudes, slopes = tables
    if len(places) == 1:
        return amplitudes.expand(stol.shape)
    inside = stol.clamp(min=places[0], max=places[-1])
    right = torch.searchsorted(places, inside.detach()).clamp(1, len(places) - 1)
    left = right - 1
    step = places[right] - places[left]
    part = (inside - places[left]) / step
    rest = 1.0 - part
    ends = rest * rest * (1.0 + 2.0 * part) * amplitudes[left] + part * part * (1.0 + 2.0 * rest) * amplitudes[right]
    bends = step * part * rest * (rest * slopes[left] - part * slopes[right])
    return ends + bends


def square_of(tables: tuple[torch.Tensor, ...]) -> Callable[[torch.Tensor], torch.Tensor]:
    """F squared as a function of sin(theta)/lambda, for `openbragg.PanelRays.scattered`."""

    def square(stol: torch.Tensor) -> torch.Tensor:
        found = amplitude(stol, tables)
        return found * found

    return square
