"""Random rotations of crystals, the same on every machine."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

#: Of a deviate from a hash.
_BITS = 53
#: Halvings of an interval until double precision ends.
_HALVINGS = 60


def random_rotation(spread: float, seed: int, *numbers: int) -> torch.Tensor:
    """A rotation up to an angle, all rotations within it alike probable: float64, (3, 3), for column vectors.

    The axis is uniform on the sphere, and the density of the angle w is 1 - cos(w) up to `spread` in radians, as of
    Haar's measure; from half a turn on, any orientation is alike probable. It is a hash of the seed and the numbers.
    """
    import torch

    from openbragg import rotation_about

    first, second, third = _deviates(seed, *numbers)
    height, around = 2.0 * first - 1.0, 2.0 * math.pi * second
    level = math.sqrt(max(0.0, 1.0 - height * height))
    axis = torch.tensor([level * math.cos(around), level * math.sin(around), height], dtype=torch.float64)
    angle = _angle(third, min(abs(spread), math.pi))
    return rotation_about(axis / axis.norm(), torch.tensor(angle, dtype=torch.float64))


def _angle(deviate: float, largest: float) -> float:
    """The angle w below which a part of all rotations up to the largest are: w - sin(w) is that part of the whole."""
    wanted = deviate * _whole(largest)
    low, high = 0.0, largest
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _whole(middle) < wanted else (low, middle)
    return (low + high) / 2.0


def _whole(angle: float) -> float:
    """w - sin(w); of small angles, whose difference is lost in rounding, its series."""
    return angle - math.sin(angle) if angle > 1e-2 else angle**3 / 6.0 * (1.0 - angle**2 / 20.0)


def _deviates(seed: int, *numbers: int) -> tuple[float, float, float]:
    """Three numbers from 0 up to 1."""
    words = " ".join(map(str, (seed, *numbers)))
    digest = hashlib.sha256(f"openbragg lattice {words}".encode()).digest()
    first, second, third = (int.from_bytes(digest[start : start + 8], "big") for start in (0, 8, 16))
    return tuple((each >> (64 - _BITS)) / (1 << _BITS) for each in (first, second, third))  # type: ignore[return-value]
