"""What a plugin of each role must offer: the contracts, as typed protocols.

A plugin is an attrs class (``attrs.frozen``) whose option fields are made with `openbragg.option`. Every role shares
`Plugin`: a name, a summary, and the bare flags that choose it. The methods that compute are pure torch functions:
they follow the device and dtype of their inputs, have no Python branch on a tensor's value and never leave the
device. `openbragg.testing` holds properties that each role's plugins must have; run them on yours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, NamedTuple, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import torch

    from openbragg.engine.panel_rays import PanelRays
    from openbragg.engine.trace import PixelTrace
    from openbragg.model import Detector, Experiment, Scan
    from openbragg.model.described import Geometry
    from openbragg.model.geometry import Laboratory


class Miller(NamedTuple):
    """h, k and l as three tensors of one shape; indices, or offsets from them."""

    h: torch.Tensor
    k: torch.Tensor
    l: torch.Tensor


@attrs.frozen(eq=False)
class Lattice:
    """The finite lattice a shape is asked about.

    Attributes
    ----------
    cells
        Number of unit cells along a, b and c: float64, shape (3,).
    reciprocal_metric
        Dot products of a*, b*, c*, in 1/m^2: float64, shape (3, 3).
    fudge
        The user's factor on the squared distance from a lattice point: float64, shape ().
    dtype
        The precision in which amplitudes are wanted. Offsets come in float64; bring them (or what you make of them) to
        this dtype before expensive functions.
    signed
        Whether the sign of F_latt is wanted. The image needs its square alone and says so; a shape may ignore this.
    """

    cells: torch.Tensor
    reciprocal_metric: torch.Tensor
    fudge: torch.Tensor
    dtype: torch.dtype
    signed: bool = True

    def scaled_distance_squared(self, offset: Miller) -> torch.Tensor:
        """Squared distance from the point in 1/angstrom^2 times (Na Nb Nc)^2 and the fudge, in the dtype of `offset`.

        The measure in which the reference program's Gaussian and flat spots are round.
        """
        h, k, l = offset
        metric = (self.reciprocal_metric * (1e-20 * self.cells.prod() ** 2 * self.fudge)).to(h.dtype)
        along_h = metric[0, 0] * h + 2.0 * (metric[0, 1] * k + metric[0, 2] * l)
        along_k = metric[1, 1] * k + 2.0 * metric[1, 2] * l
        return along_h * h + (along_k * k + metric[2, 2] * l * l)

    def least_scaled_distance_squared(self, distance: Miller) -> torch.Tensor:
        """A bound from below of `scaled_distance_squared`, in `dtype`.

        For all offsets whose absolute values are at least `distance`. An offset x along one axis puts a point on a
        plane that is x d from the lattice point, d the spacing of the reciprocal lattice's planes across that axis;
        d^2 is one over the diagonal element of the inverse metric.
        """
        metric = self.reciprocal_metric * 1e-20
        minors = [metric[i, i] * metric[j, j] - metric[i, j] ** 2 for i, j in ((1, 2), (2, 0), (0, 1))]
        volume = metric[0, 0] * minors[0] - metric[0, 1] * (metric[0, 1] * metric[2, 2] - metric[1, 2] * metric[0, 2])
        volume = volume + metric[0, 2] * (metric[0, 1] * metric[1, 2] - metric[1, 1] * metric[0, 2])
        scale = self.cells.prod() ** 2 * self.fudge
        squares = [
            step * step * (scale * volume / minor).to(self.dtype) for step, minor in zip(distance, minors, strict=True)
        ]
        return squares[0].maximum(squares[1]).maximum(squares[2])


class Plugin(Protocol):
    """What every plugin class has.

    Attributes
    ----------
    name
        The word that chooses the plugin, lower case.
    summary
        One line for ``openbragg plugins``.
    flags
        Bare flags that choose the plugin, for example ``("-round_xtal",)``; may be empty.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    flags: ClassVar[tuple[str, ...]]


@runtime_checkable
class GeometryConvention(Plugin, Protocol):
    """From the detector's settings to vectors in the laboratory."""

    def place(self, detector: Detector) -> Laboratory:
        """Place the beam, the polarization, the spindle and each panel.

        Parameters
        ----------
        detector
            The settings, in metres and radians. None in a beam centre, a near point or the pivot means that the user
            left it to this convention.

        Returns
        -------
        Laboratory
            Usually made by `openbragg.place` from the convention's `Axes`. Everything differentiable in the
            settings stays so.
        """

    def beam_centre(self, detector: Detector, fast: torch.Tensor, slow: torch.Tensor) -> tuple[Any, Any]:
        """The convention's (X, Y) for a beam that meets the detector `fast`, `slow` metres from its first corner."""


@runtime_checkable
class StructureFactors(Plugin, Protocol):
    """The amplitude F of the unit cell."""

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """The tensors that `amplitude` needs, on a device; called once a run with the resolved experiment.

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
        These as a part of all there are down to the resolution.
    resolution
        The smallest d spacing, in metres.
    """

    indices: np.ndarray[Any, np.dtype[np.int64]]
    amplitudes: np.ndarray[Any, np.dtype[np.float64]]
    unique: int
    completeness: float
    resolution: float


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


@runtime_checkable
class LatticeShape(Plugin, Protocol):
    """The amplitude of the finite lattice's transform, F_latt, around a lattice point."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        """Factors whose product is F_latt: three, along a, b and c, of a separable shape; else one.

        Parameters
        ----------
        offset
            Fractional index minus nearest whole index, float64, within half an index.
        nearest
            The nearest whole index, float64.
        lattice
            Cells, metric, fudge and dtype.

        Returns
        -------
        Tensors of the offsets' shape (after broadcasting) and `lattice.dtype`; dimensionless.
        """


@runtime_checkable
class BoundedLatticeShape(LatticeShape, Protocol):
    """A shape of which it can be said that it is below something away from lattice points; what ``--cull`` needs."""

    def bound(self, distance: Miller, lattice: Lattice) -> torch.Tensor:
        """A bound of \\|F_latt\\| wherever the offset is at least so far from 0 along each of a, b and c.

        Parameters
        ----------
        distance
            Least absolute values of the offsets along a, b and c, in `lattice.dtype`, from 0 to 1/2.
        lattice
            Cells, metric, fudge and dtype.

        Returns
        -------
        Tensor of the distances' shape (after broadcasting) and `lattice.dtype`. The closer to the largest \\|F_latt\\|
        there is, the more can be left out.
        """


@runtime_checkable
class NoiseModel(Plugin, Protocol):
    """Detector counts from expected photons."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        """Counts for expected photons (slow, fast); equal seeds give equal counts on one device.

        The result is on the device of the input and holds whole numbers where the model counts photons.
        """


@runtime_checkable
class Background(Plugin, Protocol):
    """Photons that do not come from the crystal, added to those that do.

    Any number of them may take part in a run, each with the options that it has; they know nothing of each other.
    """

    def prepare(self, experiment: Experiment, device: torch.device) -> tuple[torch.Tensor, ...]:
        """The tensors that `photons` needs, on a device; called once a run with the resolved experiment.

        Raises
        ------
        InputError
            When a file cannot be used, with its name and line.
        """

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Expected photons of some pixels of a panel: float64, (pixel,), none negative.

        Parameters
        ----------
        rays
            The rays from the sample to the middles of the pixels; `PanelRays.scattered` does most of the work.
        tables
            What `prepare` returned.
        """


@attrs.frozen(kw_only=True)
class Readout:
    """What is known of an image on its way through a detector, beside its photons.

    Attributes
    ----------
    shape
        Pixels of the whole image, (slow, fast).
    region
        The part of it that is read: first and last pixel along fast, then along slow, both included.
    pixel_size
        Side of a pixel, in metres; of the first panel where they differ.
    exposure
        Exposure time, in seconds.
    slabs
        Where in the image each panel is kept, first and last pixel as in `region`: neighbours of two panels may be far
        apart. Empty for one panel that fills the image.
    pixel_sizes
        Side of each panel's pixels, in metres. Empty where all are of `pixel_size`.
    """

    shape: tuple[int, int]
    region: tuple[int, int, int, int]
    pixel_size: float
    exposure: float
    slabs: tuple[tuple[int, int, int, int], ...] = ()
    pixel_sizes: tuple[float, ...] = ()

    def part(self) -> tuple[slice, slice]:
        """The part that is read, as slices (slow, fast) of the whole image."""
        first_fast, last_fast, first_slow, last_slow = self.region
        return slice(first_slow, last_slow + 1), slice(first_fast, last_fast + 1)

    def panels(self) -> tuple[tuple[tuple[slice, slice], float], ...]:
        """What is read of each panel, as slices (slow, fast) of the part that is read, and the side of its pixels.

        Panels out of that part are left out.
        """
        if not self.slabs:
            return (((slice(None), slice(None)), self.pixel_size),)
        sizes = self.pixel_sizes or (self.pixel_size,) * len(self.slabs)
        first_fast, last_fast, first_slow, last_slow = self.region
        parts = []
        for (left, right, top, bottom), size in zip(self.slabs, sizes, strict=True):
            rows = slice(max(top, first_slow) - first_slow, min(bottom, last_slow) + 1 - first_slow)
            columns = slice(max(left, first_fast) - first_fast, min(right, last_fast) + 1 - first_fast)
            if rows.start < rows.stop and columns.start < columns.stop:
                parts.append(((rows, columns), size))
        return tuple(parts)


@runtime_checkable
class ReadoutNoiseModel(NoiseModel, Protocol):
    """A noise model to which the detector's pixels matter: their size and place, and how long they were exposed."""

    def read_out(self, photons: torch.Tensor, seed: int, readout: Readout) -> torch.Tensor:
        """Counts for expected photons of the part of an image that is read, as in `counts`.

        Asked in the place of `counts` wherever an experiment is known.
        """


@runtime_checkable
class Tracer(Plugin, Protocol):
    """A record of one pixel's calculation: names for numbers that the trace holds.

    A tracer picks, names and combines what is in the trace; it computes no physics of its own. It returns tensors, with
    their gradients; they become Python numbers only where they are written down.
    """

    def values(self, trace: PixelTrace) -> Mapping[str, torch.Tensor]:
        """Numbers () and vectors (n,) of the whole pixel, in the order in which they are to be written."""

    def steps(self, trace: PixelTrace) -> Mapping[str, torch.Tensor | None]:
        """Numbers of each term: tensors that broadcast over the trace's seven axes; None for what there is not.

        Names that several tracers give are written once.
        """


@attrs.frozen(kw_only=True, eq=False)
class Image:
    """An image on its way to a file.

    Attributes
    ----------
    pixels
        The values, (slow, fast): float32 photons, or float64 counts.
    content
        ``photons`` (expected, without noise) or ``counts`` (after the noise model).
    region
        The rendered part: first and last pixel along fast, then along slow, both included.
    experiment, laboratory
        The resolved experiment, and where the convention placed it.
    quirks
        Names of the reference program's quirks that the run reproduces.
    """

    pixels: np.ndarray[Any, np.dtype[Any]]
    content: str
    region: tuple[int, int, int, int]
    experiment: Experiment
    laboratory: Laboratory
    quirks: frozenset[str] = frozenset()

    def rendered(self) -> tuple[slice, slice]:
        """The rendered part as slices (slow, fast)."""
        first_fast, last_fast, first_slow, last_slow = self.region
        return slice(first_slow, last_slow + 1), slice(first_fast, last_fast + 1)


@runtime_checkable
class ImageFormat(Plugin, Protocol):
    """A file from an image.

    A format names its files in option fields with ``output="photons"`` or ``output="counts"``; for each that is
    set, `write` is called with that content. `default_file` names a file for runs in which no output was asked for.

    A format whose files have a quirk of the reference program may have a method ``reference_difference(image)``, which
    gives the quirk's name and what would have been different in this file, or None where nothing would. One whose
    pixels have a largest value may have a method ``overloads(image)``: the number of rendered pixels beyond it. One
    whose files cannot say all of where an image was recorded may have a method ``unsaid(image)``: what its readers take
    wrongly of this one, as words that go on after "the file cannot say", or None.
    """

    def write(self, stream: BinaryIO, image: Image) -> None:
        """Write the image to a binary stream; the file appears under its name only when all of it is written."""

    def default_file(self, content: str) -> str | None:
        """File name for a run without any output flag, or None to write none."""


@attrs.frozen(kw_only=True, eq=False)
class Series:
    """A whole rotation series on its way to a file.

    Attributes
    ----------
    content
        ``photons`` or ``counts``, as in an `Image`.
    region
        The rendered part of every image, as in an `Image`.
    experiment
        The resolved experiment of the first image.
    laboratory
        Where the convention placed it.
    shape
        Pixels of every image, (slow, fast).
    scans
        The scan of every image, in their order; they differ in their start.
    quirks
        Names of the reference program's quirks that the run reproduces.
    """

    content: str
    region: tuple[int, int, int, int]
    experiment: Experiment
    laboratory: Laboratory
    shape: tuple[int, int]
    scans: tuple[Scan, ...]
    quirks: frozenset[str] = frozenset()


@runtime_checkable
class SeriesFormat(ImageFormat, Protocol):
    """An image format that keeps a whole series together, in one file or a few.

    While the series is rendered, in any order and perhaps in several runs, the orchestrator keeps of each image what
    `write_part` makes of it. When all are there it has `write_series` write each of `series_files`, and a file appears
    under its name only when all of it is written. An interrupted series so never has half an image.
    """

    def write_part(self, stream: BinaryIO, image: Image) -> None:
        """Write what the series needs of one image to a binary stream; equal images give equal bytes."""

    def series_files(self, path: Path, images: int) -> tuple[Path, ...]:
        """Names of the files that a series of so many images consists of, `path` the last of them."""

    def write_series(self, stream: BinaryIO, file: Path, path: Path, series: Series, parts: Sequence[Path]) -> None:
        """Write one of the files to a binary stream that can be read and positioned.

        Parameters
        ----------
        stream
            Where it goes.
        file, path
            Which of `series_files` it is, and the name that was asked for.
        series
            What the images have in common.
        parts
            The files that hold what `write_part` wrote, in the order of the images.
        """


@runtime_checkable
class GeometryReader(Plugin, Protocol):
    """Where panels, beam, spindle and crystal are, from a file: what ``-geometry FILE`` reads.

    Option fields of the class are flags that say how a file is to be read.
    """

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """Whether a file of this name that begins so is of the kind that the class reads.

        `beginning` is up to a million bytes, unpacked if the file is packed by gzip. The name may decide where the
        content cannot. It is called for any file given as ``-geometry``, so it should be quick, import no heavy
        library, and be sure: where two classes recognise a file the user has to choose by name.
        """

    def read(self, path: Path) -> Geometry:
        """What is in a file.

        Raises
        ------
        InputError
            When it cannot be used; one line that names the file, and the line or the key.
        """


@attrs.frozen(kw_only=True, eq=False)
class WrittenImages:
    """Images of a run that have been written, as a truth format points to them.

    Attributes
    ----------
    format
        The image format, with its options.
    content
        ``photons`` or ``counts``.
    path
        The file; of a series of single files the name with ``#`` for each digit of the number; of a series in one file,
        or in that and a few others, that one.
    together
        Whether all images are in one file.
    """

    format: Any
    content: str
    path: Path
    together: bool


@attrs.frozen(kw_only=True, eq=False)
class PredictedReflections:
    """The reflections of a run's images; arrays have a row for each, in the order of image, spindle angle and index.

    Attributes
    ----------
    indices
        h k l: int32, (reflections, 3).
    still
        Number of the still image, from 0; 0 in a rotation: int32.
    panel
        Number of the panel, from 0: int32.
    ray
        Unit vectors along the scattered rays in the laboratory: float64, (reflections, 3).
    place
        Where the ray meets the panel's plane, (fast, slow) in metres from its first corner: float64, (reflections, 2).
    pixel
        Where the sensor counts it, (fast, slow) in pixels from the first corner: float64, (reflections, 2).
    angle
        Spindle angle in radians at which it is reflected; the image's in a still.
    spacing
        d, in metres.
    partiality
        Part of it that the images have: of a rotation what lies in the scan, of a still its height on the sphere of
        reflection over the largest.
    amplitude
        F in electrons.
    photons
        Expected photons on all images together, or on the still.
    """

    indices: np.ndarray[Any, np.dtype[np.int32]]
    still: np.ndarray[Any, np.dtype[np.int32]]
    panel: np.ndarray[Any, np.dtype[np.int32]]
    ray: np.ndarray[Any, np.dtype[np.float64]]
    place: np.ndarray[Any, np.dtype[np.float64]]
    pixel: np.ndarray[Any, np.dtype[np.float64]]
    angle: np.ndarray[Any, np.dtype[np.float64]]
    spacing: np.ndarray[Any, np.dtype[np.float64]]
    partiality: np.ndarray[Any, np.dtype[np.float64]]
    amplitude: np.ndarray[Any, np.dtype[np.float64]]
    photons: np.ndarray[Any, np.dtype[np.float64]]


@attrs.frozen(kw_only=True, eq=False)
class Truth:
    """What is known of a run's images: how they came about, against which a program's results can be held.

    Attributes
    ----------
    experiment
        The resolved experiment of the first image.
    laboratory
        Where the convention placed beam, spindle and panels.
    scans
        The scan of every image, in their order.
    cell_vectors
        Rows a, b, c in metres with the spindle at 0, in the laboratory: float64, (3, 3).
    mosaic_rotations
        Rotations of the mosaic domains in the laboratory, applied after the spindle's: float64, (domains, 3, 3).
    space_group
        What the structure factors say of it; empty where they do not.
    images
        What was written of the images, in the order of the formats.
    reflections
        Predicts the reflections; an `InputError` says why they cannot be.
    """

    experiment: Experiment
    laboratory: Laboratory
    scans: tuple[Scan, ...]
    cell_vectors: np.ndarray[Any, np.dtype[np.float64]]
    mosaic_rotations: np.ndarray[Any, np.dtype[np.float64]]
    space_group: str
    images: tuple[WrittenImages, ...]
    reflections: Callable[[], PredictedReflections]


@runtime_checkable
class TruthFormat(Plugin, Protocol):
    """A file of what is known of a run, one for all its images.

    A format names its files in option fields with ``output="truth"``; for each that is set, `write_truth` is called
    when the images are written. One that cannot say what there is to say of some experiments may have a method
    ``refuses(experiment)``: why, or None; the run is then refused before it begins. With ``needs_reflections`` True it
    is refused too where reflections cannot be predicted.
    """

    def write_truth(self, stream: BinaryIO, path: Path, truth: Truth) -> None:
        """Write the truth to a binary stream; the file appears as `path` only when all of it is written.

        Equal runs give equal bytes, wherever the folder lies: name other files relative to the folder of `path`.
        """


@attrs.frozen
class Role:
    """A role as the orchestrator and the command line see it.

    Attributes
    ----------
    hook
        The hook's name in `openbragg.hookspecs`.
    title
        What people call a plugin of this role.
    protocol
        The contract.
    default
        The plugin used when none is chosen; empty for roles of which any number, or none, may be active at once.
    flag
        The flag that chooses by name; empty where there is none.
    """

    hook: str
    title: str
    protocol: type
    default: str = ""
    flag: str = ""


ROLES = (
    Role("geometry_conventions", "convention", GeometryConvention, "mosflm", "-convention"),
    Role("structure_factors", "structure factors", StructureFactors, "hkl", "-structure_factors"),
    Role("lattice_shapes", "lattice shape", LatticeShape, "square", "-lattice_shape"),
    Role("backgrounds", "background", Background),
    Role("noise_models", "noise model", NoiseModel, "poisson", "-noise"),
    Role("tracers", "tracer", Tracer),
    Role("image_formats", "image format", ImageFormat),
    Role("geometry_readers", "geometry reader", GeometryReader, "", "-geometry_reader"),
    Role("truth_formats", "truth format", TruthFormat),
)
