"""NXmx: the HDF5 files of macromolecular crystallography, as NeXus defines them."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs

from openbragg import COUNT, ImageSetup, LinkedImages, Rule, UsageError, hookimpl, one_of, option
from openbragg_plugins.image_formats.labels import planes_of
from openbragg_plugins.image_formats.nxmx.chunks import (
    COMPRESSIONS,
    create_images,
    filters,
    h5py_module,
    packed,
    put,
    require_libraries,
)
from openbragg_plugins.image_formats.nxmx.description import Description, describe, describe_setup, exposures_of
from openbragg_plugins.image_formats.nxmx.exposures import Exposures, describe_exposures
from openbragg_plugins.image_formats.nxmx.fields import group
from openbragg_plugins.image_formats.nxmx.labels import first_of, joined, labels_of, put_labels
from openbragg_plugins.image_formats.upright import misread

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Channels, Image, ImageFormat, ImageSource, ReadImage, Series

#: Largest pixel of each type: readers hold pixels in 32 bits with a sign, and mark bad pixels with the two largest.
_LARGEST = {"uint16": 65533, "uint32": 2**31 - 3, "int32": 2**31 - 3}
#: HDF5 of 2018, which all readers of today know.
_VERSION = ("v110", "v110")
_DATA = "/entry/data/data"
_HDF5 = b"\x89HDF\r\n\x1a\n"


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


_TYPES = one_of("auto", "uint16", "uint32", "int32", "float32")
_COMPRESSIONS = one_of(*COMPRESSIONS)
_INSTANT = Rule("a time with its zone, like 2026-01-31T12:00:00Z", _is_instant)


@attrs.frozen
class NXmx:
    """A single image, or a whole series, with the geometry of detector and goniometer, as DIALS and others read it.

    Photons are float32, counts uint32, unless a type is asked for; whole numbers are rounded and clipped to it. Pixels
    that are not there are in the file's pixel mask and have the largest number of their type, 0 in float32. Source:
    NeXus application definition NXmx.
    """

    name: ClassVar[str] = "nxmx"
    summary: ClassVar[str] = "NXmx (NeXus HDF5), a whole series in one"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".nxs", ".h5")
    takes_names: ClassVar[bool] = True
    says_angles: ClassVar[bool] = True

    file: Path | None = option(
        "-nxmx", type=Path, output="counts", metavar="FILE", help="Write counts with noise as NXmx, also of a series."
    )
    photons_file: Path | None = option(
        "-nxmx_photons", type=Path, output="photons", metavar="FILE", help="Write photons without noise as NXmx."
    )
    pixel_type: str = option(
        "-nxmx_type",
        type=str,
        default="auto",
        rule=_TYPES,
        metavar="TYPE",
        help="Type of the pixels: uint16, uint32, int32 or float32. Default: uint32 for counts, float32 for photons.",
    )
    compression: str = option(
        "-nxmx_compression",
        type=str,
        default="bslz4",
        rule=_COMPRESSIONS,
        metavar="bslz4 | gzip | none",
        help="bitshuffle and LZ4, as detectors of today write, or gzip, which every HDF5 can read.",
    )
    block: int | None = option(
        "-nxmx_block",
        type=int,
        rule=COUNT,
        unit="images",
        help="Put so many images of a series into a file of its own, NAME_data_000001.h5 and so on. Default: all into "
        "the one file.",
    )
    with_labels: bool = option(
        "-nxmx_labels",
        default=False,
        type=bool,
        help="Put the labels of pixels beside the images, in /entry/labels: see -labelsfile.",
    )
    start_time: str = option(
        "-nxmx_start_time",
        type=str,
        default="1970-01-01T00:00:00Z",
        rule=_INSTANT,
        metavar="TIME",
        help="When the first image is said to begin. It is no clock's time, so that equal runs give equal files.",
    )

    def __attrs_post_init__(self) -> None:
        if self.with_labels and self.block is not None:
            raise UsageError("-nxmx_labels: expected without -nxmx_block, whose files have images alone")
        if self.file is not None or self.photons_file is not None:
            # Better now than when the image is rendered.
            require_libraries(self.compression)

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        # HDF5 goes back in what it writes, which a pipe cannot.
        memory = io.BytesIO()
        with _new(memory, self.compression) as file:
            entry = _entry(file)
            self._images(entry, image.content, image.pixels.shape, [self._chunk(image)])
            if image.labels is not None:
                parts = [[packed(plane, self.compression) for plane in planes_of(image.labels).values()]]
                put_labels(entry, parts, image.pixels.shape, self.compression)
            spectra = () if image.spectrum is None else (image.spectrum,)
            describe(entry, self._description(image, image.pixels.shape, (image.experiment.scan,), spectra))
        stream.write(memory.getvalue())

    def wants_labels(self) -> bool:
        """See `openbragg.ImageFormat`."""
        return self.with_labels

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return None

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`."""
        return beginning.startswith(_HDF5)

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`."""
        from openbragg_plugins.image_formats.nxmx.reading import read_nxmx

        return read_nxmx(source)

    def unsaid(self, image: Image) -> str | None:
        """See `openbragg.ImageFormat`: oblique pixels; and what the file does say, and DIALS does not read."""
        said = [image.laboratory.oblique_pixels(), misread(image)]
        return "; ".join(filter(None, said)) or None

    def largest(self, content: str) -> int | None:
        """The largest value of a pixel of photons or counts; None for floating-point numbers."""
        return _LARGEST.get(self._type(content))

    def overloads(self, image: Image) -> int:
        """See `openbragg.ImageFormat`: pixels that the type does not hold."""
        largest = self.largest(image.content)
        return 0 if largest is None else int((image.pixels[image.rendered()] > largest).sum())

    def write_part(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.SeriesFormat.write_part`."""
        if image.labels is None:
            stream.write(self._chunk(image))
            return
        planes = (packed(plane, self.compression) for plane in planes_of(image.labels).values())
        stream.write(joined([self._chunk(image), *planes]))

    def series_files(self, path: Path, images: int) -> tuple[Path, ...]:
        """See `openbragg.SeriesFormat.series_files`."""
        if self.block is None:
            return (path,)
        stem = path.stem.removesuffix("_master")
        blocks = -(-images // self.block)
        return *(path.with_name(f"{stem}_data_{number:06d}.h5") for number in range(1, blocks + 1)), path

    def write_series(self, stream: BinaryIO, file: Path, path: Path, series: Series, parts: Sequence[Path]) -> None:
        """See `openbragg.SeriesFormat.write_series`."""
        files = self.series_files(path, len(parts))
        shape = series.shape
        with _new(stream, self.compression) as opened:
            entry = _entry(opened)
            if file != path:
                assert self.block is not None
                first = files.index(file) * self.block
                block = parts[first : first + self.block]
                data = self._images(entry, series.content, shape, _contents(block), len(block))
                data.attrs["image_nr_low"], data.attrs["image_nr_high"] = first + 1, first + len(block)
                return
            if self.with_labels:
                self._images(entry, series.content, shape, (first_of(part) for part in parts), len(parts))
                put_labels(entry, (labels_of(part) for part in parts), shape, self.compression, len(parts))
            elif self.block is None:
                self._images(entry, series.content, shape, _contents(parts), len(parts))
            else:
                self._links(entry, series.content, shape, [each.name for each in files[:-1]], len(parts))
            describe(entry, self._description(series, shape, series.scans, series.spectra))

    def setup(self, series: Series, pixel_type: str) -> ImageSetup:
        """See `openbragg.LinkingFormat.setup`."""
        typed = attrs.evolve(self, pixel_type=pixel_type)
        about = typed._description(series, series.shape, series.scans, series.spectra)
        memory = io.BytesIO()
        with _new(memory, "none") as file:
            describe_setup(_entry(file), about)
        still = not any(float(scan.range or 0.0) for scan in series.scans)
        return ImageSetup(memory.getvalue(), exposures_of(about).packed(), still)

    def write_links(self, stream: BinaryIO, setups: Sequence[ImageSetup], links: Sequence[LinkedImages]) -> None:
        """See `openbragg.LinkingFormat.write_links`."""
        memory = io.BytesIO(setups[0].shared)
        with h5py_module().File(memory, "r+", libver=_VERSION) as file:
            _link(_data(file["entry"]), links)
            describe_exposures(file["entry"], Exposures.unpacked([setup.own for setup in setups]))
        stream.write(memory.getvalue())

    def _images(
        self, entry: Any, content: str, shape: tuple[int, ...], chunks: Iterable[bytes], images: int = 1
    ) -> Any:
        import numpy as np

        data = create_images(_data(entry), "data", images, shape, np.dtype(self._type(content)), self.compression)
        put(data, chunks)
        return data

    def _links(self, entry: Any, content: str, shape: tuple[int, ...], names: list[str], images: int) -> None:
        """The images of the blocks as one data set, and each block under the name that detectors give it."""
        block = self.block
        assert block is not None
        data, kind = _data(entry), self._type(content)
        counts = [min(block, images - number * block) for number in range(len(names))]
        for number, name in enumerate(names, 1):
            data[f"data_{number:06d}"] = h5py_module().ExternalLink(name, _DATA)
        _link(
            data, [LinkedImages(name, _DATA, kind, (count, *shape)) for name, count in zip(names, counts, strict=True)]
        )

    def _trusted(self, image: Image | Series) -> int | None:
        """The largest value that a reader may trust; None where every number is."""
        largest = self.largest(image.content)
        if largest is None and image.levels.saturation is None:
            return None
        return int(image.levels.largest_trusted(largest if largest is not None else math.inf))

    def _type(self, content: str) -> str:
        if self.pixel_type != "auto":
            return self.pixel_type
        return "float32" if content == "photons" else "uint32"

    def _chunk(self, image: Image) -> bytes:
        return packed(self._pixels(image), self.compression)

    def _pixels(self, image: Image) -> np.ndarray[Any, Any]:
        """The stored frame, (slow, fast), with 0 where nothing was rendered."""
        import numpy as np

        name = self._type(image.content)
        pixels: np.ndarray[Any, Any] = np.zeros(image.pixels.shape, dtype=name)
        part = image.rendered()
        largest = _LARGEST.get(name)
        if largest is None:
            pixels[part] = image.pixels[part]
        else:
            lowest = -largest if name == "int32" else 0
            # In single precision the largest number would be rounded up, beyond what the type holds.
            pixels[part] = np.rint(image.pixels[part].astype(np.float64)).clip(lowest, largest)
        mask = image.experiment.detector.hidden()
        if mask is not None:
            pixels[mask] = 0 if largest is None else np.iinfo(name).max
        return pixels

    def _description(
        self, image: Image | Series, shape: tuple[int, ...], scans: Sequence[Any], spectra: Sequence[Channels]
    ) -> Description:
        name = self._type(image.content)
        return Description(
            experiment=image.experiment,
            laboratory=image.laboratory,
            scans=scans,
            shape=shape,
            mask=image.experiment.detector.hidden(),
            largest=self._trusted(image),
            smallest=None if name == "int32" else 0,
            bits=None if name == "float32" else int(name.lstrip("uint")),
            gain=image.levels.gain,
            start_time=self.start_time,
            spectra=spectra,
        )


def _new(stream: BinaryIO, compression: str) -> Any:
    # A filter that is first used while a file is open leaves what is in memory in a gap of that file.
    filters(compression)
    return h5py_module().File(stream, "w", libver=_VERSION)


def _entry(file: Any) -> Any:
    file.attrs["default"] = "entry"
    entry = group(file, "entry", "NXentry")
    entry.attrs["default"] = "data"
    return entry


def _data(entry: Any) -> Any:
    data = group(entry, "data", "NXdata")
    data.attrs["signal"] = "data"
    return data


def _link(data: Any, links: Sequence[LinkedImages]) -> None:
    """One data set in which images that lie elsewhere follow each other."""
    import numpy as np

    h5py = h5py_module()
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    # h5py's own way to make such a data set writes the time of day into it.
    made.set_obj_track_times(False)
    frame = links[0].size[-2:]
    whole = h5py.h5s.create_simple((sum(link.images() for link in links), *frame))
    first = 0
    for link in links:
        whole.select_hyperslab((first, 0, 0), (link.images(), *frame))
        there = h5py.h5s.create_simple(link.whole or link.size)
        there.select_hyperslab(link.start or (0,) * len(link.size), link.size)
        made.set_virtual(whole, link.file.encode(), link.data.encode(), there)
        first += link.images()
    whole.select_all()
    h5py.h5d.create(data.id, b"data", h5py.h5t.py_create(np.dtype(links[0].pixel_type)), whole, made)


def _contents(parts: Iterable[Path]) -> Iterator[bytes]:
    return (path.read_bytes() for path in parts)


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer NXmx."""
    return [NXmx]
