"""Rotations by vectors along their axes, as long as their angles in radians."""

from __future__ import annotations

import math

import torch

from openbragg import rotation_about

#: Terms of series in the square of an angle.
_TERMS = 9


def turn(vector: torch.Tensor) -> torch.Tensor:
    """The rotation about a vector by its length in radians, (3, 3); smooth at 0."""
    squared = vector @ vector
    if float(squared.detach()) > 1e-8:
        angle = squared.sqrt()
        rotation: torch.Tensor = rotation_about(vector / angle, angle)
        return rotation
    x, y, z = vector.unbind(0)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    # Three terms of the exponential series; the next is below rounding.
    made: torch.Tensor = torch.eye(3, dtype=vector.dtype) + cross + cross @ cross / 2.0 + cross @ cross @ cross / 6.0
    return made


def turns(vectors: torch.Tensor) -> torch.Tensor:
    """The rotations about some vectors by their lengths, of up to a radian: (n, 3) to (n, 3, 3), smooth at 0."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(-1, 3, 3)
    squared = (vectors * vectors).sum(dim=-1)[:, None, None]
    # sin(t) / t and (1 - cos(t)) / t^2, whose next terms are below rounding.
    sine = cosine = torch.zeros_like(squared)
    for power in reversed(range(_TERMS)):
        sine = sine * -squared + 1.0 / math.factorial(2 * power + 1)
        cosine = cosine * -squared + 1.0 / math.factorial(2 * power + 2)
    made: torch.Tensor = torch.eye(3, dtype=vectors.dtype) + sine * cross + cosine * (cross @ cross)
    return made


def turn_of(rotation: torch.Tensor) -> torch.Tensor:
    """The vector about which, and by whose length in radians, a rotation (3, 3) of less than half a turn turns."""
    odd = (rotation - rotation.T) / 2.0
    vector = torch.stack([odd[2, 1], odd[0, 2], odd[1, 0]])
    sine = vector.norm()
    angle = torch.atan2(sine, (rotation.trace() - 1.0) / 2.0)
    return vector * (angle / sine) if float(sine) > 0.0 else vector
