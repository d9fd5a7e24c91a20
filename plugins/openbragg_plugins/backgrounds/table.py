"""Amorphous matter from a table of amplitudes: what nonBragg.c computes."""

from __future__ import annotations

from math import pi
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import NOT_NEGATIVE, POSITIVE, UsageError, hookimpl, option, unit

if TYPE_CHECKING:
    import torch

    from openbragg import Background, Experiment, PanelRays

#: From the first column to sin(theta)/lambda, by the field that names the file.
_SCALES = {"file": 1.0, "file_4stol": 1.0 / 4.0, "file_q": 1.0 / (4.0 * pi)}


@attrs.frozen
class Table:
    """Matter whose molecules scatter as a table says, as thick along the beam as given and as wide as the beam."""

    name: ClassVar[str] = "table"
    summary: ClassVar[str] = "amorphous matter from a table of sin(theta)/lambda and F, as in nonBragg.c"
    flags: ClassVar[tuple[str, ...]] = ()

    file: Path | None = option(
        "-stol",
        type=Path,
        metavar="FILE",
        help="Amplitudes of amorphous matter, a line each: sin(theta)/lambda in 1/A, and F of a molecule in electrons.",
    )
    file_4stol: Path | None = option(
        "-4stol", type=Path, metavar="FILE", help="The same by 4 sin(theta)/lambda in 1/A."
    )
    file_q: Path | None = option("-Q", type=Path, metavar="FILE", help="The same by 4 pi sin(theta)/lambda in 1/A.")
    thickness: float = option(
        "-thick", default=0.1e-3, unit="mm", rule=NOT_NEGATIVE, help="That matter along the beam, as wide as it."
    )
    density: float = option(
        "-density", "-sample_density", default=1000.0, unit="g/cm^3", rule=NOT_NEGATIVE, help="Its density."
    )
    molar_mass: float = option(
        "-MW", "-molecular_weight", default=18e-3, unit="g/mol", rule=POSITIVE, help="Mass of its molecules."
    )

    def prepare(self, experiment: Experiment, device: torch.device) -> tuple[torch.Tensor, ...]:
        """See `openbragg.Background.prepare`."""
        from openbragg import read_amplitudes
        from openbragg_plugins.backgrounds.amorphous import table_tensors

        files = [(getattr(self, field), scale) for field, scale in _SCALES.items() if getattr(self, field) is not None]
        if len(files) != 1:
            raise UsageError(f"the background table: expected one file with -stol, -4stol or -Q, got {len(files)}")
        file, scale = files[0]
        stol, amplitudes = read_amplitudes(Path(file)).T
        return table_tensors(unit("1/A").to_si(stol * scale), amplitudes, device)

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.Background.photons`."""
        from openbragg_plugins.backgrounds.amorphous import square_of

        return rays.molecules(self.thickness, self.density, self.molar_mass) * rays.scattered(square_of(tables))


@hookimpl
def backgrounds() -> list[type[Background]]:
    """Offer amorphous matter from a table."""
    return [Table]
