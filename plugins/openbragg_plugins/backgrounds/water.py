"""Liquid water around the crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import NOT_NEGATIVE, hookimpl, option, unit

if TYPE_CHECKING:
    import torch

    from openbragg import Background, Experiment, PanelRays

#: Kilograms in a mole.
_MOLAR_MASS = 18e-3
#: sin(theta)/lambda in 1/angstrom and F of a molecule in electrons: the rough approximation of the examples of simtbx
#: (cctbx), which begins with nanoBragg's 2.57.
_TABLE = (
    (0.0, 2.57),
    (0.0365, 2.58),
    (0.07, 2.8),
    (0.12, 5.0),
    (0.162, 8.0),
    (0.18, 7.32),
    (0.2, 6.75),
    (0.216, 6.75),
    (0.236, 6.5),
    (0.28, 4.5),
    (0.3, 4.3),
    (0.345, 4.36),
    (0.436, 3.77),
    (0.5, 3.17),
)


@attrs.frozen
class Water:
    """Liquid water in the beam, with its ring; -water is the reference program's, which has none."""

    name: ClassVar[str] = "water"
    summary: ClassVar[str] = "liquid water, with its ring at 3 A"
    flags: ClassVar[tuple[str, ...]] = ()

    thickness: float = option(
        "-solvent_thick",
        default=0.1e-3,
        unit="mm",
        rule=NOT_NEGATIVE,
        help="Water along the beam, as wide as it.",
    )
    density: float = option("-solvent_density", default=1000.0, unit="g/cm^3", rule=NOT_NEGATIVE, help="Its density.")

    def prepare(self, experiment: Experiment, device: torch.device) -> tuple[torch.Tensor, ...]:
        """See `openbragg.Background.prepare`."""
        import numpy as np

        from openbragg_plugins.backgrounds.amorphous import table_tensors

        stol, amplitudes = np.array(_TABLE).T
        return table_tensors(unit("1/A").to_si(stol), amplitudes, device)

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.Background.photons`."""
        from openbragg_plugins.backgrounds.amorphous import square_of

        return rays.molecules(self.thickness, self.density, _MOLAR_MASS) * rays.scattered(square_of(tables))


@hookimpl
def backgrounds() -> list[type[Background]]:
    """Offer liquid water."""
    return [Water]
