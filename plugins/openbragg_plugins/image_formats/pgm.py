"""Portable greymaps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal

import attrs

from openbragg import NOT_NEGATIVE, InputError, hookimpl, option, read_at_most, shown
from openbragg_plugins.image_formats.strips import strips

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from openbragg import Image, ImageFormat, ImageSource, ReadImage

#: Grey value that five standard deviations of the photons come to when the scale is chosen automatically.
_FIVE_SIGMA_GREY = 250.0
#: How any of the portable pixmaps begins, and the header of a binary greymap.
_NETPBM = re.compile(rb"P[1-7][\s#]")
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEADER = re.compile(rb"P5" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,5})\s")
#: Enough for a header with its comments.
_HEADER_BYTES = 4096
_LARGEST_GREY = 65535


@attrs.frozen
class Pgm:
    """8-bit binary greymap (P5): photons times a scale, truncated and clipped at 255. Source: nanoBragg.c."""

    name: ClassVar[str] = "pgm"
    summary: ClassVar[str] = "8-bit portable greymap"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".pgm",)

    pgmfile: Path | Literal[False] | None = option(
        "-pgmfile",
        "-pgmimage",
        negations=("-nopgm",),
        type=Path,
        output="photons",
        metavar="FILE",
        help="Write an 8-bit greymap.",
    )
    scale: float = option(
        "-pgmscale",
        default=0.0,
        rule=NOT_NEGATIVE,
        unit="grey/photon",
        help="Scale of the greymap. Default: five standard deviations become 250.",
    )

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        import numpy as np

        part = image.rendered()
        pixels = image.pixels[part]
        scale = self.scale or _automatic_scale(pixels, image.experiment.detector.hidden(), part)
        grey = np.zeros(image.pixels.shape, dtype=np.uint8)
        rendered = grey[part]
        for rows in strips(pixels):
            shades = pixels[rows] * np.float64(scale)
            rendered[rows] = np.clip(shades, 0.0, 255.0, out=shades)
        slow, fast = grey.shape
        stream.write(f"P5\n{fast} {slow}\n# pixels scaled by {scale:g}\n255\n".encode("ascii"))
        stream.write(grey.data)

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return "image.pgm" if content == "photons" and self.pgmfile is not False else None

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`."""
        return _NETPBM.match(beginning) is not None

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`: one byte a pixel or, beyond 255, two of them, the higher one first."""
        import numpy as np

        from openbragg import ReadImage
        from openbragg_plugins.image_formats.arrays import rest_as_array

        path = source.path
        with source.open() as stream:
            start = read_at_most(stream, _HEADER_BYTES)
            if not start.startswith(b"P5"):
                what = f"this is a {shown(start[:2].decode('latin-1'))}"
                raise InputError(f"{path}: of the portable pixmaps only binary greymaps (P5) are read, {what}")
            found = _HEADER.match(start)
            if found is None:
                raise InputError(f"{path}: expected width, height and largest grey value after P5")
            fast, slow, largest = (int(word) for word in found.groups())
            if fast == 0 or slow == 0 or not 0 < largest <= _LARGEST_GREY:
                raise InputError(
                    f"{path}: expected a width and height above 0 and a largest grey value of 1 to {_LARGEST_GREY}, "
                    f"got {fast}, {slow} and {largest}"
                )
            stream.seek(found.end())
            numbers = np.dtype("u1" if largest < 256 else ">u2")
            pixels = rest_as_array(source, stream, found.end(), numbers, (slow, fast))
        return (ReadImage(pixels=pixels),)


def _automatic_scale(pixels: np.ndarray[Any, Any], hidden: Any, part: tuple[slice, slice]) -> float:
    """The scale at which five standard deviations of the photons become 250."""
    import numpy as np

    photons = pixels.astype(np.float64)
    seen = photons if hidden is None else photons[~hidden[part]]
    # As in the reference, masked pixels are 0 and deviate from the mean of the others.
    photons -= seen.mean() if seen.size else 0.0
    np.square(photons, out=photons)
    deviation = float((photons.sum() / max(1, photons.size - 1)) ** 0.5)
    return _FIVE_SIGMA_GREY / (5.0 * deviation) if deviation > 0.0 else 1.0


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer PGM."""
    return [Pgm]
