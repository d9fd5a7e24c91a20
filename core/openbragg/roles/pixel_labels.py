"""Labels of pixels: from what the photons of each come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import torch


@attrs.frozen(eq=False)
class PixelLabels:
    """What the photons of each pixel come from, backgrounds and water aside; tensors of the stored frame.

    Attributes
    ----------
    wavelength
        Mean over the photons, in metres: float64, (slow, fast); NaN where there are none.
    index
        Mean of the fractional h, k and l over the photons of the crystal that gives the most: float64, (slow, fast, 3);
        NaN where there are none.
    lattice
        Number of that crystal in the scene, from 0, the main one's: int64, (slow, fast); -1 where there is no photon.
    bragg
        Whether a Bragg peak covers the pixel: where it meets one, in any of its terms, F_latt^2 is at least a set part
        of its value on a lattice point; booleans, (slow, fast).
    """

    wavelength: torch.Tensor
    index: torch.Tensor
    lattice: torch.Tensor
    bragg: torch.Tensor
