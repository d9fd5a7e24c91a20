"""Numbers that describe an image."""

from __future__ import annotations

import attrs
import torch

from openbragg.engine.pixels import Region


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
    part = image.detach()[first_slow : last_slow + 1, first_fast : last_fast + 1].to(torch.float64)
    place = int(part.argmax())
    slow, fast = divmod(place, part.shape[1])
    seen = part.reshape(-1)
    if mask is not None:
        seen = part[mask[first_slow : last_slow + 1, first_fast : last_fast + 1].to(part.device, torch.bool)]
    freedom = max(1, seen.numel() - 1)
    mean = float(seen.sum()) / max(1, seen.numel())
    return Statistics(
        largest=float(part[slow, fast]),
        slow=slow + first_slow,
        fast=fast + first_fast,
        mean=mean,
        rms=float((seen.square().sum() / freedom).sqrt()),
        rmsd=float(((seen - mean).square().sum() / freedom).sqrt()),
    )
