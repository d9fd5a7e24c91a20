"""miniCBF, the format of PILATUS detectors."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs

from openbragg import POSITIVE, Rule, hookimpl, option
from openbragg_plugins.image_formats.minicbf.byte_offset import byte_offsets
from openbragg_plugins.image_formats.upright import beam_spot, both, misread, unsaid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from openbragg import Image, ImageFormat, ImageSource, ReadImage

#: Counts of a PILATUS' 20-bit counter.
_CUTOFF = 1048575
_LARGEST = 2147483647
#: A pixel that is none: in a gap between modules, or masked.
_GAP = -1
#: What PILATUS headers call the materials of sensors.
_SENSORS = {"Si": "Silicon"}
_DEGREES = 57.29577951308232
#: hc in eV angstrom, as the flag -energy has it.
_EV_ANGSTROM = 12398.42
#: Modules of a PILATUS, (slow, fast), and the gaps between them, in pixels.
_MODULE, _BETWEEN = (195, 487), (17, 7)
#: How any CBF begins.
_FILE_START = b"###CBF"
#: A CBF's binary section begins with these bytes.
_START = b"\x0c\x1a\x04\xd5"
_PADDING = 4095
#: Equal runs give equal files, so that none tells when it was written.
_DATE = "1970-01-01T00:00:00.000"

_COUNT = Rule("a whole number from 1 to 2147483647", lambda value: 0 < value <= _LARGEST and value == int(value))


@attrs.frozen
class MiniCbf:
    """Signed 32-bit counts, byte-offset compressed, after a header of the convention PILATUS_1.2.

    Images of other sizes than a PILATUS has say GENERIC_MINI for the convention; the header is the same.

    Counts of the noise model are truncated to whole ones, expected photons are times a scale and rounded to the
    nearest. Counts beyond the cutoff become the cutoff plus one, which readers take for overloaded. Pixels in gaps and
    masked ones are -1, those that were not rendered 0.
    """

    name: ClassVar[str] = "minicbf"
    summary: ClassVar[str] = "miniCBF (PILATUS), 32-bit counts, byte-offset compressed"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".cbf",)
    takes_names: ClassVar[bool] = True

    file: Path | None = option(
        "-cbf", "-cbfile", type=Path, output="counts", metavar="FILE", help="Write counts with noise as miniCBF."
    )
    photons_file: Path | None = option(
        "-cbf_photons",
        type=Path,
        output="photons",
        metavar="FILE",
        help="Write expected photons, rounded to whole ones, as miniCBF.",
    )
    scale: float = option(
        "-cbf_scale",
        default=1.0,
        rule=POSITIVE,
        unit="counts/photon",
        help="Scale of -cbf_photons.",
    )
    cutoff: int = option(
        "-cbf_cutoff",
        type=int,
        default=_CUTOFF,
        rule=_COUNT,
        unit="counts",
        help="Largest count, Count_cutoff in the header; what is beyond becomes one more.",
    )

    def write(self, stream: BinaryIO, image: Image) -> None:
        """See `openbragg.ImageFormat.write`."""
        stream.write(cbf(self._counts(image), contents(image, self._cutoff(image))))

    def default_file(self, content: str) -> str | None:
        """See `openbragg.ImageFormat.default_file`."""
        return None

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.ImageReader.recognises`."""
        return beginning.startswith(_FILE_START)

    def read(self, source: ImageSource) -> Sequence[ReadImage]:
        """See `openbragg.ImageReader.read`."""
        from openbragg_plugins.image_formats.minicbf.reading import read_cbf

        return (read_cbf(source),)

    def unsaid(self, image: Image) -> str | None:
        """See `openbragg.ImageFormat`."""
        return both(unsaid(image), misread(image))

    def overloads(self, image: Image) -> int:
        """See `openbragg.ImageFormat`: pixels beyond the cutoff."""
        return int((self._values(image) > self._cutoff(image)).sum())

    def _cutoff(self, image: Image) -> int:
        """The largest count that a reader may trust: the option's, or where the noise model saturates one below."""
        return max(1, int(image.levels.largest_trusted(self.cutoff)))

    def _values(self, image: Image) -> np.ndarray[Any, Any]:
        """Whole counts of the rendered part, of any size."""
        import numpy as np

        values = image.pixels[image.rendered()].astype(np.float64)
        if image.content == "counts":
            return np.trunc(values, out=values)
        values *= self.scale
        return np.rint(values, out=values)

    def _counts(self, image: Image) -> np.ndarray[Any, Any]:
        import numpy as np

        counts = np.zeros(image.pixels.shape, dtype=np.int32)
        # The lowest numbers are readers' marks of pixels that count nothing.
        counts[image.rendered()] = np.clip(self._values(image), 0, min(self._cutoff(image) + 1, _LARGEST))
        mask = image.experiment.detector.hidden()
        if mask is not None:
            counts[mask] = _GAP
        return counts


def contents(image: Image, cutoff: int) -> str:
    """The lines of ``_array_data.header_contents``, as a PILATUS writes them.

    ``Beam_xy`` is where the beam meets the detector, in pixels from the outer corner of the first, as DIALS has it.
    """
    experiment, laboratory = image.experiment, image.laboratory
    beam, detector, scan = experiment.beam, experiment.detector, experiment.scan
    pixel = float(laboratory.panels[0].panel.pixel_size)
    fast, slow = (spot / pixel for spot in beam_spot(image))
    wavelength = float(beam.wavelength) * 1e10
    start, increment = (float(value or 0.0) * _DEGREES for value in (scan.start, scan.range))
    exposure = float(beam.exposure)
    mask = image.experiment.detector.hidden()
    thickness, material = float(detector.sensor_thickness or 0.0), experiment.sensor_material() or "Si"
    lines = [
        f"Detector: {'PILATUS' if _is_pilatus(image.pixels.shape) else 'simulated'}, S/N 00-0000 OpenBragg",
        _DATE,
        f"Pixel_size {pixel * 1e6:.9g}e-6 m x {pixel * 1e6:.9g}e-6 m",
        *([f"{_SENSORS.get(material, material)} sensor, thickness {thickness:.9f} m"] if thickness > 0.0 else []),
        f"Exposure_time {exposure:.9g} s",
        f"Exposure_period {exposure:.9g} s",
        "Tau = 0 s",
        f"Count_cutoff {cutoff} counts",
        f"Threshold_setting: {_EV_ANGSTROM / wavelength / 2.0:.0f} eV",
        f"Gain_setting: {_gain(image.levels.gain)}",
        f"N_excluded_pixels = {0 if mask is None else int(mask.sum())}",
        "Excluded_pixels: (nil)",
        "Flat_field: (nil)",
        "Trim_file: (nil)",
        "Image_path: (nil)",
        f"Wavelength {wavelength:.9g} A",
        "Energy_range (0, 0) eV",
        f"Detector_distance {float(laboratory.distance):.9g} m",
        "Detector_Voffset 0 m",
        f"Beam_xy ({fast:.9g}, {slow:.9g}) pixels",
        f"Flux {float(beam.flux or 0.0):.9g}",
        "Filter_transmission 1.0",
        f"Start_angle {start:.9g} deg.",
        f"Angle_increment {increment:.9g} deg.",
        f"Detector_2theta {float(detector.twotheta) * _DEGREES:.9g} deg.",
        f"Polarization {(1.0 + float(beam.polarization)) / 2.0:.9g}",
        "Alpha 0 deg.",
        "Kappa 0 deg.",
        f"Phi {start:.9g} deg.",
        f"Phi_increment {increment:.9g} deg.",
        "Chi 0 deg.",
        "Oscillation_axis X, CW",
        "N_oscillations 1",
    ]
    return "".join(f"# {line}\r\n" for line in lines)


def _gain(gain: float) -> str:
    """Counts of a photon; of a detector that counts photons what a PILATUS says."""
    return "not implemented (vrf = -0.000)" if gain == 1.0 else f"{gain:.9g} counts/photon"


def _is_pilatus(shape: tuple[int, ...]) -> bool:
    """Whether an image (slow, fast) has the size of whole modules; DIALS takes no other for one of a PILATUS."""
    return all((size + gap) % (module + gap) == 0 for size, module, gap in zip(shape, _MODULE, _BETWEEN, strict=True))


def cbf(counts: np.ndarray[Any, Any], header: str) -> bytes:
    """A CBF of one image.

    Parameters
    ----------
    counts
        Signed 32-bit, (slow, fast).
    header
        Lines for ``_array_data.header_contents``.
    """
    slow, fast = counts.shape
    packed = byte_offsets(counts)
    convention = "PILATUS_1.2" if _is_pilatus(counts.shape) else "GENERIC_MINI"
    digest = base64.b64encode(hashlib.md5(packed, usedforsecurity=False).digest()).decode("ascii")
    text = [
        "###CBF: VERSION 1.5",
        "",
        "data_openbragg",
        "",
        f'_array_data.header_convention "{convention}"',
        "_array_data.header_contents",
        ";",
        f"{header};",
        "",
        "_array_data.data",
        ";",
        "--CIF-BINARY-FORMAT-SECTION--",
        "Content-Type: application/octet-stream;",
        '     conversions="x-CBF_BYTE_OFFSET"',
        "Content-Transfer-Encoding: BINARY",
        f"X-Binary-Size: {len(packed)}",
        "X-Binary-ID: 1",
        'X-Binary-Element-Type: "signed 32-bit integer"',
        "X-Binary-Element-Byte-Order: LITTLE_ENDIAN",
        f"Content-MD5: {digest}",
        f"X-Binary-Number-of-Elements: {counts.size}",
        f"X-Binary-Size-Fastest-Dimension: {fast}",
        f"X-Binary-Size-Second-Dimension: {slow}",
        f"X-Binary-Size-Padding: {_PADDING}",
        "",
        "",
    ]
    end = "\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\n"
    return b"".join(["\r\n".join(text).encode("ascii"), _START, packed, bytes(_PADDING), end.encode("ascii")])


@hookimpl
def image_formats() -> list[type[ImageFormat]]:
    """Offer miniCBF."""
    return [MiniCbf]
