"""Type names for values that may be plain numbers or tensors with a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import torch

    Scalar: TypeAlias = float | torch.Tensor
    Vector: TypeAlias = tuple[Scalar, Scalar, Scalar] | torch.Tensor
else:
    Scalar = Vector = Any


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch tensor, told without importing torch."""
    return hasattr(value, "detach")


def plain(value: Scalar) -> float:
    """The number in a scalar, without its gradient."""
    return float(value) if isinstance(value, int | float) else float(value.detach())


def known(value: Any) -> bool:
    """Whether a value, or every element of a tuple, was given (is not None)."""
    if isinstance(value, tuple):
        return all(element is not None for element in value)
    return value is not None
