"""Properties of an image format.

That a file appears only when all of it is written is the orchestrator's promise, not the format's.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, BinaryIO, cast

import attrs
import numpy as np
from hypothesis import strategies as st

from openbragg.model import Beam, Crystal, Detector, Experiment, Sampling, Scan
from openbragg.model.geometry import Axes, place
from openbragg.options import options_of
from openbragg.roles import Image, ImageFormat
from openbragg.testing.assertions import for_all, require
from openbragg.testing.declaration import check_declaration

Pixels = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, int]
Reader = Callable[[bytes, Shape], Pixels]

_EXAMPLES = 15


def make_image(
    pixels: Pixels,
    content: str = "photons",
    region: tuple[int, int, int, int] | None = None,
    detector: Detector | None = None,
) -> Image:
    """An image to write: a 100 angstrom cubic crystal at 1 angstrom, the beam along x.

    Parameters
    ----------
    pixels
        Shape (slow, fast); float32 photons or float64 counts.
    content
        ``photons`` or ``counts``.
    region
        First and last rendered pixel along fast, then along slow; all by default.
    detector
        Where it was recorded; by default 100 mm away with the beam in its middle, with pixels of 0.1 mm.
    """
    slow, fast = pixels.shape
    detector = detector or Detector(pixels=(slow, fast))
    near = detector.near_point_default()
    axes = Axes(
        beam=(1, 0, 0),
        fast=(0, 0, 1),
        slow=(0, -1, 0),
        normal=(1, 0, 0),
        twotheta=(0, 0, -1),
        polarization=(0, 0, 1),
        spindle=(0, 0, 1),
    )
    region = region or (0, fast - 1, 0, slow - 1)
    right = 1.5707963267948966
    experiment = Experiment(
        beam=Beam(),
        crystal=Crystal(cell=(1e-8, 1e-8, 1e-8, right, right, right)),
        detector=detector,
        scan=Scan(start=0.0, range=0.0, step=0.0, steps=1),
        sampling=Sampling(oversample=1, region=region, seed=1),
    )
    laboratory = place(detector, axes, pivot="beam", beam_centre=near, beam_point=near)
    return Image(pixels=pixels, content=content, region=region, experiment=experiment, laboratory=laboratory)


def check_image_format(
    image_format: ImageFormat,
    read: Reader,
    *,
    expected: Callable[[Image], Pixels],
    blank: float = 0.0,
    tolerance: float = 0.0,
) -> None:
    """Everything below, for each content that the format has an option for.

    Parameters
    ----------
    image_format
        An instance.
    read
        Turns a file's bytes into its pixels, (slow, fast): another program's reader where there is one. Its second
        argument is the shape that was written, for formats whose files do not say it.
    expected
        What `read` should find of an image, (slow, fast); rendered pixels are compared, the others must be `blank`.
    blank
        What pixels that were not rendered are in the file.
    tolerance
        Largest difference from what is expected, in the file's own numbers.

    Raises
    ------
    AssertionError
        With the property that does not hold, and the numbers.
    """
    check_declaration(image_format, ImageFormat)
    check_default_file(image_format)
    contents = [spec.output for _, spec in options_of(type(image_format)) if spec.output]
    title = type(image_format).__name__
    require(bool(contents), f"{title} has no option with output='photons' or 'counts': it can never be asked for")
    for content in dict.fromkeys(contents):
        require(content in ("photons", "counts", "labels"), f"{title} has an option with output={content!r}")
        check_round_trip(image_format, read, content, expected=expected, tolerance=tolerance)
        check_unrendered_pixels(image_format, read, content, blank=blank)
        check_plain_stream(image_format, content)


def check_default_file(image_format: ImageFormat) -> None:
    """The file name for a run without outputs is None or a bare name, and contents do not share one."""
    names = [image_format.default_file(content) for content in ("photons", "counts")]
    given = [name for name in names if name is not None]
    for name in given:
        require(name != "" and PurePath(name).name == name, f"the default file {name!r} is not a bare file name")
    require(len(set(given)) == len(given), f"photons and counts would both be written to {given[0] if given else ''}")


def check_round_trip(
    image_format: ImageFormat,
    read: Reader,
    content: str,
    *,
    expected: Callable[[Image], Pixels],
    tolerance: float = 0.0,
) -> None:
    """What is read back has the image's shape, and in the rendered part the values that are expected."""

    def comes_back(recipe: _Recipe) -> None:
        image = recipe.image()
        found = read(_written(image_format, image), image.pixels.shape)
        require(
            found.shape == image.pixels.shape,
            f"an image of {image.pixels.shape} (slow, fast) came back as {found.shape}",
        )
        part = image.rendered()
        _require_equal(found[part], np.asarray(expected(image))[part], tolerance)

    for_all(comes_back, image_recipes(content), examples=_EXAMPLES)


def check_unrendered_pixels(image_format: ImageFormat, read: Reader, content: str, *, blank: float = 0.0) -> None:
    """Pixels outside the rendered part are blank, also where a noise model has put counts into them."""

    def is_blank(recipe: _Recipe) -> None:
        image = recipe.image()
        found = np.array(read(_written(image_format, image), image.pixels.shape), dtype=np.float64)
        outside = np.ones(found.shape, dtype=bool)
        outside[image.rendered()] = False
        wrong = found[outside & (found != blank)]
        if wrong.size:
            raise AssertionError(
                f"{wrong.size} pixels outside the region {image.region} are {wrong[0]}, expected {blank}"
            )

    for_all(is_blank, image_recipes(content), examples=_EXAMPLES)


def check_plain_stream(image_format: ImageFormat, content: str) -> None:
    """Writing needs nothing but `write`, since a file may be a pipe; it is repeatable, and changes no pixel."""

    class _Pipe:
        def __init__(self) -> None:
            self.written = b""

        def write(self, data: bytes) -> int:
            self.written += bytes(data)
            return len(data)

        def flush(self) -> None:
            pass

    def is_plain(recipe: _Recipe) -> None:
        image = recipe.image()
        before = image.pixels.copy()
        pipe = _Pipe()
        try:
            image_format.write(cast(BinaryIO, pipe), image)
        except AttributeError as error:
            raise AssertionError(f"the format cannot write to a pipe: {error}") from error
        require(bool((image.pixels == before).all()), "writing changed the image's pixels")
        require(pipe.written == _written(image_format, image), "two writes of one image gave different bytes")

    for_all(is_plain, image_recipes(content), examples=3)


@attrs.frozen
class _Recipe:
    """How to make an image: few words where a failure is reported."""

    content: str
    shape: Shape
    region: tuple[int, int, int, int]
    brightest: float
    seed: int

    def image(self) -> Image:
        """Random values where it is rendered; elsewhere no photons, but counts, as a noise model may add them."""
        photons = self.content == "photons"
        pixels = np.zeros(self.shape, dtype=np.float32) if photons else np.full(self.shape, 3.0)
        image = make_image(pixels, self.content, self.region)
        part = image.rendered()
        values = np.random.default_rng(self.seed).uniform(0.0, self.brightest, pixels[part].shape)
        pixels[part] = values if photons else np.floor(values)
        return image


@st.composite
def image_recipes(draw: st.DrawFn, content: str, /) -> _Recipe:
    """Images of unequal sides, empty to bright, rendered in part."""
    shape = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    slow, fast = (sorted(draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))) for n in shape)
    return _Recipe(
        content=content,
        shape=shape,
        region=(fast[0], fast[1], slow[0], slow[1]),
        brightest=draw(st.sampled_from((0.0, 0.3, 50.0, 4e4, 1e7))),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def _written(image_format: ImageFormat, image: Image) -> bytes:
    stream = io.BytesIO()
    image_format.write(stream, image)
    require(not stream.closed, "the format closed the stream; that is the caller's to do")
    return stream.getvalue()


def _require_equal(found: Pixels, wanted: Pixels, tolerance: float) -> None:
    difference = np.abs(found.astype(np.float64) - wanted.astype(np.float64))
    if bool((difference <= tolerance).all()):
        return
    place = np.unravel_index(int(np.nan_to_num(difference, nan=np.inf).argmax()), difference.shape)
    raise AssertionError(
        f"{int((~(difference <= tolerance)).sum())} of {difference.size} rendered pixels differ by more than "
        f"{tolerance}; the worst came back as {found[place]}, expected {wanted[place]}"
    )
