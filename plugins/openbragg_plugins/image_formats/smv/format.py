"""SMV images, the format of ADSC detectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs

from openbragg import NOT_NEGATIVE, Rule, hookimpl, option
from openbragg_plugins.image_formats.smv.start import is_smv
from openbragg_plugins.image_formats.strips import strips
from openbragg_plugins.image_formats.upright import beam_spot, both, misread, stored_frame, unsaid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from openbragg import Image, ImageFormat, ImageSource, ReadImage

#: Headers come in multiples of this many bytes.
_BLOCK = 512
#: The reference's own header, in place of one with more keys and the right numbers.
_QUIRK = "smv-header"
#: Two spots closer than this, in metres, differ by rounding only.
_SAME_SPOT = 1e-12
_LARGEST_COUNTS = {16: 65535.0, 32: 4294967295.0}
_KINDS = {16: "<u2", 32: "<u4"}
_TYPES = {16: "unsigned_short", 32: "unsigned_long"}
_GAPS = "which of its pixels are none, so that readers take gaps for pixels without a photon"
#: Count of the brightest pixel when the scale is chosen automatically.
_BRIGHTEST = 55000.0
_DEGREES = 57.29577951308232
#: Equal runs give equal files, so that none tells when it was written.
_DATE = "Thu Jan 01 00:00:00 1970"


@attrs.frozen
class Smv:
    """Unsigned 16-bit counts after a text header with the geometry as several programs want it.

    Expected photons are scaled, offset, rounded and clipped to 0..65535; noisy counts are offset, clipped and
    truncated. Pixels that were not rendered are 0. Pixels that are none, in gaps and between panels, are as if no
    photon had met them, for the format has no mark for them. Source: nanoBragg.c, header keys and arithmetic.
    """

    name: ClassVar[str] = "smv"
    summary: ClassVar[str] = "SMV (ADSC), unsigned 16-bit"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".img",)
    yields_to_names: ClassVar[bool] = True

    intfile: Path | None = option(
        "-intfile", "-intimage", type=Path, output="photons", metavar="FILE", help="Write scaled photons without noise."
    )
    noisefile: Path | None = option(
        "-noisefile", "-noiseimage", type=Path, output="counts", metavar="FILE", help="Write counts with noise."
    )
    scale: float = option(
        "-scale",
        default=0.0,
        rule=NOT_NEGATIVE,
        unit="counts/photon",
        help="Scale of -intfile. Default: the brightest pixel becomes 55000.",
    )
    adc_offset: float = option("-adc", default=40.0, unit="counts", help="Added to every pixel.")
    bits: int = option(
        "-bits",
        type=int,
        default=16,
        rule=Rule("16 or 32", lambda value: value in (16, 32)),
        metavar="16 | 32",
        help="Of a pixel. 32 are TYPE=unsigned_long, which fewer programs read.",
    )

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        import numpy as np

        part = image.rendered()
        pixels, scale = image.pixels[part], self._scale(image)
        counts = np.zeros(image.pixels.shape, dtype=_KINDS[self.bits])
        rendered = counts[part]
        for rows in strips(pixels):
            rendered[rows] = self._counts(pixels[rows], image.content, scale)
        absent = image.experiment.detector.absent()
        if absent is not None:
            rendered[absent[part]] = int(min(max(self.adc_offset, 0.0), self.largest_count()))
        stream.write(header(image, self._keys(image, scale), _TYPES[self.bits]))
        stream.write(counts.data)

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return "intimage.img" if content == "photons" else "noiseimage.img"

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`."""
        return is_smv(beginning)

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`."""
        from openbragg_plugins.image_formats.smv.reading import read_smv

        return (read_smv(source),)

    def reference_difference(self, image: Image) -> tuple[str, str] | None:
        """See `openbragg.ImageFormat`: where the reference's header would say something else, or be too long."""
        reference = _reference_header(image)
        if len(reference) > _BLOCK:
            return _QUIRK, f"HEADER_BYTES={_BLOCK} for one of {len(reference)} bytes"
        right, other = _lines(image, _beam_spot(image), ""), _lines(image, _reference_beam_spot(image), "")
        changed = [line.partition("=")[0] for line, theirs in zip(right, other, strict=True) if line != theirs]
        return (_QUIRK, ", ".join(changed)) if changed else None

    def unsaid(self, image: Image) -> str | None:
        """See `openbragg.ImageFormat`."""
        if _QUIRK in image.quirks:
            return None
        gaps = None if image.experiment.detector.absent() is None else _GAPS
        return both(unsaid(image), gaps, misread(image, sensor=False))

    def overloads(self, image: Image) -> int:
        """See `openbragg.ImageFormat`: pixels that 16 bits do not hold."""
        pixels, scale = image.pixels[image.rendered()], self._scale(image)
        return sum(int((self._values(pixels[rows], scale) > self.largest_count()).sum()) for rows in strips(pixels))

    def largest_count(self) -> float:
        """The largest number that a pixel holds."""
        return _LARGEST_COUNTS[self.bits]

    def _keys(self, image: Image, scale: float) -> dict[str, str]:
        """What readers want to know besides the reference's keys."""
        x, y = (1000.0 * float(value) for value in image.laboratory.beam_centre)
        keys = {
            "XBEAM": f"{x:.9g}",
            "YBEAM": f"{y:.9g}",
            "TIME": f"{float(image.experiment.beam.exposure):g}",
            "DATE": _DATE,
            "ADC_OFFSET": f"{self.adc_offset:g}",
            "IMAGE_PEDESTAL": f"{self.adc_offset:g}",
            "CCD_IMAGE_SATURATION": f"{self._saturation(image):g}",
            "GAIN": f"{scale * image.levels.gain:.9g}",
        }
        if image.content == "photons":
            keys["COUNTS_PER_PHOTON"] = f"{scale:.9g}"
        return keys

    def _saturation(self, image: Image) -> float:
        """What a pixel has that is full, above the offset, or beyond 16 bits."""
        full = image.levels.saturation
        return self.largest_count() if full is None else min(self.largest_count(), full + self.adc_offset)

    def _scale(self, image: Image) -> float:
        """Counts per unit of a pixel: for photons given, or so that the brightest pixel becomes 55000."""
        if image.content == "counts":
            return 1.0
        if self.scale:
            return self.scale
        brightest = float(image.pixels[image.rendered()].max(initial=0.0))
        return _BRIGHTEST / brightest if brightest > 0.0 else 1.0

    def _counts(self, pixels: np.ndarray[Any, Any], content: str, scale: float) -> np.ndarray[Any, Any]:
        """Whole counts that fit into 16 bits, as floating-point numbers that are yet to be truncated."""
        import numpy as np

        values = self._values(pixels, scale)
        np.clip(values, 0.0, self.largest_count(), out=values)
        if content == "counts":
            return values
        values += 0.5
        # The reference rounds in single precision, which holds 16 bits.
        return values.astype(np.float32) if self.bits == 16 else values

    def _values(self, pixels: np.ndarray[Any, Any], scale: float) -> np.ndarray[Any, Any]:
        """Counts before they are made whole and fit into 16 bits."""
        values: np.ndarray[Any, Any] = pixels.astype(float)
        values *= scale
        values += self.adc_offset
        return values


def header(image: Image, more: dict[str, str] | None = None, kind: str = _TYPES[16]) -> bytes:
    """The header, in whole blocks of 512 bytes: the reference program's keys in its order and six digits, then `more`.

    With the quirk smv-header it is the reference's to the last byte.
    """
    if _QUIRK in image.quirks:
        return _reference_header(image, kind)
    lines = _lines(image, _beam_spot(image), "DIALS_ORIGIN={0:g},{1:g},{2:g};", kind)
    for key, value in _for_readers(image).items():
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{key}="))
        lines[place] = f"{key}={value};"
    lines += [f"{key}={value};" for key, value in (more or {}).items()]
    text = "\n".join(lines) + "\n}\f"
    blocks = 1
    while len(whole := f"{{\nHEADER_BYTES={blocks * _BLOCK};\n{text}") > blocks * _BLOCK:
        blocks += 1
    return whole.encode("ascii").ljust(blocks * _BLOCK)


def _for_readers(image: Image) -> dict[str, str]:
    """Keys of the reference that stand here with what ADSC's own headers, and their readers, mean by them.

    Of a beam centre that is the place along slow, then along fast, from the first corner, as in MOSFLM but without its
    half a pixel. With ``BEAMLINE=fake`` DIALS would take it in a sense of its own, and no exposure time. Angles of the
    late images of a long scan need more than six digits.
    """
    beam_fast, beam_slow = _beam_spot(image)
    scan = image.experiment.scan
    start, whole = (float(value or 0.0) * _DEGREES for value in (scan.start, scan.range))
    return {
        "BEAM_CENTER_X": f"{beam_slow * 1000.0:.9g}",
        "BEAM_CENTER_Y": f"{beam_fast * 1000.0:.9g}",
        "PHI": f"{start:.10g}",
        "OSC_START": f"{start:.10g}",
        "OSC_RANGE": f"{whole:.10g}",
        "BEAMLINE": "OpenBragg",
    }


def _reference_header(image: Image, kind: str = _TYPES[16]) -> bytes:
    """One block, whatever the length is: when it is longer, readers take text for pixels."""
    lines = _lines(image, _reference_beam_spot(image), "DIALS_ORIGIN={0:g},{1:g},{2:g}", kind)
    text = "\n".join([f"{{\nHEADER_BYTES={_BLOCK};", *lines]) + "\n}\f"
    return text.encode("ascii").ljust(_BLOCK)


def _beam_spot(image: Image) -> tuple[float, float]:
    """Where the beam meets the detector, (fast, slow) in metres from the first corner.

    Where the reference's formula says the same, its digits are taken, so that equal headers are equal to the byte.
    """
    fast, slow = beam_spot(image)
    theirs = _reference_beam_spot(image)
    return theirs if max(abs(fast - theirs[0]), abs(slow - theirs[1])) < _SAME_SPOT else (fast, slow)


def _reference_beam_spot(image: Image) -> tuple[float, float]:
    """The same as the reference has it: at the distance before the two-theta swing, then projected on the detector."""
    laboratory = image.laboratory
    frame = stored_frame(image)
    spot = laboratory.distance * laboratory.beam - frame.origin
    return float(spot @ frame.fast), float(spot @ frame.slow)


def _lines(image: Image, beam_spot: tuple[float, float], dials_origin: str, kind: str = _TYPES[16]) -> list[str]:
    """The lines that the reference has after the first two, for a beam that meets the detector there."""
    laboratory, experiment = image.laboratory, image.experiment
    frame = stored_frame(image)
    slow, fast = image.pixels.shape
    pixel = float(frame.panel.pixel_size)
    near_fast, near_slow = (float(value) for value in frame.near_point())
    beam_fast, beam_slow = beam_spot
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
    return [
        "DIM=2;",
        "BYTE_ORDER=little_endian;",
        f"TYPE={kind};",
        f"SIZE1={fast};",
        f"SIZE2={slow};",
        *(f"{key}={value:g};" for key, value in numbers.items()),
        dials_origin.format(1000.0 * origin[2], 1000.0 * origin[1], -1000.0 * origin[0]),
        *(f"{key}={value:g};" for key, value in later.items()),
        "DETECTOR_SN=000;",
        "BEAMLINE=fake;",
    ]


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer SMV."""
    return [Smv]
