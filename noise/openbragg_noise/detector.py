"""The noise of a detector, component by component; `docs/how-to/noise.md` has the formulas and argues their order."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import (
    COUNT,
    NOT_NEGATIVE,
    POSITIVE,
    SEED,
    InputError,
    Levels,
    Readout,
    Rule,
    UsageError,
    hookimpl,
    one_of,
    option,
)
from openbragg_noise.presets import PRESETS

if TYPE_CHECKING:
    import torch

    from openbragg import NoiseModel

#: An exposure of fewer dead times is none for which the statistics of a counter are known.
_FEWEST_DEAD_TIMES = 100.0
#: What `counts` assumes of a detector of which it is told nothing.
_PIXEL_SIZE, _EXPOSURE = 0.1e-3, 1.0
#: Of a point spread of which no width is given: that of noisify.
_WIDTH = 46e-6

#: More modules than any detector has, and more gains than any amplifier.
_MOST_MODULES, _MOST_STAGES = 1024, 3

#: Options that are of no use without another one, and its flag.
_NEEDS = {
    "point_spread_width": ("point_spread", "-psf gauss or -psf fibre"),
    "point_spread_order": ("point_spread", "-psf gauss or -psf fibre"),
    "dead_time_kind": ("dead_time", "-dead_time"),
    "gain_switches": ("gain_stages", "-gain_stages"),
    "stage_electrons": ("gain_stages", "-gain_stages"),
    "hot_pixels": ("hot_current", "-hot_current"),
    "hot_current": ("hot_pixels", "-hot_pixels"),
}

_PART = Rule("from 0 to 100 %, in Python from 0 to 1", lambda value: 0.0 <= value <= 1.0)


@attrs.frozen
class DetectorNoise:
    """Counts as a detector gives them, from photon statistics to the digits of its converter.

    A component that is not given is that of the preset; one of which the preset says nothing is off. Everything that
    is drawn has a stream of random numbers of its own, made from the image's seed and its name, or from the detector's
    seed for what is the same in all images.
    """

    name: ClassVar[str] = "detector"
    summary: ClassVar[str] = "gain, point spread, read-out noise, calibration, dead time and more, in usual units"
    flags: ClassVar[tuple[str, ...]] = ()

    preset: str = option(
        "-detector_preset",
        default="ideal",
        type=str,
        rule=one_of(*PRESETS),
        metavar=" | ".join(PRESETS),
        help="Typical properties to begin from, which the other flags of the detector override.",
    )
    detector_seed: int = option(
        "-detector_seed",
        "-calib_seed",
        default=1,
        type=int,
        rule=SEED,
        help="Seed of what is the same in all images: calibration errors, dead and hot pixels.",
    )
    flicker: float | None = option(
        "-flicker", unit="%", rule=NOT_NEGATIVE, help="Rms variation of the beam from image to image."
    )
    point_spread: str | None = option(
        "-psf",
        type=str,
        rule=one_of("none", "gauss", "fibre", "fiber"),
        metavar="none | gauss | fibre",
        help="Profile of the point spread: Gaussian, or that of a fibre-optic face with its long tails.",
    )
    point_spread_width: float | None = option(
        "-psf_fwhm",
        unit="um",
        rule=POSITIVE,
        help="Full width at half maximum of the point spread. Default: 46 um, as in noisify.",
    )
    point_spread_order: str | None = option(
        "-psf_order",
        type=str,
        rule=one_of("before", "after"),
        metavar="before | after",
        help="Spread expected photons before they are drawn, each one for one pixel, or the light of drawn photons. "
        "Default: before.",
    )
    dead_time: float | None = option(
        "-dead_time", unit="ns", rule=NOT_NEGATIVE, help="Dead time of a photon counter after a photon."
    )
    dead_time_kind: str | None = option(
        "-dead_time_kind",
        type=str,
        rule=one_of("paralyzable", "nonparalyzable"),
        metavar="paralyzable | nonparalyzable",
        help="Whether a photon in the dead time prolongs it. Default: paralyzable.",
    )
    gain: float | None = option(
        "-gain", unit="ADU/photon", rule=POSITIVE, help="Quantum gain: counts of the converter for a photon."
    )
    gain_spread: float | None = option(
        "-gain_spread", unit="%", rule=NOT_NEGATIVE, help="Rms variation of the gain from photon to photon."
    )
    electrons_per_count: float | None = option(
        "-electrons_per_adu", unit="e-/ADU", rule=POSITIVE, help="Electrons that make a count. Default: 1."
    )
    calibration: float | None = option(
        "-calibration", unit="%", rule=NOT_NEGATIVE, help="Rms error of the calibration from pixel to pixel."
    )
    module_calibration: float | None = option(
        "-module_calibration", unit="%", rule=NOT_NEGATIVE, help="Rms error of the calibration from module to module."
    )
    module: tuple[int, int] | None = option(
        "-module_pixels",
        type=int,
        length=2,
        rule=COUNT,
        unit="pixels",
        metavar="slow fast",
        help="Pixels of a module; the first begins with the image. Default: the whole detector is one.",
    )
    module_gains: tuple[float, ...] | None = option(
        "-module_gains",
        length=(1, _MOST_MODULES),
        rule=POSITIVE,
        metavar="GAINS",
        help="Gain of each module of -module_pixels, row by row, as a part of -gain.",
    )
    gain_map: Path | None = option(
        "-gain_map",
        type=Path,
        metavar="FILE",
        help="Gain of each pixel as a part of -gain: an image, or a NumPy array, which may hold a map for each stage.",
    )
    gain_stages: tuple[float, ...] | None = option(
        "-gain_stages",
        length=(2, _MOST_STAGES),
        rule=POSITIVE,
        unit="ADU/photon",
        metavar="high [medium] low",
        help="Gains of a converter whose pixels switch to the next one as they fill, the highest first. Counts are "
        "brought to -gain again.",
    )
    gain_switches: tuple[float, ...] | None = option(
        "-gain_switches",
        length=(1, _MOST_STAGES - 1),
        rule=POSITIVE,
        unit="photons",
        metavar="first [second]",
        help="Signals from which the next of -gain_stages counts.",
    )
    stage_electrons: tuple[float, ...] | None = option(
        "-stage_electrons",
        length=(2, _MOST_STAGES),
        rule=NOT_NEGATIVE,
        unit="e-",
        metavar="high [medium] low",
        help="Rms noise of the read-out in each of -gain_stages. Default: that of the read-out in all.",
    )
    dark_map: Path | None = option(
        "-dark_map",
        type=Path,
        metavar="FILE",
        help="Dark current of each pixel in ADU/s, beside that of all: an image or a NumPy array.",
    )
    dark_current: float | None = option(
        "-dark_current", unit="ADU/s", rule=NOT_NEGATIVE, help="Counts that pile up without light."
    )
    dark_electrons: float | None = option(
        "-dark_electrons", unit="e-/s", rule=NOT_NEGATIVE, help="The same in electrons, in place of -dark_current."
    )
    readout_noise: float | None = option(
        "-readout_noise", "-readnoise", unit="ADU", rule=NOT_NEGATIVE, help="Rms noise of the read-out."
    )
    readout_electrons: float | None = option(
        "-readout_electrons", unit="e-", rule=NOT_NEGATIVE, help="The same in electrons, in place of -readout_noise."
    )
    pedestal: float | None = option(
        "-pedestal",
        unit="ADU",
        help="Added before counts are digitised, for formats that hold none below 0. SMV adds its -adc besides.",
    )
    pedestal_map: Path | None = option(
        "-pedestal_map",
        type=Path,
        metavar="FILE",
        help="Pedestal of each pixel in ADU, beside that of all: an image, or a NumPy array, which may hold a map for "
        "each stage.",
    )
    saturation: float | str | None = option(
        "-saturation", unit="ADU", words=("inf",), rule=POSITIVE, metavar="inf", help="Largest count that is read."
    )
    dead_pixels: float | None = option("-dead_pixels", unit="%", rule=_PART, help="Pixels that read 0, part of all.")
    hot_pixels: float | None = option(
        "-hot_pixels", unit="%", rule=_PART, help="Pixels with a dark current of -hot_current, part of all."
    )
    hot_current: float | None = option(
        "-hot_current", unit="ADU/s", rule=NOT_NEGATIVE, help="Dark current of hot pixels beside that of all."
    )

    def __attrs_post_init__(self) -> None:
        self.settings()

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        """See `openbragg.NoiseModel.counts`: of a whole image of pixels of 0.1 mm, exposed for a second."""
        slow, fast = photons.shape
        whole = Readout(
            shape=(slow, fast), region=(0, fast - 1, 0, slow - 1), pixel_size=_PIXEL_SIZE, exposure=_EXPOSURE
        )
        return self.read_out(photons, seed, whole)

    def check(self, readout: Readout) -> None:
        """Refuse an image that cannot be read out: maps are read, which are of its size.

        Raises
        ------
        InputError
            When a map cannot be read or is of another detector, or options do not go together.
        """
        from openbragg_noise.components import refuse_ill_fitting

        refuse_ill_fitting(self._settings_for(readout), readout)

    def read_out(self, photons: torch.Tensor, seed: int, readout: Readout) -> torch.Tensor:
        """See `openbragg.ReadoutNoiseModel.read_out`; float64 whole numbers, in ADU.

        A pixel below 0 is none of the detector, but of a gap, and stays as it is.

        Raises
        ------
        InputError
            When a pixel is not a finite number, or options do not go together.
        """
        import torch

        from openbragg_noise.components import signal_counts

        expected = photons.detach().to(torch.float64)
        low, high = torch.aminmax(expected) if expected.numel() else (expected.new_zeros(()),) * 2
        if not bool(low.isfinite() & high.isfinite()):
            raise InputError("detector noise: an expected number of photons is not a finite number")
        settings = self._settings_for(readout)
        if bool(low >= 0.0):
            return signal_counts(expected, settings, seed, self.detector_seed, readout)
        gap = expected < 0.0
        counts = signal_counts(expected.clamp(min=0.0), settings, seed, self.detector_seed, readout)
        return torch.where(gap, expected, counts)

    def _settings_for(self, readout: Readout) -> Settings:
        """The settings, when pixels are exposed for longer than they are dead."""
        settings = self.settings()
        if settings.dead_time and readout.exposure < _FEWEST_DEAD_TIMES * settings.dead_time:
            raise InputError(
                f"detector noise: an exposure of {readout.exposure:g} s is too short for a dead time of "
                f"{settings.dead_time * 1e9:g} ns: expected {_FEWEST_DEAD_TIMES:g} dead times or more"
            )
        return settings

    def levels(self) -> Levels:
        """See `openbragg.NoiseModel`."""
        settings = self.settings()
        saturation = None if settings.saturation == inf else settings.saturation
        return Levels(gain=settings.gain, saturation=saturation)

    def settings(self) -> Settings:
        """What is given, else what the preset says, else what switches a component off.

        Raises
        ------
        UsageError
            When a property is given twice, in two units, or without another one that it needs.
        """
        given = {field: value for field in attrs.fields_dict(Settings) if (value := getattr(self, field)) is not None}
        typical = dict(PRESETS[self.preset])
        for adu, electrons in (("dark_current", "dark_electrons"), ("readout_noise", "readout_electrons")):
            if adu in given and electrons in given:
                flags = f"-{adu} and -{electrons}"
                raise UsageError(f"detector noise: {flags} are the same thing in two units: give one of them")
            if adu in given or electrons in given:
                typical.pop(adu, None)
                typical.pop(electrons, None)
        if given.get("point_spread") == "fiber":
            given["point_spread"] = "fibre"
        settings = Settings(**{**typical, **given})
        if settings.point_spread != "none" and settings.point_spread_width is None:
            settings = attrs.evolve(settings, point_spread_width=_WIDTH)
        for field, (other, flag) in _NEEDS.items():
            on = getattr(settings, field) if field == "hot_pixels" else field in given
            if on not in (False, 0.0, "none") and getattr(settings, other) in (None, 0.0, "none", ()):
                raise UsageError(f"detector noise: {field.replace('_', ' ')} is of no use without {flag}")
        if "module" in given and not (settings.module_calibration or settings.module_gains):
            raise UsageError("detector noise: module is of no use without -module_calibration or -module_gains")
        _check_stages(settings)
        return settings


@attrs.frozen(kw_only=True)
class Settings:
    """The properties of a detector, none left open; SI units, counts and electrons. Off is what is not given."""

    flicker: float = 0.0
    point_spread: str = "none"
    point_spread_width: float | None = None
    point_spread_order: str = "before"
    dead_time: float = 0.0
    dead_time_kind: str = "paralyzable"
    gain: float = 1.0
    gain_spread: float = 0.0
    electrons_per_count: float = 1.0
    calibration: float = 0.0
    module_calibration: float = 0.0
    module: tuple[int, int] | None = None
    module_gains: tuple[float, ...] = ()
    gain_map: Path | None = None
    gain_stages: tuple[float, ...] = ()
    gain_switches: tuple[float, ...] = ()
    stage_electrons: tuple[float, ...] = ()
    dark_map: Path | None = None
    dark_current: float = 0.0
    dark_electrons: float = 0.0
    readout_noise: float = 0.0
    readout_electrons: float = 0.0
    pedestal: float = 0.0
    pedestal_map: Path | None = None
    saturation: Any = attrs.field(default=inf, converter=float)
    dead_pixels: float = 0.0
    hot_pixels: float = 0.0
    hot_current: float = 0.0


def _check_stages(settings: Settings) -> None:
    """Refuse gain stages that are in no order, or of which something is not said.

    Raises
    ------
    UsageError
        With the flag.
    """
    stages, switches, noise = settings.gain_stages, settings.gain_switches, settings.stage_electrons
    if not stages:
        return
    if list(stages) != sorted(set(stages), reverse=True):
        raise UsageError("detector noise: -gain_stages: expected falling gains, the highest first")
    if len(switches) != len(stages) - 1 or list(switches) != sorted(set(switches)):
        raise UsageError(f"detector noise: -gain_switches: expected {len(stages) - 1} growing signals")
    if noise and len(noise) != len(stages):
        raise UsageError(f"detector noise: -stage_electrons: expected {len(stages)} numbers, got {len(noise)}")


@hookimpl
def noise_models() -> list[type[NoiseModel]]:
    """Offer the noise of a detector."""
    return [DetectorNoise]
