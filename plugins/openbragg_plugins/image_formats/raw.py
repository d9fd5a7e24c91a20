"""The raw float image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

import attrs

from openbragg import hookimpl, option

if TYPE_CHECKING:
    from openbragg import Image, ImageFormat


@attrs.frozen
class Raw:
    """Little-endian 4-byte floats without a header, fast axis first: the reference program's ``-floatfile``."""

    name: ClassVar[str] = "raw"
    summary: ClassVar[str] = "photons as headerless little-endian float32"
    flags: ClassVar[tuple[str, ...]] = ()

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


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer the raw format."""
    return [Raw]
