"""TIFF, which every program for images reads."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs

from openbragg import Rule, hookimpl, option
from openbragg_plugins.image_formats.upright import beam_spot

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from openbragg import Image, ImageFormat, ImageSource, ReadImage

#: Of both byte orders, and of files beyond 4 GiB.
_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DEGREES = 57.29577951308232
_BITS = Rule("16 or 32", lambda value: value in (16, 32))
#: A float pixel that is none.
_GAP = -1.0


@attrs.frozen
class Tiff:
    """Photons as float32, counts as unsigned whole numbers of 32 or 16 bits, uncompressed, one page.

    Counts are truncated to whole ones and clipped to what the type holds. Pixels in gaps and masked ones are -1 among
    photons and the type's largest number among counts, which is then one more than any count can be; pixels that were
    not rendered are 0. The description is a line of JSON with the geometry.
    """

    name: ClassVar[str] = "tiff"
    summary: ClassVar[str] = "TIFF: photons as float32, counts as uint32 or uint16"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".tif", ".tiff")
    takes_names: ClassVar[bool] = True

    photons_file: Path | None = option(
        "-tiffphotons", type=Path, output="photons", metavar="FILE", help="Write expected photons as float32 TIFF."
    )
    file: Path | None = option(
        "-tiff", type=Path, output="counts", metavar="FILE", help="Write counts with noise as TIFF."
    )
    bits: int = option(
        "-tiff_bits", type=int, default=32, rule=_BITS, unit="bits", help="Of a count in a TIFF: 32, or 16."
    )

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        import tifffile

        # The library goes back in its file, which a pipe does not allow.
        whole = io.BytesIO()
        pixels = self._photons(image) if image.content == "photons" else self._counts(image)
        tifffile.imwrite(whole, pixels, description=_description(image), metadata=None, software="OpenBragg")
        stream.write(whole.getbuffer())

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return None

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`."""
        return beginning.startswith(_STARTS)

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`."""
        from openbragg_plugins.image_formats.tiff.reading import read_tiff

        return (read_tiff(source),)

    def overloads(self, image: Image) -> int:
        """See `openbragg.ImageFormat`: counts that the type does not hold."""
        if image.content == "photons":
            return 0
        return int((image.pixels[image.rendered()] >= self._largest(image) + 1).sum())

    def _largest(self, image: Image) -> int:
        return (1 << self.bits) - (1 if image.experiment.detector.hidden() is None else 2)

    def _photons(self, image: Image) -> np.ndarray[Any, Any]:
        import numpy as np

        photons = np.zeros(image.pixels.shape, dtype=np.float32)
        photons[image.rendered()] = image.pixels[image.rendered()]
        mask = image.experiment.detector.hidden()
        if mask is not None:
            photons[mask] = _GAP
        return photons

    def _counts(self, image: Image) -> np.ndarray[Any, Any]:
        import numpy as np

        counts = np.zeros(image.pixels.shape, dtype=np.uint16 if self.bits == 16 else np.uint32)
        # In single precision the largest number would be rounded up, beyond what the type holds.
        values = np.trunc(image.pixels[image.rendered()].astype(np.float64))
        counts[image.rendered()] = np.clip(values, 0, self._largest(image))
        mask = image.experiment.detector.hidden()
        if mask is not None:
            counts[mask] = (1 << self.bits) - 1
        return counts


def _description(image: Image) -> str:
    """Geometry in millimetres, angstroms, degrees and seconds; the beam centre in pixels from the first corner."""
    experiment, laboratory = image.experiment, image.laboratory
    pixel = float(laboratory.panels[0].panel.pixel_size)
    fast, slow = beam_spot(image)
    said = {
        "content": image.content,
        "pixel_size_mm": pixel * 1e3,
        "distance_mm": float(laboratory.distance) * 1e3,
        "wavelength_A": float(experiment.beam.wavelength) * 1e10,
        "beam_fast_px": fast / pixel,
        "beam_slow_px": slow / pixel,
        "twotheta_deg": float(experiment.detector.twotheta) * _DEGREES,
        "start_deg": float(experiment.scan.start) * _DEGREES,
        "range_deg": float(experiment.scan.range or 0.0) * _DEGREES,
        "exposure_s": float(experiment.beam.exposure),
    }
    rounded = {key: float(f"{value:.10g}") for key, value in said.items() if not isinstance(value, str)}
    return json.dumps(said | rounded)


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer TIFF."""
    return [Tiff]
