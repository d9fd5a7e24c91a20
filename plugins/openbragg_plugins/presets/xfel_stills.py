"""Serial stills of microcrystals at an X-ray laser."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import PresetFlag, hookimpl

if TYPE_CHECKING:
    from openbragg import Preset


@attrs.frozen
class XfelStills:
    """One pulse of a SASE source on a crystal in a liquid jet, in helium or vacuum."""

    name: ClassVar[str] = "xfel-stills"
    summary: ClassVar[str] = "serial stills at an X-ray laser, one pulse each"
    flags: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def settings(cls) -> tuple[PresetFlag, ...]:
        """See `openbragg.Preset.settings`."""
        return (
            PresetFlag(("-detector", "jungfrau-4m"), "integrating detector with adaptive gain"),
            PresetFlag(("-distance", "120"), "2.3 A at the edges of that detector, 1.8 A in its corners"),
            PresetFlag(("-lambda", "1.3"), "9.5 keV"),
            PresetFlag(("-polar", "0.98"), "of an undulator, 99 % polarized horizontally"),
            PresetFlag(("-flux", "1e15"), "with the exposure 1e11 photons, a pulse behind the beamline"),
            PresetFlag(("-exposure", "1e-4"), "the gate of the detector; the pulse itself lasts femtoseconds"),
            PresetFlag(("-beamsize", "0.003"), "focus of 3 um"),
            PresetFlag(("-dispersion", "0.2"), "bandwidth of a SASE pulse; -spectrum sase draws each pulse's"),
            PresetFlag(("-dispsteps", "5"), "so fine that spots far out are streaks and not dots"),
            PresetFlag(("-crystal_volume", "27"), "a crystal of 3 um"),
            PresetFlag(("-xtalsize", "0.00016"), "coherent blocks of 1600 A, which make spots some two pixels wide"),
            PresetFlag(("-mosaic", "0.05"), "small crystals, undamaged, standard deviation"),
            PresetFlag(("-misset", "random"), "every crystal lies otherwise; -misset_seed makes it the same again"),
            PresetFlag(("-solvent_thick", "0.005"), "a jet of 5 um"),
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
    return [XfelStills]
