"""What structure factors from files have in common: a table, looked up as the text table is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg import InputError, option
from openbragg_plugins.structure_factors.dispersing import Dispersing
from openbragg_plugins.structure_factors.hkl import HklTable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from openbragg import Experiment


Arrays = tuple["np.ndarray[Any, np.dtype[np.int64]]", "np.ndarray[Any, np.dtype[np.float64]]"]


@attrs.frozen(eq=False)
class FileTable(Dispersing):
    """A file whose reflections are a table of h k l F; a plugin adds how it is made.

    The flags of `HklTable` set the options here.
    """

    file: Path | None = option(type=Path, help="The file; -hkl names it.")
    default_F: Any = option(default=0.0, unit="electrons", help="Amplitude of reflections that there are not.")
    interpolate: bool | None = option(type=bool, help="Interpolate between reflections, or not.")
    anomalous: str | None = option(type=str, help="Elements of which f' and f'' are taken at each wavelength.")
    atoms_file: Path | None = option(type=Path, help="Atoms with f' and f'' beside amplitudes and phases.")
    corrections_file: Path | None = option(type=Path, help="f' and f'' in place of those from theory.")
    f_prime_shift: Any = option(default=0.0, unit="electrons", help="Added to all f'.")
    f_second_shift: Any = option(default=0.0, unit="electrons", help="Added to all f'', after the scale.")
    f_second_scale: Any = option(default=1.0, help="What all f'' are multiplied by.")
    atoms: Any = attrs.field(default=None, kw_only=True)
    corrections: Any = attrs.field(default=None, kw_only=True)

    def arrays(self, experiment: Experiment | None, *, absences: bool) -> Arrays:
        """h k l of the P1 cell, int64, (reflections, 3), each once, and amplitudes, float64, (reflections,).

        For an experiment, or by itself. With `absences`, those that symmetry forbids are there and 0.
        """
        raise NotImplementedError

    def path(self) -> Path:
        """The file.

        Raises
        ------
        InputError
            When there is none.
        """
        if self.file is None:
            raise InputError(f"{type(self).__name__}: no file: name one with -hkl")
        return self.file

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """See `openbragg.StructureFactors.prepare`; the tensors are those of an `HklTable`."""
        reflections = self.arrays(experiment, absences=not _is_zero(self.default_F))
        table = HklTable(reflections=reflections, default_F=self.default_F, interpolate=self.interpolate)
        return table.prepare(experiment, device, dtype)


def _is_zero(amplitude: Any) -> bool:
    return not hasattr(amplitude, "requires_grad") and float(amplitude) == 0.0
