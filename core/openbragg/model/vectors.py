"""Vectors and rotations as float64 tensors on the CPU; everything keeps its gradient.

Geometry is a handful of numbers: it is worked out on the CPU whatever device renders the image, and a parameter
that lives on another device gets its gradient there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd import forward_ad


def carries_derivatives(tensor: torch.Tensor) -> bool:
    """Whether derivatives flow from a tensor: backwards, forwards, or as `torch.func` transforms it.

    Then a value that happens to be 1, or equal to another, is no reason to leave it out.
    """
    return tensor.requires_grad or is_transformed(tensor)


def is_transformed(tensor: torch.Tensor) -> bool:
    """Whether torch differentiates forwards, or transforms by `torch.func`, what is computed from a tensor."""
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return True
    if forward_ad._current_level < 0:
        return False
    return forward_ad.unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]


def scalar(value: Any) -> torch.Tensor:
    """A number or tensor as a 0-dimensional float64 tensor."""
    return torch.as_tensor(value, dtype=torch.float64, device="cpu").reshape(())


def vector(values: Any) -> torch.Tensor:
    """Three numbers or tensors, or one tensor, as a float64 tensor of shape (3,)."""
    if isinstance(values, torch.Tensor):
        return values.to("cpu", torch.float64).reshape(3)
    return torch.stack([scalar(value) for value in values])


def matrix(rows: Any) -> torch.Tensor:
    """Three rows of three as a float64 tensor of shape (3, 3)."""
    if isinstance(rows, torch.Tensor):
        return rows.to("cpu", torch.float64).reshape(3, 3)
    return torch.stack([vector(row) for row in rows])


def unit(values: torch.Tensor) -> torch.Tensor:
    """The unit vector of shape (3,) along a vector; a zero vector stays zero."""
    # Not by `norm`, whose rounding hangs on how many numbers the machine adds at once.
    x, y, z = values.unbind(0)
    length = (x * x + y * y + z * z).sqrt()
    return values / length if bool(length > 0) else values


def rotation_about(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Right-handed rotations about unit axes (Rodrigues' formula).

    Parameters
    ----------
    axis
        Unit vectors, shape (..., 3).
    angle
        Radians, shape (...).

    Returns
    -------
    Matrices that act on column vectors, shape (..., 3, 3).
    """
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*axis.shape[:-1], 3, 3)
    outer = axis.unsqueeze(-1) * axis.unsqueeze(-2)
    sine, cosine = angle.sin()[..., None, None], angle.cos()[..., None, None]
    identity = torch.eye(3, dtype=axis.dtype, device=axis.device)
    return cosine * identity + (1.0 - cosine) * outer + sine * cross


def rotation_xyz(angles: Any) -> torch.Tensor:
    """Rotation about the laboratory's x, then y, then z axis; angles in radians, result (3, 3)."""
    axes = torch.eye(3, dtype=torch.float64)
    about_x, about_y, about_z = rotation_about(axes, vector(angles)).unbind(0)
    return about_z @ about_y @ about_x


def angles_of(rotation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same as `angles_xyz` of a matrix (3, 3), float64, as numbers with gradients."""
    sine = -rotation[2, 0]
    if bool(sine.abs() >= 1.0):
        zero = torch.zeros_like(sine)
        return torch.atan2(-rotation[1, 2], rotation[1, 1]), torch.asin(sine.clamp(-1.0, 1.0)), zero
    level = torch.hypot(rotation[2, 1], rotation[2, 2])
    return (
        torch.atan2(rotation[2, 1], rotation[2, 2]),
        torch.atan2(sine, level),
        torch.atan2(rotation[1, 0], rotation[0, 0]),
    )


def angles_xyz(rotation: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """The x, y, z angles in radians that `rotation_xyz` turns back into a rotation matrix of plain numbers."""
    from math import atan2, hypot, pi

    (r11, r12, _), (r21, r22, _), (r31, r32, r33) = rotation
    if r31 * r31 < 1.0:
        return atan2(r32, r33), atan2(-r31, hypot(r32, r33)), atan2(r21, r11)
    return pi, pi / 2.0, atan2(r12, -r22)
