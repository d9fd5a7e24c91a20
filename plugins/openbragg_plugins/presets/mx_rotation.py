"""Rotation images of a macromolecular crystal at a synchrotron."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import PresetFlag, hookimpl

if TYPE_CHECKING:
    from openbragg import Preset


@attrs.frozen
class MxRotation:
    """A fine-sliced rotation at an undulator beamline of a third-generation ring, with a photon-counting detector."""

    name: ClassVar[str] = "mx-rotation"
    summary: ClassVar[str] = "rotation images of a macromolecule at an undulator beamline"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def settings(cls) -> tuple[PresetFlag, ...]:
        """See `openbragg.Preset.settings`."""
        return (
            PresetFlag(("-detector", "eiger2-4m"), "photon counter with pixels of 75 um, common at such beamlines"),
            PresetFlag(("-distance", "200"), "2.7 A at the edges of that detector, 2 A in its corners"),
            PresetFlag(("-lambda", "1.0"), "12.4 keV, where such beamlines are bright and air absorbs little"),
            PresetFlag(("-polar", "0.98"), "of an undulator, 99 % polarized horizontally"),
            PresetFlag(("-flux", "2e11"), "an undulator's 2e12, attenuated so that a crystal lasts a whole turn"),
            PresetFlag(("-exposure", "0.01"), "100 images a second"),
            PresetFlag(("-beamsize", "0.05"), "as wide as the crystal"),
            PresetFlag(("-dispersion", "0.02"), "bandwidth of a Si(111) monochromator, full width"),
            PresetFlag(("-dispsteps", "2"), "narrower than the mosaic spread: its ends are enough"),
            PresetFlag(("-crystal_volume", "125000"), "a crystal of 50 um, bathed in the beam"),
            PresetFlag(("-xtalsize", "0.00016"), "coherent blocks of 1600 A, which make spots some two pixels wide"),
            PresetFlag(("-mosaic", "0.1"), "a good frozen crystal, standard deviation"),
            PresetFlag(("-osc", "0.1"), "a fraction of the rocking width"),
            PresetFlag(("-phisteps", "4"), "steps much finer than the mosaic spread"),
            PresetFlag(("-phi_sampling", "middle"), "the steps have no offset from the rotation that was asked for"),
            PresetFlag(("-solvent_thick", "0.03"), "vitrified water about the crystal"),
            PresetFlag(("-air_path", "20"), "from the collimator to the beam stop"),
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
    return [MxRotation]
