"""The components of a detector's noise, in the order in which the detector adds them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from openbragg_noise.maps import map_of, module_gains, of_stage
from openbragg_noise.photon_statistics import counted, poisson, varied
from openbragg_noise.point_spread import spread
from openbragg_noise.stages import digitised, read_out_noise, stage_of
from openbragg_noise.streams import normal, stream, uniform

if TYPE_CHECKING:
    import torch

    from openbragg import Readout


def signal_counts(
    expected: torch.Tensor, settings: Any, seed: int, detector_seed: int, readout: Readout
) -> torch.Tensor:
    """Counts for expected photons.

    Parameters
    ----------
    expected
        Photons of the part that is read, float64, none negative.
    settings
        `openbragg_noise.detector.Settings`.
    seed, detector_seed
        Of what differs from image to image, and of what does not.
    readout
        Which part of which image it is.

    Returns
    -------
    float64 whole numbers of the same shape.
    """

    device = expected.device
    if settings.flicker:
        expected = expected * (1.0 + settings.flicker * normal((), seed, "flicker", device)).clamp(min=0.0)
    if settings.point_spread_order == "before":
        expected = _spread(expected, settings, readout)
    photons = drawn_photons(expected, settings, seed, readout)
    if settings.gain_spread:
        photons = varied(photons, settings.gain_spread, stream(seed, "gain", device))
    if settings.point_spread_order == "after":
        photons = _spread(photons, settings, readout)
    counts: torch.Tensor = photons if settings.gain == 1.0 else settings.gain * photons
    sensitivity = calibration_map(settings, detector_seed, readout, device)
    if sensitivity is not None:
        counts = counts * sensitivity
    if settings.module_gains:
        counts = counts * module_gains(settings.module_gains, settings.module, readout).to(device)
    dark = dark_counts(settings, seed, detector_seed, readout, device)
    stages = len(settings.gain_stages)
    stage = stage_of(counts if dark is None else counts + dark, settings) if stages else None
    if settings.gain_map is not None:
        gains = map_of(settings.gain_map, "-gain_map", readout, device, stages=stages)
        counts = counts * of_stage(gains, stage)
    if dark is not None:
        counts = counts + dark
    noise = read_out_noise(settings, stage)
    if not isinstance(noise, float) or noise:
        counts = counts + noise * normal(tuple(counts.shape), seed, "read-out", device)
    counts = digitised(counts, settings, stage)
    if settings.pedestal:
        counts = counts + settings.pedestal
    if settings.pedestal_map is not None:
        pedestals = map_of(settings.pedestal_map, "-pedestal_map", readout, device, stages=stages, signed=True)
        counts = counts + of_stage(pedestals, stage)
    counts = counts.round().clamp_(max=_whole(settings.saturation))
    if settings.dead_pixels:
        dead = uniform(readout.shape, detector_seed, "dead pixels", device)[readout.part()] < settings.dead_pixels
        counts.masked_fill_(dead, 0.0)
    return counts


def refuse_ill_fitting(settings: Any, readout: Readout) -> None:
    """Refuse maps and gains of modules of another detector.

    Raises
    ------
    InputError
        When a map cannot be read, or there are not as many numbers as pixels or modules.
    """
    import torch

    device, stages = torch.device("cpu"), len(settings.gain_stages)
    if settings.module_gains:
        module_gains(settings.module_gains, settings.module, readout)
    if settings.gain_map is not None:
        map_of(settings.gain_map, "-gain_map", readout, device, stages=stages)
    if settings.dark_map is not None:
        map_of(settings.dark_map, "-dark_map", readout, device)
    if settings.pedestal_map is not None:
        map_of(settings.pedestal_map, "-pedestal_map", readout, device, stages=stages, signed=True)


def drawn_photons(expected: torch.Tensor, settings: Any, seed: int, readout: Readout) -> torch.Tensor:
    """Photons that are seen: Poisson's law, or what a dead time leaves of it."""
    generator = stream(seed, "photons", expected.device)
    if not settings.dead_time:
        return poisson(expected, generator)
    paralyzable = settings.dead_time_kind == "paralyzable"
    return counted(expected, readout.exposure / settings.dead_time, paralyzable=paralyzable, generator=generator)


def calibration_map(settings: Any, detector_seed: int, readout: Readout, device: torch.device) -> torch.Tensor | None:
    """What each pixel of the part that is read counts for what it should count 1 for; None where all count 1."""
    import torch

    if not settings.calibration and not settings.module_calibration:
        return None
    found: torch.Tensor
    if settings.calibration:
        # In single precision, which is drawn five times as fast and knows an error of 1 % to 1e-9.
        drawn = normal(readout.shape, detector_seed, "calibration", device, torch.float32)
        found = drawn.double().mul_(settings.calibration).add_(1.0)
    else:
        found = torch.ones(readout.shape, dtype=torch.float64, device=device)
    if settings.module_calibration:
        slow, fast = settings.module or readout.shape
        modules = (-(-readout.shape[0] // slow), -(-readout.shape[1] // fast))
        errors = settings.module_calibration * normal(modules, detector_seed, "module calibration", device)
        errors = errors.repeat_interleave(slow, 0).repeat_interleave(fast, 1)
        found = found * (1.0 + errors[: readout.shape[0], : readout.shape[1]])
    return found.clamp_(min=0.0)[readout.part()]


def dark_counts(
    settings: Any, seed: int, detector_seed: int, readout: Readout, device: torch.device
) -> torch.Tensor | None:
    """Counts without light: electrons by Poisson's law, more of them in hot pixels. None where there are none."""
    import torch

    first_fast, last_fast, first_slow, last_slow = readout.region
    shape = (last_slow - first_slow + 1, last_fast - first_fast + 1)
    per_count = settings.electrons_per_count
    electrons = (settings.dark_electrons + settings.dark_current * per_count) * readout.exposure
    hot_pixels = settings.hot_pixels and settings.hot_current
    if not electrons and settings.dark_map is None and not hot_pixels:
        return None
    expected: torch.Tensor = torch.full(shape, electrons, dtype=torch.float64, device=device)
    if settings.dark_map is not None:
        expected = expected + map_of(settings.dark_map, "-dark_map", readout, device) * per_count * readout.exposure
    some = electrons or settings.dark_map is not None
    drawn = poisson(expected, stream(seed, "dark current", device)) if some else expected
    if hot_pixels:
        hot = uniform(readout.shape, detector_seed, "hot pixels", device)[readout.part()] < settings.hot_pixels
        places = hot.nonzero(as_tuple=True)
        more = torch.full_like(drawn[places], settings.hot_current * per_count * readout.exposure)
        drawn[places] += poisson(more, stream(seed, "hot pixels", device))
    counts: torch.Tensor = drawn if per_count == 1.0 else drawn / per_count
    return counts


def _spread(light: torch.Tensor, settings: Any, readout: Readout) -> torch.Tensor:
    """Light spread over the pixels of each panel."""
    if settings.point_spread == "none":
        return light
    found = light.clone()
    for part, pixel_size in readout.panels():
        found[part] = spread(light[part], settings.point_spread, settings.point_spread_width / pixel_size)
    return found


def _whole(saturation: float) -> float:
    """The largest whole number of counts up to a saturation."""
    return math.floor(saturation) if math.isfinite(saturation) else saturation
