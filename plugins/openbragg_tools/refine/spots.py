"""Spots of an image: where they are, and how large."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import torch

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Pixels on a side of what is around a pixel, and standard deviations above it that make one of a spot.
_AROUND, _ABOVE = 21, 5.0
#: Pixels of a spot at least, and spots at most, the strongest.
_FEWEST, _MOST = 3, 600
#: Half widths of boxes in pixels: at least, at most, and what is added to the spot on each side.
_SMALLEST, _LARGEST, _MARGIN = 6.0, 20.0, 4.5


@attrs.frozen(eq=False)
class Spots:
    """Spots of an image.

    Attributes
    ----------
    centres
        (slow, fast) in pixels whose edges are whole numbers, (spots, 2).
    half_widths
        Of a box around each, in pixels, (spots,).
    """

    centres: Array
    half_widths: Array


def find_spots(photons: Array, usable: np.ndarray[Any, np.dtype[np.bool_]]) -> Spots:
    """Find groups of pixels well above what is around them.

    Parameters
    ----------
    photons
        The image, (slow, fast).
    usable
        Where it can be used, (slow, fast).
    """
    labels, excess = _groups(photons, usable)
    rows, columns = np.nonzero(labels >= 0)
    groups, member = np.unique(labels[rows, columns], return_inverse=True)
    if not len(groups):
        return Spots(np.zeros((0, 2)), np.zeros(0))
    weight = np.maximum(excess[rows, columns], 0.0)
    total = np.bincount(member, weight)
    size = np.bincount(member)
    centres = np.column_stack([np.bincount(member, weight * (places + 0.5)) / total for places in (rows, columns)])
    kept = np.argsort(-np.where(size >= _FEWEST, total, -1.0))[: min(_MOST, int((size >= _FEWEST).sum()))]
    half = np.zeros(len(groups))
    np.maximum.at(half, member, np.abs(rows + 0.5 - centres[member, 0]))
    np.maximum.at(half, member, np.abs(columns + 0.5 - centres[member, 1]))
    return Spots(centres[kept], np.clip(half[kept] + _MARGIN, _SMALLEST, _LARGEST))


def sized(centres: Array, found: Spots) -> Spots:
    """Spots at given places, (spots, 2), with the sizes of those that were found there."""
    if not len(found.centres):
        return Spots(centres, np.full(len(centres), 1.5 * _SMALLEST))
    away = np.linalg.norm(centres[:, None] - found.centres[None], axis=2)
    nearest = away.argmin(axis=1)
    usual = float(np.median(found.half_widths))
    near = away[np.arange(len(centres)), nearest] < found.half_widths[nearest]
    return Spots(centres, np.where(near, found.half_widths[nearest], usual))


def apart(centres: Array, others: Array, distance: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which places are farther than a distance from all others, (places,)."""
    if not len(others) or not len(centres):
        return np.ones(len(centres), dtype=bool)
    away: np.ndarray[Any, np.dtype[np.bool_]] = (
        np.linalg.norm(centres[:, None] - others[None], axis=2).min(axis=1) > distance
    )
    return away


def _groups(photons: Array, usable: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Array]:
    """A number for each pixel of a spot, one for a group that touches, else -1; and what is above the background."""
    values = torch.as_tensor(np.where(usable, photons, 0.0), dtype=torch.float64)[None, None]
    good = torch.as_tensor(usable, dtype=torch.float64)[None, None]
    strong = torch.zeros_like(good, dtype=torch.bool)
    background = torch.zeros_like(values)
    # A second look leaves the spots themselves out of what is around.
    for _ in range(3):
        weight = good * ~strong
        count = _mean(weight).clamp_min(1e-9)
        background = _mean(values * weight) / count
        spread = (_mean(values**2 * weight) / count - background**2).clamp_min(0.0).sqrt()
        strong = (values - background > _ABOVE * spread.clamp_min(0.5)) & (good > 0.0)
    labels = torch.where(strong, torch.arange(values.numel(), dtype=torch.float64).reshape(values.shape), -1.0)
    for _ in range(200):
        grown = torch.where(strong, torch.nn.functional.max_pool2d(labels, 3, 1, 1), -1.0)
        if bool((grown == labels).all()):
            break
        labels = grown
    return labels[0, 0].to(torch.int64).numpy(), (values - background)[0, 0].numpy()


def _mean(image: torch.Tensor) -> torch.Tensor:
    """Of what is around each pixel within the image: along rows, then along columns."""
    return _mean_of_rows(_mean_of_rows(image).mT).mT


def _mean_of_rows(image: torch.Tensor) -> torch.Tensor:
    """Of so many pixels around each, along its row, from differences of running sums."""
    places, half = torch.arange(image.shape[-1]), _AROUND // 2
    first, last = (places - half).clamp_min(0), (places + half + 1).clamp_max(len(places))
    running = torch.nn.functional.pad(image.cumsum(dim=-1), (1, 0))
    return (running[..., last] - running[..., first]) / (last - first)
