"""What an NXmx file says of each image: its beam, and where the spindle stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from openbragg_plugins.image_formats.nxmx.fields import put_axis, put_number

_OMEGA = "/entry/sample/transformations/omega"


@attrs.frozen
class Exposures:
    """Of some images what may differ from one to the next, and what is told of all of them together.

    Attributes
    ----------
    axis
        The spindle along McStas's axes, (3,).
    starts, ranges
        Where it stands at the beginning of each image, and how far it turns, in degrees.
    wavelengths, weights
        Channels of the beam, wavelengths in angstroms: of every image, or once where all are alike.
    flux
        Photons a second, of every image; None where it is not known.
    exposure
        Of an image, in seconds.
    start_time
        When the first image began.
    """

    axis: Sequence[float]
    starts: Sequence[float]
    ranges: Sequence[float]
    wavelengths: Sequence[Sequence[float]]
    weights: Sequence[Sequence[float]]
    flux: Sequence[float | None]
    exposure: float
    start_time: str

    def packed(self) -> bytes:
        """All of it as bytes; equal exposures give equal ones."""
        return json.dumps(attrs.asdict(self)).encode()

    @classmethod
    def unpacked(cls, parts: Sequence[bytes]) -> Exposures:
        """The images of several of them, one after the other."""
        several = [cls(**json.loads(part)) for part in parts]
        joined: dict[str, Any] = {
            name: [value for one in several for value in getattr(one, name)] for name in ("starts", "ranges", "flux")
        }
        for name in ("wavelengths", "weights"):
            every = [one.of_each(getattr(one, name)) for one in several]
            joined[name] = [value for values in every for value in values]
        pairs = list(zip(joined["wavelengths"], joined["weights"], strict=True))
        if all(pair == pairs[0] for pair in pairs):
            joined["wavelengths"], joined["weights"] = [pairs[0][0]], [pairs[0][1]]
        return attrs.evolve(several[0], **joined)

    def of_each(self, values: Sequence[Any]) -> Sequence[Any]:
        """What is known of all images once, for each of them."""
        return values if len(values) == len(self.starts) else [*values] * len(self.starts)


def describe_exposures(entry: Any, exposures: Exposures) -> None:
    """Say in the group ``/entry`` of an open file what `Exposures` have."""
    import numpy as np

    end = _later(exposures.start_time, exposures.exposure * len(exposures.starts))
    entry["start_time"] = exposures.start_time
    entry["end_time"] = entry["end_time_estimated"] = end
    beam = entry["instrument/beam"]
    lengths, weights = _spectrum(exposures)
    put_number(beam, "incident_wavelength", lengths, "angstrom")
    if weights is not None:
        beam.create_dataset("incident_wavelength_weights", data=weights)
    if None not in exposures.flux:
        same = len(set(exposures.flux)) == 1
        put_number(beam, "total_flux", exposures.flux[0] if same else exposures.flux, "Hz")
    sample = entry["sample"]
    steps = sample["transformations"]
    starts, ranges = np.array(exposures.starts), np.array(exposures.ranges)
    put_axis(steps, "omega", starts, "deg", "rotation", exposures.axis, ".")
    # Of a still DIALS divides by the width of the rotation, unless the crystal is said not to stand on an axis; where
    # the spindle stood is kept beside that.
    sample["depends_on"] = _OMEGA if ranges.any() else "."
    if ranges.any():
        put_number(steps, "omega_end", starts + ranges, "deg")
        put_number(steps, "omega_increment_set", ranges, "deg")


def _spectrum(exposures: Exposures) -> tuple[Any, Any]:
    """Wavelengths in angstroms and weights as NXbeam has them: of all images, or of each; no weights of single ones.

    Wavelengths that are the same in all images stand there once.
    """
    import numpy as np

    lengths = [np.array(each) for each in exposures.wavelengths]
    weights = [np.array(each) for each in exposures.weights]
    most = max(map(len, lengths))
    if most == 1:
        return lengths[0][0] if len(lengths) == 1 else np.concatenate(lengths), None
    if len(lengths) == 1:
        return lengths[0], weights[0]
    if any(len(each) < most for each in lengths):
        # A channel of no weight may have any wavelength.
        lengths = [np.pad(each, (0, most - len(each)), mode="edge") for each in lengths]
        weights = [np.pad(each, (0, most - len(each))) for each in weights]
    same = all((each == lengths[0]).all() for each in lengths)
    return lengths[0] if same else np.stack(lengths), np.stack(weights)


def _later(start: str, seconds: float) -> str:
    end = datetime.fromisoformat(start) + timedelta(seconds=seconds)
    return end.isoformat().replace("+00:00", "Z")
