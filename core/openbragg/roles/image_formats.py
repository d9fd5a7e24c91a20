"""The contracts of image formats: images and series on their way to a file, and images read from one."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, runtime_checkable

import attrs

from openbragg.roles.noise_models import Levels
from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from openbragg.model import Experiment, Scan
    from openbragg.model.described import Geometry
    from openbragg.model.geometry import Laboratory
    from openbragg.roles.image_source import ImageSource
    from openbragg.roles.pixel_labels import PixelLabels
    from openbragg.roles.spectra import Channels


@attrs.frozen(kw_only=True, eq=False)
class Image:
    """An image on its way to a file.

    Attributes
    ----------
    pixels
        The values, (slow, fast): float32 photons, or float64 counts.
    content
        ``photons`` (expected, without noise) or ``counts`` (after the noise model); ``labels`` of photons with labels.
    region
        The rendered part: first and last pixel along fast, then along slow, both included.
    experiment, laboratory
        The resolved experiment, and where the convention placed it.
    quirks
        Names of the reference program's quirks that the run reproduces.
    levels
        What counts mean; of photons the default.
    spectrum
        The beam's, whose mean wavelength is that of the experiment; None where it is not known.
    labels
        Labels of the pixels, where the format wants them.
    """

    pixels: np.ndarray[Any, np.dtype[Any]]
    content: str
    region: tuple[int, int, int, int]
    experiment: Experiment
    laboratory: Laboratory
    quirks: frozenset[str] = frozenset()
    levels: Levels = Levels()
    spectrum: Channels | None = None
    labels: PixelLabels | None = None

    def rendered(self) -> tuple[slice, slice]:
        """The rendered part as slices (slow, fast)."""
        first_fast, last_fast, first_slow, last_slow = self.region
        return slice(first_slow, last_slow + 1), slice(first_fast, last_fast + 1)


@runtime_checkable
class ImageFormat(Plugin, Protocol):
    """A file from an image.

    A format names its files in option fields with ``output="photons"`` or ``output="counts"``; for each that is
    set, `write` is called with that content. With ``output="labels"`` it is called with photons and the labels of
    pixels, which other files get where a method ``wants_labels()`` of the format says so. `default_file` names a file
    for runs in which no output was asked for. A class attribute ``suffixes`` tells the ends of names by which Python
    chooses it, with the point and in lower case. With a class attribute ``yields_to_names`` a file of its flags is
    written by another format whose ends its name has, if that has an attribute ``takes_names``.

    A format whose files have a quirk of the reference program may have a method ``reference_difference(image)``, which
    gives the quirk's name and what would have been different in this file, or None where nothing would. One whose
    pixels have a largest value may have a method ``overloads(image)``: the number of rendered pixels beyond it. One
    whose files cannot say all of where an image was recorded may have a method ``unsaid(image)``: what its readers take
    wrongly of this one, as words that go on after "the file cannot say", or None. One whose files say exactly at which
    spindle angles the crystal turned may have ``says_angles = True``: a notice tells where the rotation steps of the
    image stand half a step before them.
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
    levels
        As in an `Image`.
    spectra
        Of every image, in their order; one where all are alike, and none where it is not known.
    """

    content: str
    region: tuple[int, int, int, int]
    experiment: Experiment
    laboratory: Laboratory
    shape: tuple[int, int]
    scans: tuple[Scan, ...]
    quirks: frozenset[str] = frozenset()
    levels: Levels = Levels()
    spectra: tuple[Channels, ...] = ()


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


@attrs.frozen
class ImageSetup:
    """How images of a shot were recorded, as a `LinkingFormat` says it.

    Attributes
    ----------
    shared
        What all images of a file have in common; setups with equal bytes may stand in one file.
    own
        What only these images have.
    still
        Whether the crystal does not turn; what turns is a sequence, to which no other images belong.
    """

    shared: bytes
    own: bytes
    still: bool


@attrs.frozen
class LinkedImages:
    """Images that lie in a file of HDF5, one after the other.

    Attributes
    ----------
    file
        Its name, relative to the folder of the file that leads there.
    data
        The data set.
    pixel_type
        Of its pixels, as NumPy calls it.
    size
        How many there are along each axis of the data set, the last two of which are slow and fast.
    start
        Where the first one is; at the beginning where it is empty.
    whole
        The size of the data set; that of the images where it is empty.
    """

    file: str
    data: str
    pixel_type: str
    size: tuple[int, ...]
    start: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()

    def images(self) -> int:
        """How many images that are."""
        return prod(self.size[:-2])


@runtime_checkable
class LinkingFormat(ImageFormat, Protocol):
    """An image format whose files can show images that lie in other files, of HDF5.

    So what keeps images in a way of its own can be read by all programs that know the format.
    """

    def setup(self, series: Series, pixel_type: str) -> ImageSetup:
        """What a file says of some images but for their pixels, which are of a type as NumPy calls it.

        Equal series give equal bytes.
        """

    def write_links(self, stream: BinaryIO, setups: Sequence[ImageSetup], links: Sequence[LinkedImages]) -> None:
        """Write a file to a binary stream that shows the images of all links, one after the other.

        Parameters
        ----------
        stream
            Where it goes.
        setups
            What was said of the images, in their order; their shared parts are equal.
        links
            Where the images are, in the same order.
        """


@attrs.frozen(kw_only=True, eq=False)
class ReadImage:
    """An image from a file, and what the file says of it; None, or nothing, for what it does not say.

    Attributes
    ----------
    pixels
        The values, (slow, fast), in the file's own number type; it may not be writable.
    masked
        Which pixels measured nothing, booleans (slow, fast); None where all did. Whatever value they have says nothing.
    content
        ``photons`` (expected, without noise, in a scale), ``counts``, or ``shades`` (of a picture to look at).
    pedestal
        Counts of a pixel that no photon met.
    gain
        Counts per photon.
    overload
        From this value on a pixel is overloaded.
    geometry
        Panels, beam, spindle and the scan of this image, in metres and radians; of every format in one laboratory, with
        the beam along x and the spindle, where it is across the beam, along z, as in MOSFLM's convention.
    header
        Keys and values, of formats whose header is a list of them.
    text
        That header as it stands in the file.
    number
        Its number in a file of several, from 1 unless the file counts otherwise; None in a file of one.
    """

    pixels: np.ndarray[Any, np.dtype[Any]]
    masked: np.ndarray[Any, np.dtype[np.bool_]] | None = None
    content: str = ""
    pedestal: float | None = None
    gain: float | None = None
    overload: float | None = None
    geometry: Geometry | None = None
    header: Mapping[str, str] = attrs.field(factory=dict)
    text: str = ""
    number: int | None = None


@runtime_checkable
class ImageReader(Plugin, Protocol):
    """Images from a file; a class may be an `ImageFormat` and this.

    A class that reads many formats may have an attribute ``general``, which is True: it gives way to classes that are
    made for one.
    """

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """Whether a file of this name that begins so is of the kind that the class reads.

        `beginning` is up to 256 KiB, unpacked if the file is packed by gzip or bzip2. The name may decide where the
        content cannot. It is called for any image that is read, so it should be quick, import no heavy library, and be
        sure: a file that two classes recognise is refused.
        """

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """The images of a file, at least one; of a file that holds many, each is read when it is asked for.

        No memory is reserved for more pixels than the file holds.

        Raises
        ------
        InputError
            When it cannot be used; one line that names the file.
        """
