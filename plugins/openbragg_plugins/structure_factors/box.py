"""Reflections as a box of amplitudes with a border of default ones, in which they are looked up."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from openbragg import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch

    Indices = np.ndarray[Any, np.dtype[np.int64]]

#: A table may span this many indices, or so many for each reflection in it, before it is taken for a mistake.
_LARGEST_BOX = 1 << 26
_BOX_PER_REFLECTION = 64
#: Numbers of a table of several columns, at most.
_LARGEST_TABLE = 1 << 29


def boxed(
    indices: Indices, values: torch.Tensor, default: torch.Tensor, where: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Reflections in a box of default values, float64, (h, k, l) or (h, k, l, column), and its first h k l, (3,) int64.

    Parameters
    ----------
    indices
        h k l, (reflections, 3); the last of equal ones counts.
    values
        float64, (reflections,) or (reflections, columns), on the device of `default`; gradients flow.
    default
        What reflections have that are not given, float64, (1,) or (columns,).
    where
        What messages call the reflections.

    Raises
    ------
    InputError
        When they are so far apart that the box would hold next to nothing.
    """
    import torch

    h, k, l = indices.T.copy()  # numpy is slow along three columns
    lowest, highest = [int(index.min()) for index in (h, k, l)], [int(index.max()) for index in (h, k, l)]
    extent = [high - low + 1 for low, high in zip(lowest, highest, strict=True)]
    box = extent[0] * extent[1] * extent[2]
    if box > max(_LARGEST_BOX, _BOX_PER_REFLECTION * len(indices)):
        raise InputError(f"{where}: {len(indices)} reflections spread from {lowest} to {highest}")
    columns = values.shape[1:]
    if box * prod(columns) > max(_LARGEST_TABLE, _BOX_PER_REFLECTION * len(indices)):
        raise InputError(f"{where}: {len(indices)} reflections of {columns[0]} values each are too many")
    flat = ((h - lowest[0]) * extent[1] + (k - lowest[1])) * extent[2] + (l - lowest[2])
    # The last of equal indices counts, as in the reference; scattering on a device keeps no order, so choose here.
    unique, chosen = (torch.from_numpy(places) for places in _last_occurrences(flat))
    table = default.expand(box, *columns).clone()
    table = table.index_put((unique.to(default.device),), values[chosen.to(values.device)].to(default.device))
    return table.reshape(*extent, *columns), torch.tensor(lowest, dtype=torch.int64)


def bordered(
    table: torch.Tensor, lowest: torch.Tensor, default: torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A box with a border of default values, flat, (place,) or (place, column); its lowest and highest h k l, float64.

    The arguments are what `boxed` gives, and was given.
    """
    import torch

    extent, columns = table.shape[:3], table.shape[3:]
    wide = [length + 2 for length in extent]
    whole = default.expand(wide[0] * wide[1] * wide[2], *columns).reshape(*wide, *columns).clone()
    whole[1:-1, 1:-1, 1:-1] = table
    highest = lowest + torch.tensor(extent) - 1
    device = default.device
    return (
        whole.reshape(-1, *columns).to(dtype),
        lowest.to(device, torch.float64),
        highest.to(device, torch.float64),
    )


def _last_occurrences(values: Indices) -> tuple[Indices, Indices]:
    """The distinct values of a list, and where each stands last."""
    import numpy as np

    # numpy makes use of an order that is there already; torch takes ten times as long.
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    return ordered[last], order[last]
