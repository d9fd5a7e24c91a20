"""The raw float image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import attrs

from openbragg import InputError, hookimpl, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openbragg import Image, ImageFormat, ImageSource, ReadImage

_BYTES = 4


@attrs.frozen
class Raw:
    """Little-endian 4-byte floats without a header, fast axis first: the reference program's ``-floatfile``."""

    name: ClassVar[str] = "raw"
    summary: ClassVar[str] = "photons as headerless little-endian float32"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".bin", ".raw")

    floatfile: Path | None = option(
        "-floatfile", "-floatimage", type=Path, output="photons", metavar="FILE", help="Write photons as raw floats."
    )

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        import numpy as np

        stream.write(np.ascontiguousarray(image.pixels, dtype="<f4").data)

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return "floatimage.bin" if content == "photons" else None

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`: nothing tells such files; they are what is left."""
        return False

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`: of the shape that is given, else square."""
        import numpy as np

        from openbragg import ReadImage
        from openbragg_plugins.image_formats.arrays import check_values, rest_as_array

        shape = source.shape or _square(source)
        with source.open() as stream:
            pixels = rest_as_array(source, stream, 0, np.dtype("<f4"), shape)
        return (ReadImage(pixels=check_values(source.path, pixels)),)


def _square(source: ImageSource) -> tuple[int, int]:
    size = source.size()
    edge = math.isqrt(size // _BYTES)
    if edge * edge * _BYTES != size:
        raise InputError(
            f"{source.path}: no image of a known format, and its {size} bytes are no square of float32 pixels; "
            "a raw image that is not square needs its shape"
        )
    return edge, edge


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer the raw format."""
    return [Raw]
