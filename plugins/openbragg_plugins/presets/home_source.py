"""Rotation images of a macromolecular crystal in the laboratory."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import PresetFlag, hookimpl

if TYPE_CHECKING:
    from openbragg import Preset


@attrs.frozen
class HomeSource:
    """A rotation with a rotating anode or microfocus tube, copper, and mirrors."""

    name: ClassVar[str] = "home-source"
    summary: ClassVar[str] = "rotation images in the laboratory, with copper radiation"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def settings(cls) -> tuple[PresetFlag, ...]:
        """See `openbragg.Preset.settings`."""
        return (
            PresetFlag(("-detector", "pilatus-200k"), "small photon counter of a laboratory"),
            PresetFlag(("-distance", "60"), "2.6 and 2.9 A at the edges of that detector, 2.1 A in its corners"),
            PresetFlag(("-lambda", "1.5418"), "copper K alpha, its doublet's mean"),
            PresetFlag(("-flux", "5e8"), "microfocus anode with mirrors"),
            PresetFlag(("-exposure", "10"), "ten seconds an image, as of a photon counter that slices finely"),
            PresetFlag(("-beamsize", "0.2"), "as wide as the crystal"),
            PresetFlag(("-dispersion", "0.25"), "as far apart as K alpha 1 and K alpha 2"),
            PresetFlag(("-dispsteps", "2"), "the two lines, of one weight"),
            PresetFlag(("-divergence", "5"), "convergence of the mirrors, full width"),
            PresetFlag(("-divsteps", "3"), "sources a pixel apart on that detector"),
            PresetFlag(("-crystal_volume", "8e6"), "a crystal of 200 um"),
            PresetFlag(("-xtalsize", "0.00016"), "coherent blocks of 1600 A, which make spots some two pixels wide"),
            PresetFlag(("-mosaic", "0.2"), "a frozen crystal of ordinary quality, standard deviation"),
            PresetFlag(("-osc", "0.5"), "a few reflections full on each image"),
            PresetFlag(("-phisteps", "5"), "steps finer than the rocking width"),
            PresetFlag(("-phi_sampling", "middle"), "the steps have no offset from the rotation that was asked for"),
            PresetFlag(("-solvent_thick", "0.1"), "loop and mother liquor"),
            PresetFlag(("-air_path", "40"), "from the collimator to the beam stop, which stands before the detector"),
            PresetFlag(("-lattice_shape", "gauss_index"), "no fringes, as of many blocks of different sizes"),
            PresetFlag(("-mosaic_model", "closed"), "all orientations of the blocks, in closed form"),
            PresetFlag(("-nointerpolate",), "each block has many cells: a spot has the amplitude of its reflection"),
            PresetFlag(
                ("-cull", "1e-6"), "the sum goes where spots are, and no pixel is further off than that of the peak"
            ),
            PresetFlag(("-noise", "detector"), "reads out as the detector that is named does"),
        )


@hookimpl
def presets() -> list[type[Preset]]:
    """Offer the preset."""
    return [HomeSource]
