"""What a header that knows one upright detector can say of where an image was recorded, and what it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from openbragg import Image, PanelFrame

#: Readers may be so many pixels off before it is worth a word.
_PIXELS = 0.01
#: Axes are along each other when the sine of the angle between them is below this.
_ALONG = 1e-4
_DEGREES = 57.29577951308232
#: Attenuation lengths that differ by a smaller part move no spot by much.
_ATTENUATION = 0.1
#: What DIALS takes for the part of a beam that is polarized, and how far from it is no matter.
_DIALS_POLARIZED, _POLARIZED_ALIKE = 0.999, 0.01


def beam_spot(image: Image) -> tuple[float, float]:
    """Where the beam meets the detector, (fast, slow) in metres from the first corner of the stored frame."""
    fast, slow = stored_frame(image).beam_point(image.laboratory.beam)
    return float(fast), float(slow)


def stored_frame(image: Image) -> PanelFrame:
    """The first panel, moved to the first corner of the stored frame: all there is where that is one detector."""
    frame = image.laboratory.panels[0]
    first_slow, first_fast = frame.panel.slab or (0, 0)
    if (first_slow, first_fast) == (0, 0):
        return frame
    back = first_fast * frame.fast + first_slow * frame.slow
    return attrs.evolve(frame, origin=frame.origin - float(frame.panel.pixel_size) * back)


def unsaid(image: Image) -> str | None:
    """What a reader takes wrongly that believes in one detector across the beam and a spindle along its fast axis.

    SMV and miniCBF headers hold distance, beam centre, pixel size and phi, and DIALS, among others, fills in the rest
    so: fast to the right, slow down, seen along the beam.
    """
    reasons = []
    if _mirrored(image):
        reasons.append("that slow is to the left of fast as seen along the beam, so that readers see a mirror image")
    worst = _worst_pixels(image)
    if not worst <= _PIXELS:
        stands = "panels stand" if len(image.laboratory.panels) > 1 else "the detector stands"
        swing = float(image.experiment.detector.twotheta) * _DEGREES
        swung = f" (DIALS passes over the two-theta of {swing:.6g} degrees in it)" if swing else ""
        reasons.append(f"how {stands}: readers are up to {worst:.3g} pixels off{swung}")
    if float(image.experiment.scan.range or 0.0) > 0.0 and not _spindle_along_fast(image):
        reasons.append("that the spindle is not along the fast axis")
    return " and ".join(reasons) or None


def misread(image: Image, *, sensor: bool = True) -> str | None:
    """What DIALS takes wrongly in any format; of one that has no `sensor`, takes for a surface."""
    return both(_polarization(image), _sensor(image, sensor))


def _polarization(image: Image) -> str | None:
    """The beam's polarization, which matters to intensities of a rotation, and which DIALS reads of no format.

    Of the unpolarized beam that a run has by default the documents tell, lest every run does.
    """
    import torch

    experiment, laboratory = image.experiment, image.laboratory
    beam = experiment.beam
    if image.content != "counts" or float(experiment.scan.range or 0.0) == 0.0 or beam.no_polarization_factor:
        return None
    kahn = float(beam.polarization)
    if kahn == 0.0:
        return None
    # Its plane is that of the beam and DIALS's x, which is along the part of the spindle across the beam.
    across = torch.linalg.cross(laboratory.polarization, laboratory.beam)
    if float((across @ laboratory.spindle).abs()) > _ALONG:
        return "that the beam is not polarized along the spindle, as DIALS takes it"
    if abs((1.0 + kahn) / 2.0 - _DIALS_POLARIZED) <= _POLARIZED_ALIKE:
        return None
    part = f"{(1.0 + kahn) / 2.0:.4g}"
    return (
        f"that {part} of the beam is polarized along the spindle: DIALS takes {_DIALS_POLARIZED:g} unless dials.import "
        f"is given geometry.beam.polarization_fraction={part}"
    )


def both(*reasons: str | None) -> str | None:
    """Reasons as one; None where there is none."""
    return " and ".join(reason for reason in reasons if reason is not None) or None


def _sensor(image: Image, told: bool) -> str | None:
    """What readers take wrongly of how far photons get into the sensor, and so where oblique rays are counted."""
    from openbragg import attenuation_length

    experiment = image.experiment
    length = experiment.sensor_attenuation()
    if length is None:
        return None
    if not told:
        return f"that photons get {length * 1e6:.3g} um into a sensor: readers take it for a surface"
    material = experiment.sensor_material() or "Si"
    known = attenuation_length(material, float(experiment.beam.wavelength))
    if known is None or abs(known - length) <= _ATTENUATION * length:
        return None
    depths = f"{length * 1e6:.3g} um into the sensor: readers take it for {known * 1e6:.3g} um of {material}"
    return f"that photons get {depths}"


def _mirrored(image: Image) -> bool:
    import torch

    laboratory = image.laboratory
    frame = laboratory.panels[0]
    return float(torch.linalg.cross(frame.fast, frame.slow) @ laboratory.beam) < 0.0


def _spindle_along_fast(image: Image) -> bool:
    """Whether the crystal turns right-handed about the direction of growing fast index."""
    import torch

    fast, spindle = image.laboratory.panels[0].fast, image.laboratory.spindle
    return float(fast @ spindle) > 0.0 and float(torch.linalg.cross(fast, spindle).norm()) < _ALONG


def _worst_pixels(image: Image) -> float:
    """How far, in pixels, the corner of a panel is from where a reader expects it, seen from the crystal."""
    import torch

    laboratory = image.laboratory
    first = laboratory.panels[0]
    pixel, distance = float(first.panel.pixel_size), float(laboratory.distance)
    spot_fast, spot_slow = beam_spot(image)
    across = first.fast - (first.fast @ laboratory.beam) * laboratory.beam
    across = across / across.norm()
    down = torch.linalg.cross(laboratory.beam, across) * (-1.0 if _mirrored(image) else 1.0)
    worst = 0.0
    for frame in laboratory.panels:
        slow, fast = frame.panel.pixels
        first_slow, first_fast = frame.panel.slab or (0, 0)
        for i, j in ((0, 0), (fast, 0), (0, slow), (fast, slow)):
            corner = frame.origin + float(frame.panel.pixel_size) * (i * frame.fast + j * frame.slow)
            depth = float(corner @ laboratory.beam)
            if depth <= 0.0:
                return float("inf")
            found = (float(corner @ across) * distance / depth, float(corner @ down) * distance / depth)
            expected = ((first_fast + i) * pixel - spot_fast, (first_slow + j) * pixel - spot_slow)
            worst = max(worst, *(abs(one - other) / pixel for one, other in zip(found, expected, strict=True)))
    return worst
