"""Portable greymaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Literal

import attrs

from openbragg import Rule, hookimpl, option

if TYPE_CHECKING:
    from openbragg import Image, ImageFormat

_NOT_NEGATIVE = Rule("a number of 0 or more", lambda value: 0 <= value < float("inf"))
#: Grey value that five standard deviations of the photons come to when the scale is chosen automatically.
_FIVE_SIGMA_GREY = 250.0


@attrs.frozen
class Pgm:
    """8-bit binary greymap (P5): photons times a scale, truncated and clipped at 255. Source: nanoBragg.c."""

    name: ClassVar[str] = "pgm"
    summary: ClassVar[str] = "8-bit portable greymap"
    flags: ClassVar[tuple[str, ...]] = ()

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
        rule=_NOT_NEGATIVE,
        unit="grey/photon",
        help="Scale of the greymap. Default: five standard deviations become 250.",
    )

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        import numpy as np

        part = image.rendered()
        photons = image.pixels[part].astype(np.float64)
        mask = image.experiment.detector.mask
        seen = photons if mask is None else photons[np.asarray(mask)[part].astype(bool)]
        # As in the reference, masked pixels are 0 and deviate from the mean of the others.
        squares = (photons - (seen.mean() if seen.size else 0.0)) ** 2
        deviation = float((squares.sum() / max(1, photons.size - 1)) ** 0.5)
        scale = self.scale or (_FIVE_SIGMA_GREY / (5.0 * deviation) if deviation > 0.0 else 1.0)
        grey = np.zeros(image.pixels.shape, dtype=np.uint8)
        grey[part] = np.clip(photons * scale, 0.0, 255.0).astype(np.uint8)
        slow, fast = grey.shape
        stream.write(f"P5\n{fast} {slow}\n# pixels scaled by {scale:g}\n255\n".encode("ascii"))
        stream.write(grey.tobytes())

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return "image.pgm" if content == "photons" and self.pgmfile is not False else None


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer PGM."""
    return [Pgm]
