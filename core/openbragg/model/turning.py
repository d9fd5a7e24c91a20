"""A crystal that is turned on from where it is mounted."""

from __future__ import annotations

import attrs
import torch

from openbragg.errors import InputError
from openbragg.model.crystal import Crystal
from openbragg.model.vectors import angles_of, rotation_xyz


def turned_crystal(crystal: Crystal, rotation: torch.Tensor) -> Crystal:
    """A crystal that is turned on from where it is mounted, in the laboratory with the spindle at 0.

    Parameters
    ----------
    crystal
        Its orientation is known: not ``"random"``.
    rotation
        Acts on column vectors: float64, (3, 3). Gradients flow.

    Raises
    ------
    InputError
        When the orientation is yet to be drawn.
    """
    if isinstance(crystal.misset, str):
        raise InputError("Crystal.misset: 'random' must be resolved to angles first")
    if crystal.misset is not None:
        rotation = rotation @ rotation_xyz(crystal.misset)
    return attrs.evolve(crystal, misset=angles_of(rotation))
