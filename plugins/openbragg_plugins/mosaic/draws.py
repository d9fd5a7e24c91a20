"""Numbers that fill a cube, and what is made of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

#: Half of the step between the numbers of torch's sequences, which have 30 bits.
_HALF_STEP = 2.0**-31


@lru_cache(maxsize=8)
def scrambled_sobol(count: int, seed: int) -> torch.Tensor:
    """The first points of a scrambled Sobol sequence, inside the unit cube, (count, 3); not to be changed.

    Source: A. B. Owen, *J. Complexity* **14**, 466-489 (1998), as `torch.quasirandom.SobolEngine` has it.
    """
    import torch

    engine: Any = torch.quasirandom.SobolEngine
    drawn: torch.Tensor = engine(3, scramble=True, seed=seed).draw(count, dtype=torch.float64)
    return drawn.clamp(0.0, 1.0 - 2.0 * _HALF_STEP) + _HALF_STEP


@lru_cache(maxsize=8)
def random_points(count: int, seed: int) -> torch.Tensor:
    """Random points inside the unit cube, (count, 3); not to be changed."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand((count, 3), generator=generator, dtype=torch.float64)
    return drawn.clamp(_HALF_STEP, 1.0 - _HALF_STEP)


def normal_deviates(parts: torch.Tensor) -> torch.Tensor:
    """Numbers below which a standard normal distribution has these parts of it, of any shape."""
    deviates: torch.Tensor = 2.0**0.5 * (2.0 * parts - 1.0).erfinv()
    return deviates
