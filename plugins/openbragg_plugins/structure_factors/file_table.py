"""What structure factors from files have in common: a table, looked up as the text table is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg import InputError, Rule, option
from openbragg_plugins.structure_factors.hkl import HklTable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from openbragg import Experiment, Miller

POSITIVE = Rule("a number above 0", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Rule("a number of 0 or more", lambda value: 0 <= value < math.inf)

Arrays = tuple["np.ndarray[Any, np.dtype[np.int64]]", "np.ndarray[Any, np.dtype[np.float64]]"]


@attrs.frozen(eq=False)
class FileTable:
    """A file whose reflections are a table of h k l F; a plugin adds how it is made.

    The flags of `HklTable` set the options here. Lookup, interpolation, bounds and gradients are those of `HklTable`.
    """

    file: Path | None = option(type=Path, help="The file; -hkl names it.")
    default_F: Any = option(default=0.0, unit="electrons", help="Amplitude of reflections that there are not.")
    interpolate: bool | None = option(type=bool, help="Interpolate between reflections, or not.")

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

    # These are functions of the tensors alone.

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.StructureFactors.amplitude`."""
        return HklTable.amplitude(self, index, nearest, tables)  # type: ignore[arg-type]

    def interpolates(self, tables: tuple[torch.Tensor, ...]) -> bool:
        """See `openbragg.InterpolatingStructureFactors.interpolates`."""
        return HklTable.interpolates(self, tables)  # type: ignore[arg-type]

    def complete(self, index: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.InterpolatingStructureFactors.complete`."""
        return HklTable.complete(self, index, tables)  # type: ignore[arg-type]

    def without_interpolation(self, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """See `openbragg.InterpolatingStructureFactors.without_interpolation`."""
        return HklTable.without_interpolation(self, tables)  # type: ignore[arg-type]

    def neighbourhoods(self, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """See `openbragg.BoundedStructureFactors.neighbourhoods`."""
        return HklTable.neighbourhoods(self, tables)  # type: ignore[arg-type]


def _is_zero(amplitude: Any) -> bool:
    return not hasattr(amplitude, "requires_grad") and float(amplitude) == 0.0
