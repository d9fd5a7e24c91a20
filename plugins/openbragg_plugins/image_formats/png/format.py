"""Pictures for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs

from openbragg import POSITIVE, Rule, hookimpl, option
from openbragg_plugins.image_formats.strips import strips

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from openbragg import Image, ImageFormat, ImageSource, ReadImage

_START = b"\x89PNG\r\n\x1a\n"
_PERCENT = Rule("a number above 0 and up to 100", lambda value: 0 < value <= 100)


@attrs.frozen
class Png:
    """An 8-bit grey picture: 0 is white and everything from a percentile of the rendered pixels up is black.

    Where that percentile is 0, it is taken of the pixels above 0.
    """

    name: ClassVar[str] = "png"
    summary: ClassVar[str] = "picture for people, black spots on white"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".png",)

    file: Path | None = option(
        "-pngfile", "-pngimage", type=Path, output="photons", metavar="FILE", help="Write a picture of the photons."
    )
    noise_file: Path | None = option(
        "-noisepng", type=Path, output="counts", metavar="FILE", help="Write a picture of the counts with noise."
    )
    percentile: float = option(
        "-png_percentile",
        default=99.5,
        rule=_PERCENT,
        help="Percentile of the pixels that is drawn black.",
    )
    gamma: float = option(
        "-png_gamma", default=1.0, rule=POSITIVE, help="Exponent of the grey scale; below 1 brings out weak spots."
    )
    black: bool = option("-png_black", default=False, type=bool, help="White spots on black.")

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        import numpy as np
        from PIL import Image as Picture

        part = image.rendered()
        pixels = image.pixels[part]
        top = self._percentile(pixels)
        if top <= 0.0:
            # In a mostly empty image the pixels that hold something are the measure.
            lit = pixels[pixels > 0.0]
            top = self._percentile(lit) if lit.size else 1.0
        grey = np.full(image.pixels.shape, 0 if self.black else 255, dtype=np.uint8)
        rendered = grey[part]
        for rows in strips(pixels):
            shades = np.clip(pixels[rows] / np.float64(top), 0.0, 1.0) ** self.gamma
            rendered[rows] = np.rint(255.0 * (shades if self.black else 1.0 - shades))
        Picture.fromarray(grey).save(stream, format="PNG")

    def _percentile(self, values: np.ndarray[Any, Any]) -> float:
        import numpy as np

        return float(np.percentile(values.astype(np.float64), self.percentile, overwrite_input=True))

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return None

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`."""
        return beginning.startswith(_START)

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`."""
        from openbragg_plugins.image_formats.png.reading import read_png

        return (read_png(source),)


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer PNG."""
    return [Png]
