"""Air in the path of the beam."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import NOT_NEGATIVE, hookimpl, option, unit

if TYPE_CHECKING:
    import torch

    from openbragg import Background, Experiment, PanelRays

#: Kilograms in a mole of nitrogen.
_MOLAR_MASS = 28e-3
#: sin(theta)/lambda in 1/angstrom and F of a molecule in electrons: the rough approximation of the examples of simtbx
#: (cctbx). An N2 has 14 electrons.
_TABLE = ((0.0, 14.1), (0.045, 13.5), (0.174, 8.35), (0.35, 4.78), (0.5, 4.22))


@attrs.frozen
class Air:
    """Air between the collimator and the beam stop, taken for nitrogen; all of it as if where the crystal is."""

    name: ClassVar[str] = "air"
    summary: ClassVar[str] = "air between collimator and beam stop"
    flags: ClassVar[tuple[str, ...]] = ()

    path: float = option(
        "-air_path", default=35e-3, unit="mm", rule=NOT_NEGATIVE, help="Way of the beam through air that is seen."
    )
    density: float = option("-air_density", default=1.2, unit="g/cm^3", rule=NOT_NEGATIVE, help="Its density.")

    def prepare(self, experiment: Experiment, device: torch.device) -> tuple[torch.Tensor, ...]:
        """See `openbragg.Background.prepare`."""
        import numpy as np

        from openbragg_plugins.backgrounds.amorphous import table_tensors

        stol, amplitudes = np.array(_TABLE).T
        return table_tensors(unit("1/A").to_si(stol), amplitudes, device)

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.Background.photons`."""
        from openbragg_plugins.backgrounds.amorphous import square_of

        return rays.molecules(self.path, self.density, _MOLAR_MASS) * rays.scattered(square_of(tables))


@hookimpl
def backgrounds() -> list[type[Background]]:
    """Offer air."""
    return [Air]
