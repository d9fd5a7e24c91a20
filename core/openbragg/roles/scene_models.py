"""The contract of scene models: which crystals are on a shot."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import attrs

from openbragg.model import Crystal
from openbragg.model.scalars import Scalar
from openbragg.roles.plugin import Plugin


def _part(hook: str) -> Any:
    """A field for a plugin of a role, which a record writes down by its name and its options."""
    return attrs.field(default=None, kw_only=True, metadata={"plugin": hook})


@attrs.frozen(eq=False)
class SceneCrystal:
    """One of the further crystals on a shot.

    Attributes
    ----------
    crystal
        Its cell, orientation, size and mosaicity. Of its water nothing counts, for that is the main crystal's.
    weight
        What its photons are multiplied by, beside the crystal's own `scale`; 0 or more.
    structure_factors, lattice_shape, mosaic, diffuse
        Plugins, or the names of installed ones; None for those of the main crystal.
    """

    crystal: Crystal
    weight: Scalar = 1.0
    structure_factors: Any = _part("structure_factors")
    lattice_shape: Any = _part("lattice_shapes")
    mosaic: Any = _part("mosaic_models")
    diffuse: Any = _part("diffuse_models")


@attrs.frozen(eq=False)
class Shot:
    """The crystals on a shot.

    Attributes
    ----------
    weight
        What the photons of the main crystal, the experiment's own, are multiplied by; 0 or more.
    others
        The further crystals.
    """

    weight: Scalar = 1.0
    others: tuple[SceneCrystal, ...] = ()


@runtime_checkable
class SceneModel(Plugin, Protocol):
    """Which crystals are on a shot: on one detector, in one beam, each with its own cell, orientation and weight.

    The photons of the image are the sum of those of all crystals. Nothing of one crystal interferes with another's.

    A model whose options name files that name further ones may have a method ``reads()``, which gives their paths: a
    record of a run has their hashes too.
    """

    def shot(self, crystal: Crystal, image: int) -> Shot:
        """The crystals on a shot.

        Parameters
        ----------
        crystal
            The main crystal, its defaults resolved: of a random orientation the angles are there. Numbers may be
            tensors with gradients, which must flow on.
        image
            Number of the still image, from 1; 1 in every image of a rotation, whose crystals stay what they are.

        Raises
        ------
        InputError
            When its settings, or a file, cannot be used.
        """
