"""The contract of diffuse scattering: what a crystal scatters between its spots."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from openbragg.roles.lattice_shapes import Lattice
from openbragg.roles.miller import Miller
from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    import torch

    from openbragg.model import Experiment


@runtime_checkable
class DiffuseModel(Plugin, Protocol):
    """Intensity of a crystal's disorder, which is added to that of its spots term by term."""

    def prepare(
        self, experiment: Experiment, reciprocal_vectors: torch.Tensor, space_group: str, device: torch.device
    ) -> tuple[torch.Tensor, ...] | None:
        """The tensors that `intensity` needs, float64; None where there is none to add. Called once a layout.

        Parameters
        ----------
        experiment
            The resolved experiment.
        reciprocal_vectors
            Rows a*, b*, c* of the mounted crystal in 1/metres, float64, (3, 3).
        space_group
            The name that the structure factors give; empty where they give none.
        device
            Where the tensors are wanted.

        Raises
        ------
        InputError
            When its settings cannot be used.
        """

    def intensity(
        self,
        index: Miller,
        nearest: Miller,
        amplitude: Callable[[Miller], torch.Tensor],
        lattice: Lattice,
        parameters: tuple[torch.Tensor, ...],
    ) -> torch.Tensor:
        """What is added to F_cell^2 F_latt^2, in squared electrons.

        Parameters
        ----------
        index, nearest
            Fractional and nearest whole h, k, l, float64, any shape.
        amplitude
            Gives F_cell in electrons at whole indices of that shape.
        lattice
            The lattice that the shape is asked about.
        parameters
            What `prepare` returned.

        Returns
        -------
        Tensor of the indices' shape and `lattice.dtype`, 0 or more.
        """
