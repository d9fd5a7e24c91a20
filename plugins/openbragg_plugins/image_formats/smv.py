"""SMV images, the format of ADSC detectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs

from openbragg import Rule, hookimpl, option

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Image, ImageFormat

#: Headers come in multiples of this many bytes.
_BLOCK = 512
_LARGEST_COUNT = 65535.0
#: Count of the brightest pixel when the scale is chosen automatically.
_BRIGHTEST = 55000.0
_DEGREES = 57.29577951308232
_NOT_NEGATIVE = Rule("a number of 0 or more", lambda value: 0 <= value < float("inf"))


@attrs.frozen
class Smv:
    """Unsigned 16-bit counts after a text header with the geometry as several programs want it.

    Expected photons are scaled, offset, rounded and clipped to 0..65535; noisy counts are offset, clipped and
    truncated. Pixels that were not rendered are 0. Source: nanoBragg.c, header keys and arithmetic.
    """

    name: ClassVar[str] = "smv"
    summary: ClassVar[str] = "SMV (ADSC), unsigned 16-bit"
    flags: ClassVar[tuple[str, ...]] = ()

    intfile: Path | None = option(
        "-intfile", "-intimage", type=Path, output="photons", metavar="FILE", help="Write scaled photons without noise."
    )
    noisefile: Path | None = option(
        "-noisefile", "-noiseimage", type=Path, output="counts", metavar="FILE", help="Write counts with noise."
    )
    scale: float = option(
        "-scale",
        default=0.0,
        rule=_NOT_NEGATIVE,
        unit="counts/photon",
        help="Scale of -intfile. Default: the brightest pixel becomes 55000.",
    )
    adc_offset: float = option("-adc", default=40.0, unit="counts", help="Added to every pixel.")

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        import numpy as np

        part = image.rendered()
        counts = np.zeros(image.pixels.shape, dtype="<u2")
        counts[part] = self._counts(image.pixels[part], image.content)
        stream.write(header(image))
        stream.write(counts.tobytes())

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return "intimage.img" if content == "photons" else "noiseimage.img"

    def _counts(self, pixels: np.ndarray[Any, Any], content: str) -> np.ndarray[Any, Any]:
        import numpy as np

        values = pixels.astype(np.float64)
        if content == "counts":
            return np.clip(values + self.adc_offset, 0.0, _LARGEST_COUNT).astype("<u2")
        brightest = float(values.max(initial=0.0))
        scale = self.scale or (_BRIGHTEST / brightest if brightest > 0.0 else 1.0)
        scaled = np.clip(values * scale + self.adc_offset, 0.0, _LARGEST_COUNT)
        # The reference rounds in single precision.
        return np.floor((scaled + 0.5).astype(np.float32)).clip(0.0, _LARGEST_COUNT).astype("<u2")


def header(image: Image) -> bytes:
    """The header, with the reference program's keys in its order and its six digits, in whole blocks of 512 bytes.

    Many fit one block. The reference says 512 whatever the length is, and then its readers take text for pixels.
    """
    laboratory, experiment = image.laboratory, image.experiment
    frame = laboratory.panels[0]
    slow, fast = frame.panel.pixels
    pixel = float(frame.panel.pixel_size)
    near_fast, near_slow = (float(value) for value in frame.near_point())
    beam_fast, beam_slow = (float(value) for value in frame.beam_point(laboratory.beam))
    x, y = (float(value) for value in laboratory.beam_centre)
    origin = [float(value) for value in frame.origin]
    start = float(experiment.scan.start) * _DEGREES
    numbers = {
        "PIXEL_SIZE": pixel * 1000.0,
        "DISTANCE": float(laboratory.distance) * 1000.0,
        "WAVELENGTH": float(experiment.beam.wavelength) * 1e10,
        "BEAM_CENTER_X": x * 1000.0,
        "BEAM_CENTER_Y": y * 1000.0,
        "ADXV_CENTER_X": beam_fast * 1000.0,
        "ADXV_CENTER_Y": (pixel * slow - beam_slow) * 1000.0,
        "MOSFLM_CENTER_X": (beam_slow - 0.5 * pixel) * 1000.0,
        "MOSFLM_CENTER_Y": (beam_fast - 0.5 * pixel) * 1000.0,
        "DENZO_X_BEAM": beam_slow * 1000.0,
        "DENZO_Y_BEAM": beam_fast * 1000.0,
    }
    later = {
        "XDS_ORGX": near_fast / pixel + 0.5,
        "XDS_ORGY": near_slow / pixel + 0.5,
        "CLOSE_DISTANCE": float(frame.close_distance()) * 1000.0,
        "PHI": start,
        "OSC_START": start,
        "OSC_RANGE": float(experiment.scan.range or 0.0) * _DEGREES,
        "TWOTHETA": float(experiment.detector.twotheta) * _DEGREES,
    }
    dials_origin = (1000.0 * origin[2], 1000.0 * origin[1], -1000.0 * origin[0])
    lines = [
        "DIM=2;",
        "BYTE_ORDER=little_endian;",
        "TYPE=unsigned_short;",
        f"SIZE1={fast};",
        f"SIZE2={slow};",
        *(f"{key}={value:g};" for key, value in numbers.items()),
        # Without a semicolon, as the reference writes it.
        "DIALS_ORIGIN=" + ",".join(f"{value:g}" for value in dials_origin),
        *(f"{key}={value:g};" for key, value in later.items()),
        "DETECTOR_SN=000;",
        "BEAMLINE=fake;",
    ]
    text = "\n".join(lines) + "\n}\f"
    blocks = 1
    while len(whole := f"{{\nHEADER_BYTES={blocks * _BLOCK};\n{text}") > blocks * _BLOCK:
        blocks += 1
    return whole.encode("ascii").ljust(blocks * _BLOCK)


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer SMV."""
    return [Smv]
