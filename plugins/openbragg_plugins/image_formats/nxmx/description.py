"""What stands in an NXmx file beside the images."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from openbragg_plugins.image_formats.nxmx.mcstas import mcstas_axes, turned

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Channels, Experiment, Laboratory, Scan

_DEGREES = 57.29577951308232
_STEPS = "/entry/instrument/detector/transformations/translation"
_OMEGA = "/entry/sample/transformations/omega"
#: DIALS wants a thickness above 0, also of a detector that is a surface; this one, in metres, moves no spot.
SURFACE = 1e-9
#: Bit of NeXus's pixel mask: a gap, pixels that are not there.
_GAP = 1


@attrs.frozen(kw_only=True, eq=False)
class Description:
    """What is said of a series in its file.

    Attributes
    ----------
    experiment, laboratory
        Of the first image.
    scans
        Of every image.
    shape
        Pixels of the stored frame, (slow, fast).
    mask
        Where the frame has no pixel, (slow, fast); None where it has all.
    largest
        The largest value that a pixel can have; None for floating-point numbers.
    smallest
        The smallest one; None where negative values are stored.
    bits
        Of a pixel; None for floating-point numbers.
    gain
        Counts of a photon.
    start_time
        When the first image began.
    spectra
        Of every image; one where all are alike, and none where it is not known.
    """

    experiment: Experiment
    laboratory: Laboratory
    scans: Sequence[Scan]
    shape: tuple[int, ...]
    mask: np.ndarray[Any, Any] | None
    largest: int | None
    smallest: int | None
    bits: int | None
    gain: float
    start_time: str
    spectra: Sequence[Channels] = ()


def describe(entry: Any, about: Description) -> None:
    """Fill the group ``/entry`` of an open file, but for the images."""
    axes = mcstas_axes(about.laboratory)
    exposure = float(about.experiment.beam.exposure)
    entry["definition"] = "NXmx"
    entry["definition"].attrs["version"] = "1.0"
    entry["title"] = "simulated by OpenBragg"
    end = _later(about.start_time, exposure * len(about.scans))
    entry["start_time"] = about.start_time
    entry["end_time"] = entry["end_time_estimated"] = end
    source = group(entry, "source", "NXsource")
    source["name"] = "none: a simulation"
    source["name"].attrs["short_name"] = "simulation"
    instrument = group(entry, "instrument", "NXinstrument")
    instrument["name"] = "OpenBragg"
    instrument["name"].attrs["short_name"] = "OpenBragg"
    _beam(group(instrument, "beam", "NXbeam"), about, axes)
    _detector(group(instrument, "detector", "NXdetector"), about, axes, exposure)
    _sample(group(entry, "sample", "NXsample"), about, axes)


def group(parent: Any, name: str, kind: str) -> Any:
    """A group of a NeXus class."""
    made = parent.create_group(name)
    made.attrs["NX_class"] = kind
    return made


def _beam(beam: Any, about: Description, axes: np.ndarray[Any, Any]) -> None:
    import numpy as np

    setting = about.experiment.beam
    lengths, weights = _spectrum(about)
    _put(beam, "incident_wavelength", lengths, "angstrom")
    if weights is not None:
        beam.create_dataset("incident_wavelength_weights", data=weights)
    if setting.flux is not None:
        _put(beam, "total_flux", float(setting.flux), "Hz")
    if float(setting.size) > 0.0:
        _put(beam, "incident_beam_size", [float(setting.size)] * 2, "m")
    if not setting.no_polarization_factor:
        # Kahn's factor is the part of the light that is polarized, along the polarization vector.
        x, y, _ = turned(axes, about.laboratory.polarization)
        angle, part = 2.0 * np.arctan2(y, x), float(setting.polarization)
        stokes = np.array([1.0, part * np.cos(angle), part * np.sin(angle), 0.0])
        beam["incident_polarization_stokes"] = stokes + 0.0


def _spectrum(about: Description) -> tuple[Any, Any]:
    """Wavelengths in angstroms and weights as NXbeam has them: of all images, or of each; no weights of a single one.

    Wavelengths that are the same in all images stand there once.
    """
    import numpy as np

    lengths = [each.wavelengths.detach().cpu().numpy() * 1e10 for each in about.spectra]
    weights = [each.weights.detach().cpu().numpy() for each in about.spectra]
    if not lengths or (len(lengths) == 1 and len(lengths[0]) == 1):
        return float(about.experiment.beam.wavelength) * 1e10, None
    if len(lengths) == 1:
        return lengths[0], weights[0]
    if len({len(each) for each in lengths}) > 1:
        most = max(len(each) for each in lengths)
        # A channel of no weight may have any wavelength.
        lengths = [np.pad(each, (0, most - len(each)), mode="edge") for each in lengths]
        weights = [np.pad(each, (0, most - len(each))) for each in weights]
    same = all((each == lengths[0]).all() for each in lengths)
    return lengths[0] if same else np.stack(lengths), np.stack(weights)


def _detector(detector: Any, about: Description, axes: np.ndarray[Any, Any], exposure: float) -> None:
    import numpy as np

    settings, laboratory = about.experiment.detector, about.laboratory
    detector["description"] = "simulated detector"
    detector["type"] = "simulation"
    detector["depends_on"] = _STEPS
    _put(detector, "count_time", exposure, "s")
    _put(detector, "frame_time", exposure, "s")
    frame = laboratory.panels[0]
    pixel = float(frame.panel.pixel_size)
    for name, side in zip("xy", frame.pixel_sides(), strict=True):
        _put(detector, f"{name}_pixel_size", float(side), "m")
    first_slow, first_fast = frame.panel.slab or (0, 0)
    fast, slow = (float(value) / pixel for value in frame.beam_point(laboratory.beam))
    fast, slow = fast + first_fast, slow + first_slow
    slope = float(laboratory.beam @ frame.normal)
    # A beam along the panel never meets it.
    distance = float(frame.close_distance()) / slope if slope != 0.0 else np.inf
    if all(map(np.isfinite, (fast, slow, distance))):
        _put(detector, "beam_center_x", fast, "pixel")
        _put(detector, "beam_center_y", slow, "pixel")
        _put(detector, "distance", distance, "m")
    detector["sensor_material"] = about.experiment.sensor_material() or "Si"
    _put(detector, "sensor_thickness", float(settings.sensor_thickness) or SURFACE, "m")
    # NeXus leaves to the detector what stands here.
    detector["gain_setting"] = f"{about.gain:.9g} counts/photon"
    if about.largest is not None:
        detector["saturation_value"] = about.largest
    if about.smallest is not None:
        detector["underload_value"] = about.smallest
    if about.bits is not None:
        detector["bit_depth_readout"] = about.bits
        detector["bit_depth_image"] = about.bits
    mask = np.zeros(about.shape, dtype=np.uint32)
    if about.mask is not None:
        mask[about.mask] = _GAP
    detector.create_dataset("pixel_mask", data=mask, compression="gzip", chunks=about.shape)
    detector["pixel_mask_applied"] = about.mask is not None
    steps = group(detector, "transformations", "NXtransformations")
    _axis(steps, "translation", 0.0, "m", "translation", [0.0, 0.0, 1.0], ".")
    for number, panel in enumerate(laboratory.panels):
        _module(group(detector, _module_name(laboratory, number), "NXdetector_module"), panel, axes)


def _module_name(laboratory: Laboratory, number: int) -> str:
    return "module" if len(laboratory.panels) == 1 else f"module_{number:04d}"


def _module(module: Any, frame: Any, axes: np.ndarray[Any, Any]) -> None:
    import numpy as np

    slow, fast = frame.panel.pixels
    module["data_origin"] = np.array(frame.panel.slab or (0, 0))
    module["data_size"] = np.array([slow, fast])
    module["data_stride"] = np.array([1, 1])
    sides = [float(side) for side in frame.pixel_sides()]
    # NeXus has oblique axes, but DIALS does not open a file with them.
    frame, _ = frame.upright()
    # As an offset the position is exact; a length and a unit vector would be rounded.
    offset = _axis(module, "module_offset", 0.0, "m", "translation", [0.0, 0.0, 1.0], _STEPS)
    offset.attrs["offset"] = turned(axes, frame.origin)
    offset.attrs["offset_units"] = "m"
    for name, side, direction in zip(("fast", "slow"), sides, (frame.fast, frame.slow), strict=True):
        vector = turned(axes, direction)
        if frame.panel.is_oblique():
            vector = vector / np.linalg.norm(vector)
        made = _axis(module, f"{name}_pixel_direction", side, "m", "translation", vector, offset.name)
        made.attrs["offset"] = np.zeros(3)
        made.attrs["offset_units"] = "m"


def _sample(sample: Any, about: Description, axes: np.ndarray[Any, Any]) -> None:
    import numpy as np

    sample["name"] = "simulated crystal"
    steps = group(sample, "transformations", "NXtransformations")
    starts = np.array([float(scan.start) for scan in about.scans]) * _DEGREES
    ranges = np.array([float(scan.range or 0.0) for scan in about.scans]) * _DEGREES
    _axis(steps, "omega", starts, "deg", "rotation", turned(axes, about.laboratory.spindle), ".")
    # Of a still DIALS divides by the width of the rotation, unless the crystal is said not to stand on an axis; where
    # the spindle stood is kept beside that.
    sample["depends_on"] = _OMEGA if ranges.any() else "."
    if ranges.any():
        _put(steps, "omega_end", starts + ranges, "deg")
        _put(steps, "omega_increment_set", ranges, "deg")


def _axis(parent: Any, name: str, value: Any, unit: str, kind: str, vector: Any, depends_on: str) -> Any:
    import numpy as np

    made = _put(parent, name, value, unit)
    made.attrs["transformation_type"] = kind
    made.attrs["vector"] = np.asarray(vector, dtype=np.float64)
    made.attrs["depends_on"] = depends_on
    return made


def _put(parent: Any, name: str, value: Any, unit: str) -> Any:
    import numpy as np

    made = parent.create_dataset(name, data=np.asarray(value, dtype=np.float64))
    made.attrs["units"] = unit
    return made


def _later(start: str, seconds: float) -> str:
    end = datetime.fromisoformat(start) + timedelta(seconds=seconds)
    return end.isoformat().replace("+00:00", "Z")
