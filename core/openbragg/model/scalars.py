"""Type names for values that may be plain numbers or tensors with a gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from openbragg.errors import InputError

if TYPE_CHECKING:
    import torch

    Scalar: TypeAlias = float | torch.Tensor
    Vector: TypeAlias = tuple[Scalar, Scalar, Scalar] | torch.Tensor
else:
    Scalar = Vector = Any

#: Part of a quotient that a few dozen roundings to double precision add up to at most.
_ROUNDING = 1e-12


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch tensor, told without importing torch."""
    return hasattr(value, "detach")


def rounded_up(quotient: float, what: str) -> int:
    """The whole number at or above a quotient.

    Raises
    ------
    InputError
        When there is none, because what was divided is too far apart.
    """
    if not math.isfinite(quotient):
        raise InputError(f"{what}: more than can be counted")
    return math.ceil(quotient)


def whole_above(quotient: float, what: str) -> int:
    """As `rounded_up`, but a quotient that is whole but for rounding is that whole number.

    Raises
    ------
    InputError
        See `rounded_up`.
    """
    if not math.isfinite(quotient):
        return rounded_up(quotient, what)
    nearest = round(quotient)
    if abs(quotient - nearest) <= _ROUNDING * max(1.0, abs(quotient)):
        return nearest
    return rounded_up(quotient, what)


def plain(value: Any) -> float:
    """The number in a scalar (`Scalar`), without its gradient."""
    # numpy's whole numbers are none of Python's.
    return float(value.detach()) if is_tensor(value) else float(value)
