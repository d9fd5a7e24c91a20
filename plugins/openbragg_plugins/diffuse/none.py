"""No diffuse scattering."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl

if TYPE_CHECKING:
    import torch

    from openbragg import DiffuseModel, Experiment, Lattice, Miller


@attrs.frozen
class NoDiffuse:
    """A crystal that scatters into its spots alone."""

    name: ClassVar[str] = "none"
    summary: ClassVar[str] = "nothing between the spots"
    flags: ClassVar[tuple[str, ...]] = ()

    def prepare(
        self, experiment: Experiment, reciprocal_vectors: torch.Tensor, space_group: str, device: torch.device
    ) -> tuple[torch.Tensor, ...] | None:
        """See `openbragg.DiffuseModel.prepare`: nothing is added."""
        return None

    def intensity(
        self,
        index: Miller,
        nearest: Miller,
        amplitude: Callable[[Miller], torch.Tensor],
        lattice: Lattice,
        parameters: tuple[torch.Tensor, ...],
    ) -> torch.Tensor:
        """See `openbragg.DiffuseModel.intensity`; 0, never asked."""
        return index.h.to(lattice.dtype) * 0.0


@hookimpl
def diffuse_models() -> list[type[DiffuseModel]]:
    """Offer it."""
    return [NoDiffuse]
