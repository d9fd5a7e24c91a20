"""The contract of mosaic models: how the blocks of a crystal are turned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from openbragg.roles.lattice_shapes import Lattice, LatticeShape
from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    import torch

    from openbragg.model import Crystal


@attrs.frozen(eq=False)
class MosaicBlocks:
    """The orientations that stand for all blocks of a crystal.

    Attributes
    ----------
    rotations
        Of each, which turns the mounted crystal's vectors about laboratory axes: float64, (domains, 3, 3).
    weights
        The part of the crystal that each stands for: float64, (domains,), with the sum 1; None where all are alike.
    mounted
        Whether they turn the crystal as it is mounted, before the spindle does, so that their axes turn with it.
    """

    rotations: torch.Tensor
    weights: torch.Tensor | None = None
    mounted: bool = False


@runtime_checkable
class MosaicModel(Plugin, Protocol):
    """The orientations of a crystal's blocks.

    They are taken after the spindle's rotation, about axes that stay in the laboratory, as the reference takes them;
    or before it, where their axes are the crystal's own (`MosaicBlocks.mounted`).
    """

    def domains(self, crystal: Crystal) -> int:
        """How many orientations there will be: `Crystal.mosaic_domains` or a default; 1 where nothing is spread."""

    def blocks(self, crystal: Crystal, axes: torch.Tensor) -> MosaicBlocks:
        """The orientations.

        Parameters
        ----------
        crystal
            Its `mosaic_domains` is what `domains` said. Numbers may be tensors with gradients, which must flow on.
        axes
            Rows a, b, c of the mounted crystal in metres, float64, (3, 3).

        Raises
        ------
        InputError
            When its settings, or a file, cannot be used.
        """


@runtime_checkable
class ClosedMosaicModel(MosaicModel, Protocol):
    """A model whose sum over all orientations has a closed form for some shapes: one orientation stands for all."""

    def deviation(self, crystal: Crystal) -> float:
        """Standard deviation of the rotations about one axis, in radians."""

    def smeared(self, shape: LatticeShape, crystal: Crystal, lattice: Lattice) -> tuple[LatticeShape, Lattice]:
        """The shape of the spots of all blocks together, and the lattice with the parameters that it is asked with.

        Raises
        ------
        InputError
            When the shape has no closed form; the message says which have.
        """


@runtime_checkable
class AdvisedMosaicModel(MosaicModel, Protocol):
    """A model whose spread means something else than that of the reference's law."""

    def spread_notice(self, crystal: Crystal) -> str:
        """What the spread means: a notice of one line; empty where there is nothing to say."""
