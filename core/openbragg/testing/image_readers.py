"""Properties of a class that reads images, and of one that reads what it has written."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st

from openbragg.errors import InputError, OpenBraggError
from openbragg.model import Beam, Detector, Scan
from openbragg.model.described import Geometry
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.orchestrator.reading.images import image_reader
from openbragg.roles import Image, ImageFormat, ImageReader, ImageSource, ReadImage
from openbragg.testing.assertions import for_all, require
from openbragg.testing.declaration import check_declaration
from openbragg.testing.image_formats import Pixels, image_recipes, make_image

#: Into so many pieces a good file is cut to see what is made of its beginning.
_CUTS = 24
_EXAMPLES = 15
#: Files with a few bytes changed.
_SPOILT = 40
_OTHERS: dict[str, bytes] = {
    "words": b"a file of some\nother kind\n",
    "numbers": b"1 2 3\n4 5 6\n",
    "json": b'{"one": [1, 2]}\n',
    "binary": bytes(range(256)) * 4,
}
_DEGREES = 57.29577951308232


def check_image_reader(reader: ImageReader, good: Mapping[str, bytes], *, spoilt: bool = True) -> None:
    """That it recognises its files, alone; that what it reads makes sense; and that damaged files give a line.

    Parameters
    ----------
    reader
        An instance, of an installed plugin.
    good
        Files that it reads, by their names.
    spoilt
        Whether files with a few other bytes are tried too; not where a library underneath may never come back from one.

    Raises
    ------
    AssertionError
        With the property that does not hold, and the file.
    """
    check_declaration(reader, ImageReader)
    check_recognised_alone(reader, good)
    check_read_images(reader, good)
    check_cut_images(reader, good)
    if spoilt:
        check_spoilt_images(reader, good)


def check_recognised_alone(reader: ImageReader, good: Mapping[str, bytes]) -> None:
    """It recognises the files that it reads, and none of a few others; no other plugin takes its files."""
    cls = type(reader)
    for kind, content in _OTHERS.items():
        require(not cls.recognises(content, "file"), f"{cls.__name__} takes a file of {kind} for one that it reads")
    for name, content in good.items():
        require(cls.recognises(content, name) is True, f"{cls.__name__} does not recognise {name}")
        with _file(name, content) as path:
            found = image_reader(ImageSource(path=path), default_registry())
        require(found.cls is cls, f"{name} is read by {found.name}, not by {cls.__name__}")


def check_read_images(reader: ImageReader, good: Mapping[str, bytes]) -> None:
    """A good file has images of two axes, of real numbers; where one is masked says so for each pixel."""
    for name, content in good.items():
        with _file(name, content) as path:
            images = reader.read(ImageSource(path=path))
            require(len(images) > 0, f"{name}: there is no image")
            for image in (images[0], images[len(images) - 1]):
                _check_image(name, image)


def check_cut_images(reader: ImageReader, good: Mapping[str, bytes]) -> None:
    """The beginning of a good file is read or refused, in one line that names it."""
    for name, content in good.items():
        for part in range(_CUTS):
            _read_or_refused(reader, name, content[: len(content) * part // _CUTS], "cut")


def check_spoilt_images(reader: ImageReader, good: Mapping[str, bytes]) -> None:
    """A good file with a few other bytes is read or refused, in one line that names it."""
    for name, content in good.items():
        _check_spoilt(reader, name, content)


def check_read_back(
    image_format: Any, content: str, *, expected: Callable[[Image], Pixels], tolerance: float = 0.0
) -> None:
    """What the class reads of a file that it has written: the shape, and in the rendered part what is expected.

    Parameters
    ----------
    image_format
        An instance of a class that writes and reads.
    content
        ``photons`` or ``counts``.
    expected
        What should be read of an image, (slow, fast).
    tolerance
        Largest difference from that, in the file's own numbers.
    """

    def comes_back(recipe: Any) -> None:
        image = recipe.image()
        (found,) = _read_back(image_format, image)
        require(found.pixels.shape == image.pixels.shape, f"{image.pixels.shape} came back as {found.pixels.shape}")
        part = image.rendered()
        difference = np.abs(found.pixels[part].astype(np.float64) - np.asarray(expected(image))[part])
        require(bool((difference <= tolerance).all()), f"pixels came back up to {difference.max()} away")

    for_all(comes_back, image_recipes(content), examples=_EXAMPLES)


def check_mask_read_back(image_format: Any, content: str) -> None:
    """Masked pixels, and no others, are known of a file that the class has written."""

    def comes_back(seen: list[list[bool]]) -> None:
        mask = np.array(seen)
        pixels = np.full(mask.shape, 7.0, dtype=np.float32 if content == "photons" else np.float64)
        image = make_image(pixels, content, detector=Detector(pixels=mask.shape, mask=mask))
        (found,) = _read_back(image_format, image)
        masked = np.zeros(mask.shape, dtype=bool) if found.masked is None else found.masked
        require(bool((masked == ~mask).all()), f"of the mask {mask.tolist()} came back {masked.tolist()}")

    rows = st.integers(1, 5).flatmap(lambda fast: st.lists(st.lists(st.booleans(), min_size=fast, max_size=fast)))
    for_all(comes_back, rows.filter(bool), examples=_EXAMPLES)


def check_camera_read_back(image_format: Any, content: str, *, tolerance: float) -> None:
    """A file that the class has written says where the image was recorded: the same angles, to the digits it has.

    Detectors are upright or swung by two-theta. Compared are the wavelength; the cosines that the directions to each
    corner of a panel make with beam and spindle, which no choice of axes changes; and the spindle's angles.
    """

    def comes_back(recipe: _Camera) -> None:
        image = recipe.image(content)
        (found,) = _read_back(image_format, image)
        require(found.geometry is not None, f"no camera came back of {recipe}")
        assert found.geometry is not None
        wanted, got = recipe.numbers(image), _numbers(found.geometry)
        require(len(wanted) == len(got), f"{len(got)} numbers came back, expected {len(wanted)}")
        for one, other in zip(wanted, got, strict=True):
            require(abs(one - other) <= tolerance * max(1.0, abs(one)), f"of {recipe}: {other} came back for {one}")

    for_all(comes_back, _cameras(), examples=_EXAMPLES)


@attrs.frozen
class _Camera:
    """How to record an image: few words where a failure is reported."""

    shape: tuple[int, int]
    pixel_size: float
    distance: float
    wavelength: float
    twotheta: float
    start: float
    range: float

    def image(self, content: str) -> Image:
        detector = Detector(
            pixels=self.shape, pixel_size=self.pixel_size, distance=self.distance, twotheta=self.twotheta
        )
        dtype = np.float32 if content == "photons" else np.float64
        image = make_image(np.ones(self.shape, dtype=dtype), content, detector=detector)
        scan = Scan(start=self.start, range=self.range, step=self.range, steps=1)
        experiment = attrs.evolve(image.experiment, beam=Beam(wavelength=self.wavelength), scan=scan)
        return attrs.evolve(image, experiment=experiment)

    def numbers(self, image: Image) -> list[float]:
        laboratory = image.laboratory
        (frame,) = laboratory.panels
        slow, fast = frame.panel.pixels
        pixel = float(frame.panel.pixel_size)
        corners = [
            (frame.origin + pixel * (i * frame.fast + j * frame.slow)).tolist()
            for i, j in ((0, 0), (fast, 0), (0, slow), (fast, slow))
        ]
        cosines = _cosines(corners, laboratory.beam.tolist(), laboratory.spindle.tolist())
        return [self.wavelength * 1e10, self.start * _DEGREES, self.range * _DEGREES, *cosines]


def _numbers(geometry: Geometry) -> list[float]:
    """What `_Camera.numbers` has, of a geometry that was read."""
    (panel,) = geometry.panels
    slow, fast = panel.pixels
    corners = [panel.position(i, j) for i, j in ((0, 0), (fast, 0), (0, slow), (fast, slow))]
    cosines = _cosines(corners, geometry.beam, geometry.spindle or (0.0, 0.0, 0.0))
    angles = [math.degrees(value or 0.0) for value in (geometry.start, geometry.oscillation)]
    return [(geometry.wavelength or 0.0) * 1e10, *angles, *cosines]


def _cosines(corners: Sequence[Sequence[float]], *axes: Sequence[float]) -> list[float]:
    return [
        sum(one * other for one, other in zip(corner, axis, strict=True)) / math.hypot(*corner)
        for corner in corners
        for axis in axes
    ]


def _cameras() -> st.SearchStrategy[_Camera]:
    return st.builds(
        _Camera,
        shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
        pixel_size=st.sampled_from((0.05e-3, 0.075e-3, 0.172e-3)),
        distance=st.integers(20, 2000).map(lambda distance: distance * 1e-3),
        wavelength=st.integers(300, 5000).map(lambda value: value * 1e-13),
        twotheta=st.sampled_from((0.0, 0.25, -0.125)),
        start=st.integers(-180, 180).map(math.radians),
        range=st.sampled_from((0.0, math.radians(0.1), math.radians(1.0))),
    )


def _read_back(image_format: Any, image: Image) -> Sequence[ReadImage]:
    assert isinstance(image_format, ImageFormat)
    stream = io.BytesIO()
    image_format.write(stream, image)
    slow, fast = image.pixels.shape
    with _file("image", stream.getvalue()) as path:
        reader: Any = image_format
        images: Sequence[ReadImage] = list(reader.read(ImageSource(path=path, shape=(slow, fast))))
    require(len(images) == 1, f"one image was written, and {len(images)} came back")
    return images


def _check_image(name: str, image: ReadImage) -> None:
    pixels = image.pixels
    require(pixels.ndim == 2 and pixels.size > 0, f"{name}: the pixels have the shape {pixels.shape}")
    require(pixels.dtype.kind in "iuf", f"{name}: the pixels are {pixels.dtype}")
    if image.masked is not None:
        require(image.masked.dtype == bool, f"{name}: the mask is of {image.masked.dtype}")
        require(image.masked.shape == pixels.shape, f"{name}: the mask has the shape {image.masked.shape}")
    left = pixels if image.masked is None else pixels[~image.masked]
    require(bool(np.isfinite(left).all()), f"{name}: pixels that are not masked are no numbers")
    require(image.content in ("", "photons", "counts", "shades"), f"{name}: the content is {image.content!r}")


def _check_spoilt(reader: ImageReader, name: str, content: bytes) -> None:
    def is_read_or_refused(changes: list[tuple[int, int]]) -> None:
        spoilt = bytearray(content)
        for place, value in changes:
            spoilt[place] = value
        _read_or_refused(reader, name, bytes(spoilt), f"with the bytes {changes}")

    # Most of what can go wrong is said at the beginning.
    places = st.integers(0, min(len(content), 2000) - 1) | st.integers(0, len(content) - 1)
    changes = st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)
    for_all(is_read_or_refused, changes, examples=_SPOILT)


def _read_or_refused(reader: ImageReader, name: str, content: bytes, how: str) -> None:
    with _file(name, content) as path:
        try:
            images = reader.read(ImageSource(path=path))
            _check_image(name, images[0])
        except (EOFError, OSError):
            # Who calls it makes a line of what a stream raises.
            return
        except OpenBraggError as error:
            line = str(error)
            require(isinstance(error, InputError), f"{name}, {how}: it raises {type(error).__name__}")
            require(str(path) in line, f"{name}, {how}: the message does not name the file: {line!r}")
            require(line.isprintable(), f"{name}, {how}: the message is more than a line: {line!r}")


@contextmanager
def _file(name: str, content: bytes) -> Iterator[Path]:
    """A file of some content, while it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path
