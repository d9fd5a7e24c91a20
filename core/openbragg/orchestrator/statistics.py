"""Numbers that describe an image."""

from __future__ import annotations

import attrs
import torch

from openbragg.engine.image import Region


@attrs.frozen
class Statistics:
    """Of the rendered pixels: the largest value in photons and where it is, mean, root mean square, deviation."""

    largest: float
    slow: int
    fast: int
    mean: float
    rms: float
    rmsd: float


def statistics(image: torch.Tensor, region: Region) -> Statistics:
    """Statistics of the region of an image (slow, fast); rms and rmsd are over n - 1 pixels as in the reference."""
    first_fast, last_fast, first_slow, last_slow = region
    part = image.detach()[first_slow : last_slow + 1, first_fast : last_fast + 1].to(torch.float64)
    place = int(part.argmax())
    slow, fast = divmod(place, part.shape[1])
    freedom = max(1, part.numel() - 1)
    mean = float(part.mean())
    return Statistics(
        largest=float(part[slow, fast]),
        slow=slow + first_slow,
        fast=fast + first_fast,
        mean=mean,
        rms=float((part.square().sum() / freedom).sqrt()),
        rmsd=float(((part - mean).square().sum() / freedom).sqrt()),
    )
