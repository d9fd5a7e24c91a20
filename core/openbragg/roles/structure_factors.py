"""The contract of structure factors, and what some of them offer beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import attrs

from openbragg.roles.miller import Miller
from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch

    from openbragg.model import Experiment


@runtime_checkable
class StructureFactors(Plugin, Protocol):
    """The amplitude F of the unit cell.

    A source that may have no amplitude at all may have a method ``nothing()``: what it lacks, as one line, or None; a
    run is then refused unless there is a background.
    """

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """The tensors that `amplitude` needs, on a device; called once a run with the resolved experiment.

        Where a run goes on with another cell, or with other numbers of cells that are above two as before, the tensors
        stay.

        Raises
        ------
        InputError
            When a file cannot be used, with its name and line.
        """

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """F in electrons at fractional `index`, whose nearest whole index is `nearest`; all float64, any shape.

        `tables` is what `prepare` returned. The result has the index's shape and the dtype given to `prepare`.
        """


@runtime_checkable
class SpectralStructureFactors(StructureFactors, Protocol):
    """Structure factors that are others at each wavelength.

    `amplitude` is what they are at the beam's own, or a mean of all where nothing says which is whose.
    """

    def spectral(self, wavelengths: torch.Tensor, tables: tuple[torch.Tensor, ...]) -> torch.Tensor | None:
        """What `amplitude_at` needs to know of sources of these wavelengths in metres: float64, (sources, numbers).

        None where the amplitudes of these tables are the same at all wavelengths, which then `amplitude` gives.

        Raises
        ------
        InputError
            When something is not known at one of them.
        """

    def amplitude_at(
        self, index: Miller, nearest: Miller, spectral: tuple[torch.Tensor, ...], tables: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """What `amplitude` gives, for sources each of which has the numbers in `spectral`.

        These come as one tensor a number, float64, that broadcasts against the index.
        """


@runtime_checkable
class InterpolatingStructureFactors(StructureFactors, Protocol):
    """Structure factors that may interpolate between reflections; what the reference's interpolation-latch needs."""

    def interpolates(self, tables: tuple[torch.Tensor, ...]) -> bool:
        """Whether `amplitude` interpolates with these tables, where it can."""

    def complete(self, index: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Where a fractional `index` has all the neighbours that interpolation needs: booleans of its shape."""

    def without_interpolation(self, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Tables with which `amplitude` takes the nearest reflection everywhere."""


@runtime_checkable
class GroupedStructureFactors(StructureFactors, Protocol):
    """Structure factors that take less work for several indices in neighbouring cells, as where they interpolate.

    Compiled code evaluates groups of neighbouring pixels together and calls `grouped_amplitude` where it can.
    """

    def grouped(self, tables: tuple[torch.Tensor, ...]) -> bool:
        """Whether `grouped_amplitude` takes less time than `amplitude` with these tables; may look at their values."""

    def grouped_amplitude(
        self, index: Miller, nearest: Miller, first: Miller, tables: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """What `amplitude` gives at indices of groups, which are the last axis.

        Parameters
        ----------
        index, nearest, tables
            See `amplitude`.
        first
            Whole numbers, float64, of the index's shape but for a last axis of length 1: h, k and l of a group lie from
            here up to, but for a rounding error without, here plus 2. Where they do not, any number will do.
        """


@runtime_checkable
class BoundedStructureFactors(StructureFactors, Protocol):
    """Structure factors of which it can be said that they are below something; what ``--cull`` needs."""

    def neighbourhoods(self, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Tables with which `amplitude` gives, at a whole index, a bound of \\|F\\| there and at the 26 around it.

        Not asked of tables with which `amplitude` interpolates.
        """


@runtime_checkable
class LimitedStructureFactors(BoundedStructureFactors, Protocol):
    """Bounded structure factors that know their largest; what the sparse sum needs.

    `amplitude` depends on nothing but the nearest index, where it does not interpolate.
    """

    def largest(self, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """A bound of \\|F\\| at all indices: shape ()."""


@runtime_checkable
class LimitedSpectralStructureFactors(SpectralStructureFactors, LimitedStructureFactors, Protocol):
    """Structure factors that are others at each wavelength, with a bound for all of them.

    With it ``--cull`` finds the reflections that matter once for all wavelengths, see docs/explanation/cull.md.
    """

    def limits(self, spectral: torch.Tensor, tables: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Tables with which `amplitude` gives a bound of \\|F\\| for any of some sources.

        At a whole index it is that of all indices to which it is the nearest. `largest` takes these tables too; it
        gives infinity where there is no bound.

        Parameters
        ----------
        spectral
            The sources' numbers, what `spectral` gives, float64, (sources, numbers).
        tables
            What `prepare` gives.
        """


@attrs.frozen(kw_only=True)
class KnownCrystal:
    """What a source of structure factors says of its crystal; None for what it does not say.

    Attributes
    ----------
    source
        What messages call the source, for example the name of the file.
    cell
        a, b, c in metres and alpha, beta, gamma in radians.
    wavelength
        Of the experiment that the source stems from, in metres.
    space_group
        Its name; empty for what has none.
    resolution
        The smallest d spacing of the amplitudes, in metres; None where it is open.
    chosen
        What the source was read as, for people: pairs of a word and a value.
    notices
        What the user should know.
    """

    source: str
    cell: tuple[float, ...] | None = None
    wavelength: float | None = None
    space_group: str = ""
    resolution: float | None = None
    chosen: dict[str, str] = attrs.field(factory=dict)
    notices: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, eq=False)
class ReflectionTable:
    """Amplitudes of the P1 cell as a list; what ``openbragg convert`` writes.

    Attributes
    ----------
    indices
        h k l, each once: int64, (reflections, 3).
    amplitudes
        In electrons, or on the scale of the source: float64, (reflections,).
    unique
        Number of reflections that no symmetry and no Friedel's law relates.
    completeness
        These as a part of all there are down to the resolution; None where no cell says how many there are.
    resolution
        The smallest d spacing, in metres; None without a cell.
    """

    indices: np.ndarray[Any, np.dtype[np.int64]]
    amplitudes: np.ndarray[Any, np.dtype[np.float64]]
    unique: int
    completeness: float | None
    resolution: float | None


@runtime_checkable
class FileStructureFactors(StructureFactors, Protocol):
    """Structure factors from files of kinds that the class recognises: how ``-hkl FILE`` comes to the right plugin.

    The class has option fields without flags of their own that have the names of options of the role's default plugin:
    `file` (``-hkl``) at least, and of `default_F` and `interpolate` those that mean something to it. The default
    plugin's flags set them.

    Attributes
    ----------
    suffixes
        Ends of names, with the point and in lower case, of files that are meant for this class whatever is in them, so
        that it may complain. Content comes first. A further ``.gz`` is passed over.
    file
        The file.
    """

    suffixes: ClassVar[tuple[str, ...]]
    file: Path | None

    @classmethod
    def recognises(cls, beginning: bytes) -> bool:
        """Whether a file that begins so is of a kind that the class reads.

        `beginning` is up to a million bytes, unpacked if the file is packed by gzip. It is called for any file given as
        ``-hkl``, so it should be quick, import no heavy library, and be sure: where two classes recognise a file the
        user has to choose by name.
        """


@runtime_checkable
class DescribedStructureFactors(StructureFactors, Protocol):
    """Structure factors that know of what crystal they are."""

    def crystal(self) -> KnownCrystal:
        """What the source says; asked more than once a run.

        A cell and a wavelength that the user does not give are taken from here, and a cell that the user gives must
        agree with this one.

        Raises
        ------
        InputError
            When a file cannot be used.
        """


@runtime_checkable
class ComputedStructureFactors(StructureFactors, Protocol):
    """Structure factors that are computed as far as they are needed."""

    def reaching(self, resolution: float, experiment: Experiment) -> StructureFactors:
        """The same for an experiment whose detector reaches this d spacing, in metres, where the user left it open.

        Called once a run, before `prepare`, with the resolved experiment.
        """


@runtime_checkable
class ListedStructureFactors(StructureFactors, Protocol):
    """Structure factors that can be listed; what ``openbragg convert`` needs."""

    def listed(self) -> ReflectionTable:
        """All reflections of the P1 cell.

        Raises
        ------
        InputError
            When a file cannot be used.
        """
