"""Indices of reflections, and offsets from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Miller(NamedTuple):
    """h, k and l as three tensors of one shape; indices, or offsets from them."""

    h: torch.Tensor
    k: torch.Tensor
    l: torch.Tensor
