"""Serial stills of microcrystals at a synchrotron."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import PresetFlag, hookimpl

if TYPE_CHECKING:
    from openbragg import Preset


@attrs.frozen
class SsxStills:
    """Stills of microcrystals on a fixed target or from an extruder, one orientation each."""

    name: ClassVar[str] = "ssx-stills"
    summary: ClassVar[str] = "serial stills of microcrystals at a synchrotron"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def settings(cls) -> tuple[PresetFlag, ...]:
        """See `openbragg.Preset.settings`."""
        return (
            PresetFlag(("-detector", "eiger2-4m"), "photon counter that keeps up with hundreds of images a second"),
            PresetFlag(("-distance", "170"), "2.3 A at the edges of that detector, 1.7 A in its corners"),
            PresetFlag(("-lambda", "1.0"), "12.4 keV"),
            PresetFlag(("-polar", "0.98"), "of an undulator, 99 % polarized horizontally"),
            PresetFlag(("-flux", "1e12"), "a focussed undulator beam without attenuation"),
            PresetFlag(("-exposure", "0.005"), "5 ms, before radiation damage shows"),
            PresetFlag(("-beamsize", "0.01"), "micro-focus"),
            PresetFlag(("-dispersion", "0.02"), "bandwidth of a Si(111) monochromator, full width"),
            PresetFlag(("-dispsteps", "2"), "narrower than the mosaic spread: its ends are enough"),
            PresetFlag(("-crystal_volume", "1000"), "a crystal of 10 um"),
            PresetFlag(("-xtalsize", "0.00016"), "coherent blocks of 1600 A, which make spots some two pixels wide"),
            PresetFlag(("-mosaic", "0.1"), "microcrystals at room temperature, standard deviation"),
            PresetFlag(("-misset", "random"), "every crystal lies otherwise; -misset_seed makes it the same again"),
            PresetFlag(("-solvent_thick", "0.05"), "carrier about the crystal"),
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
    return [SsxStills]
