"""Random numbers of one seed for many purposes, none of which changes another's."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def stream_seed(seed: int, name: str) -> int:
    """The seed of a named stream, of 63 bits: from a hash of the seed and the name."""
    digest = hashlib.sha256(f"openbragg noise {seed} {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, name: str, device: torch.device) -> torch.Generator:
    """A generator of its own for everything that is drawn under one name."""
    import torch

    return torch.Generator(device=device).manual_seed(stream_seed(seed, name))


def normal(
    shape: tuple[int, ...], seed: int, name: str, device: torch.device, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """Normal deviates of mean 0 and variance 1 from a named stream, float64 by default."""
    import torch

    return torch.randn(shape, generator=stream(seed, name, device), dtype=dtype or torch.float64, device=device)


def uniform(shape: tuple[int, ...], seed: int, name: str, device: torch.device) -> torch.Tensor:
    """Deviates from [0, 1) from a named stream, float32: whole multiples of 6e-8."""
    import torch

    return torch.rand(shape, generator=stream(seed, name, device), dtype=torch.float32, device=device)
