"""Matter without order: the amplitude of a molecule as a table of sin(theta)/lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch

    Array = np.ndarray[Any, np.dtype[np.float64]]


def table_tensors(stol: Array, amplitudes: Array, device: torch.device) -> tuple[torch.Tensor, ...]:
    """What `amplitude` needs: places in 1/metres, (rows,), and a polynomial of the way from each place to the next.

    Its coefficients are four tensors, the constant first: electrons and 1/metres. The slopes at the places are those of
    Fritsch and Carlson's monotone cubic: between two rows the curve stays between their amplitudes, so that it has no
    hump that the table has not, and never falls below 0.
    """
    import numpy as np
    import torch

    steps, rises = np.diff(stol), np.diff(amplitudes)
    if not len(steps):
        # The same everywhere.
        steps, rises = np.ones(1), np.zeros(1)
    rises = rises / steps
    slopes = np.zeros(len(steps) + 1)
    slopes[0], slopes[-1] = rises[0], rises[-1]
    before, after = rises[:-1], rises[1:]
    one, other = 2.0 * steps[1:] + steps[:-1], steps[1:] + 2.0 * steps[:-1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inner = (one + other) / (one / before + other / after)
    slopes[1:-1] = np.where(before * after <= 0.0, 0.0, inner)
    left, right = slopes[:-1], slopes[1:]
    polynomial = (
        amplitudes[: len(steps)],
        left,
        (3.0 * rises - 2.0 * left - right) / steps,
        (left + right - 2.0 * rises) / steps**2,
    )
    return tuple(torch.from_numpy(np.ascontiguousarray(column)).to(device) for column in (stol, *polynomial))


def amplitude(stol: torch.Tensor, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """F in electrons at sin(theta)/lambda in 1/metres, any shape; beyond the table, that of its first or last row."""
    import torch

    places, *polynomial = tables
    inside = stol.clamp(min=places[0], max=places[-1]).reshape(-1)
    interval = torch.bucketize(inside.detach(), places[1:-1])
    way = inside - places.index_select(0, interval)
    constant, slope, bend, twist = (coefficients.index_select(0, interval) for coefficients in polynomial)
    found = torch.addcmul(constant, way, torch.addcmul(slope, way, torch.addcmul(bend, way, twist)))
    return found.reshape(stol.shape)


def square_of(tables: tuple[torch.Tensor, ...]) -> Callable[[torch.Tensor], torch.Tensor]:
    """F squared as a function of sin(theta)/lambda, for `openbragg.PanelRays.scattered`."""

    def square(stol: torch.Tensor) -> torch.Tensor:
        found = amplitude(stol, tables)
        return found * found

    return square
