"""What stands in an NXmx file beside the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from openbragg_plugins.image_formats.nxmx.exposures import Exposures, describe_exposures
from openbragg_plugins.image_formats.nxmx.fields import group, put_axis, put_number
from openbragg_plugins.image_formats.nxmx.mcstas import mcstas_axes, turned

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Channels, Experiment, Laboratory, Scan

_DEGREES = 57.29577951308232
_STEPS = "/entry/instrument/detector/transformations/translation"
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
    describe_setup(entry, about)
    describe_exposures(entry, exposures_of(about))


def describe_setup(entry: Any, about: Description) -> None:
    """Fill it with what holds for all images, however many there are."""
    axes = mcstas_axes(about.laboratory)
    exposure = float(about.experiment.beam.exposure)
    entry["definition"] = "NXmx"
    entry["definition"].attrs["version"] = "1.0"
    entry["title"] = "simulated by OpenBragg"
    source = group(entry, "source", "NXsource")
    source["name"] = "none: a simulation"
    source["name"].attrs["short_name"] = "simulation"
    instrument = group(entry, "instrument", "NXinstrument")
    instrument["name"] = "OpenBragg"
    instrument["name"].attrs["short_name"] = "OpenBragg"
    _beam(group(instrument, "beam", "NXbeam"), about, axes)
    _detector(group(instrument, "detector", "NXdetector"), about, axes, exposure)
    sample = group(entry, "sample", "NXsample")
    sample["name"] = "simulated crystal"
    group(sample, "transformations", "NXtransformations")


def exposures_of(about: Description) -> Exposures:
    """What a description says of each image."""
    beam = about.experiment.beam
    axes = mcstas_axes(about.laboratory)
    spectra = [
        (each.wavelengths.detach().cpu().numpy() * 1e10, each.weights.detach().cpu().numpy()) for each in about.spectra
    ]
    return Exposures(
        axis=turned(axes, about.laboratory.spindle).tolist(),
        starts=[float(scan.start) * _DEGREES for scan in about.scans],
        ranges=[float(scan.range or 0.0) * _DEGREES for scan in about.scans],
        wavelengths=[lengths.tolist() for lengths, _ in spectra] or [[float(beam.wavelength) * 1e10]],
        weights=[weights.tolist() for _, weights in spectra] or [[1.0]],
        flux=[None if beam.flux is None else float(beam.flux)] * len(about.scans),
        exposure=float(beam.exposure),
        start_time=about.start_time,
    )


def _beam(beam: Any, about: Description, axes: np.ndarray[Any, Any]) -> None:
    import numpy as np

    setting = about.experiment.beam
    if float(setting.size) > 0.0:
        put_number(beam, "incident_beam_size", [float(setting.size)] * 2, "m")
    if not setting.no_polarization_factor:
        # Kahn's factor is the part of the light that is polarized, along the polarization vector.
        x, y, _ = turned(axes, about.laboratory.polarization)
        angle, part = 2.0 * np.arctan2(y, x), float(setting.polarization)
        stokes = np.array([1.0, part * np.cos(angle), part * np.sin(angle), 0.0])
        beam["incident_polarization_stokes"] = stokes + 0.0


def _detector(detector: Any, about: Description, axes: np.ndarray[Any, Any], exposure: float) -> None:
    import numpy as np

    settings, laboratory = about.experiment.detector, about.laboratory
    detector["description"] = "simulated detector"
    detector["type"] = "simulation"
    detector["depends_on"] = _STEPS
    put_number(detector, "count_time", exposure, "s")
    put_number(detector, "frame_time", exposure, "s")
    frame = laboratory.panels[0]
    pixel = float(frame.panel.pixel_size)
    for name, side in zip("xy", frame.pixel_sides(), strict=True):
        put_number(detector, f"{name}_pixel_size", float(side), "m")
    first_slow, first_fast = frame.panel.slab or (0, 0)
    fast, slow = (float(value) / pixel for value in frame.beam_point(laboratory.beam))
    fast, slow = fast + first_fast, slow + first_slow
    slope = float(laboratory.beam @ frame.normal)
    # A beam along the panel never meets it.
    distance = float(frame.close_distance()) / slope if slope != 0.0 else np.inf
    if all(map(np.isfinite, (fast, slow, distance))):
        put_number(detector, "beam_center_x", fast, "pixel")
        put_number(detector, "beam_center_y", slow, "pixel")
        put_number(detector, "distance", distance, "m")
    detector["sensor_material"] = about.experiment.sensor_material() or "Si"
    put_number(detector, "sensor_thickness", float(settings.sensor_thickness) or SURFACE, "m")
    # NeXus leaves to the detector what stands here.
    detector["gain_setting"] = f"{about.gain:.9g} counts/photon"
    if about.largest is not None:
        detector["saturation_value"] = about.largest
    if about.smallest is not None:
        detector["underload_value"] = about.smallest
    if about.bits is not None:
        detector["bit_depth_readout"] = about.bits
        detector["bit_depth_image"] = about.bits
    # Where nothing is written there are zeros.
    mask = detector.create_dataset("pixel_mask", about.shape, np.uint32, compression="gzip", chunks=about.shape)
    if about.mask is not None:
        mask[...] = np.where(about.mask, np.uint32(_GAP), np.uint32(0))
    detector["pixel_mask_applied"] = about.mask is not None
    steps = group(detector, "transformations", "NXtransformations")
    put_axis(steps, "translation", 0.0, "m", "translation", [0.0, 0.0, 1.0], ".")
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
    offset = put_axis(module, "module_offset", 0.0, "m", "translation", [0.0, 0.0, 1.0], _STEPS)
    offset.attrs["offset"] = turned(axes, frame.origin)
    offset.attrs["offset_units"] = "m"
    for name, side, direction in zip(("fast", "slow"), sides, (frame.fast, frame.slow), strict=True):
        vector = turned(axes, direction)
        if frame.panel.is_oblique():
            vector = vector / np.linalg.norm(vector)
        made = put_axis(module, f"{name}_pixel_direction", side, "m", "translation", vector, offset.name)
        made.attrs["offset"] = np.zeros(3)
        made.attrs["offset_units"] = "m"
