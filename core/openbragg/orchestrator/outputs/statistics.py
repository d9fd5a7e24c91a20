"""Numbers that describe an image."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import torch

from openbragg.engine.pixels import Region

#: Pixels of which sums are taken at once: in double precision they fit into a processor's cache, and torch begins no
#: further threads for so few.
_TOGETHER = 1 << 15


@attrs.frozen
class Statistics:
    """Of the rendered pixels: the largest value in photons and where it is, mean, root mean square, deviation."""

    largest: float
    slow: int
    fast: int
    mean: float
    rms: float
    rmsd: float


def statistics(image: torch.Tensor, region: Region, mask: torch.Tensor | None = None) -> Statistics:
    """Statistics of what was rendered of an image (slow, fast): a region, where a mask of its shape is not 0.

    rms and rmsd are over n - 1 pixels as in the reference program. Where a mask hides everything, all are 0.
    """
    first_fast, last_fast, first_slow, last_slow = region
    rows, columns = slice(first_slow, last_slow + 1), slice(first_fast, last_fast + 1)
    part = image.detach()[rows, columns]
    slow, fast = divmod(int(part.argmax()), part.shape[1])
    seen = part.reshape(-1) if mask is None else part[mask[rows, columns].to(part.device, torch.bool)]
    freedom = max(1, seen.numel() - 1)
    mean = _sum(seen, torch.sum) / max(1, seen.numel())
    return Statistics(
        largest=float(part[slow, fast]),
        slow=slow + first_slow,
        fast=fast + first_fast,
        mean=mean,
        rms=math.sqrt(_sum(seen, _squares) / freedom),
        rmsd=math.sqrt(_sum(seen, lambda values: _squares(values.sub_(mean))) / freedom),
    )


def _sum(values: torch.Tensor, part: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """The sum over some values, piece by piece: `part` adds up a piece, which it may change, in double precision."""
    pieces = (values[first : first + _TOGETHER] for first in range(0, len(values), _TOGETHER))
    return math.fsum(float(part(piece.to(torch.float64, copy=True))) for piece in pieces)


def _squares(values: torch.Tensor) -> torch.Tensor:
    return values.square_().sum()
