"""What a trace may say: in which phase of the calculation, and how two values of it are held against each other."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import attrs

#: Phases that differ from one rotation step to the next; a value of the whole pixel is that of its first step.
OF_A_STEP = ("cell", "h k l", "F_latt axes", "F_latt", "F_cell")


class Measure(enum.Enum):
    """What a difference is taken relative to."""

    LENGTH = "the length of the vector"
    MAGNITUDE = "the larger magnitude"
    ONE = "the larger magnitude, or 1 when that is larger"
    PEAK = "the largest magnitude among the pixel's steps"
    PEAK_OR_ONE = "the largest magnitude among the pixel's steps, or 1 when that is larger"


@attrs.frozen
class Quantity:
    """A name in a trace.

    Attributes
    ----------
    name
        As the trace has it.
    phase
        One of those in `openbragg.TraceDifference`.
    measure
        How two values are held against each other.
    is_vector
        Whether it has three components.
    coarseness
        Relative difference that says nothing, because programs keep the number in single precision.
    """

    name: str
    phase: str
    measure: Measure
    is_vector: bool = False
    coarseness: float = 0.0


def quantity(name: str, value: object = None) -> Quantity:
    """What is known of a value of the whole pixel; of an unknown name, what the value tells."""
    return _OF_A_PIXEL.get(name) or _unknown(name, value)


def step_quantity(name: str) -> Quantity:
    """What is known of a number of one step."""
    return _OF_A_TERM.get(name) or _unknown(name, None)


def known_names() -> frozenset[str]:
    """All names that have a place in the calculation."""
    return _KNOWN


def measured_against_a_peak() -> tuple[str, ...]:
    """Names of the numbers of steps that pass through 0 from step to step."""
    return _WITH_PEAK


def in_order(names: Iterable[str]) -> list[str]:
    """Names of values of the whole pixel in the order of the calculation, unknown ones last and as they came."""
    return sorted(names, key=lambda name: _RANKS.get(name, len(_RANKS)))


def steps_in_order(names: Iterable[str]) -> list[str]:
    """Names of numbers of a step in the order of the calculation, unknown ones last and as they came."""
    return sorted(names, key=lambda name: _STEP_RANKS.get(name, len(_STEP_RANKS)))


def _unknown(name: str, value: object) -> Quantity:
    return Quantity(name, "other", Measure.LENGTH if isinstance(value, list) else Measure.MAGNITUDE)


def _vectors(phase: str, measure: Measure, names: str) -> list[Quantity]:
    return [Quantity(name, phase, measure, is_vector=True) for name in names.split()]


def _scalars(phase: str, measure: Measure, names: str) -> list[Quantity]:
    return [Quantity(name, phase, measure) for name in names.split()]


def _by_name(*groups: list[Quantity]) -> Mapping[str, Quantity]:
    return {quantity.name: quantity for group in groups for quantity in group}


_OF_A_PIXEL = _by_name(
    _vectors("geometry", Measure.LENGTH, "pix0_vector_meters fdet_vec sdet_vec pixel_pos_meters"),
    _scalars("geometry", Measure.MAGNITUDE, "R_distance_meters omega_pixel_sr close_distance_meters obliquity_factor"),
    _vectors("geometry", Measure.LENGTH, "diffracted_vec incident_vec"),
    _scalars("geometry", Measure.MAGNITUDE, "lambda_meters lambda_angstroms"),
    _vectors("q", Measure.LENGTH, "scattering_vec_A_inv"),
    _vectors("cell", Measure.LENGTH, "rot_a_angstroms rot_b_angstroms rot_c_angstroms"),
    _vectors("cell", Measure.LENGTH, "rot_a_star_A_inv rot_b_star_A_inv rot_c_star_A_inv"),
    _vectors("h k l", Measure.ONE, "hkl_frac hkl_rounded"),
    _scalars("F_latt axes", Measure.PEAK_OR_ONE, "F_latt_a F_latt_b F_latt_c"),
    _scalars("F_latt", Measure.PEAK_OR_ONE, "F_latt"),
    _scalars("F_cell", Measure.MAGNITUDE, "F_cell"),
    _scalars("sum", Measure.MAGNITUDE, "I_before_scaling"),
    _scalars("scaling", Measure.MAGNITUDE, "r_e_meters r_e_sqr fluence_photons_per_m2 steps"),
    _scalars("scaling", Measure.ONE, "mosaic_closed_form oversample_thick oversample_polar oversample_omega"),
    _scalars("scaling", Measure.MAGNITUDE, "background_photons_per_sr capture_fraction polar omega_pixel"),
    _scalars("scaling", Measure.ONE, "cos_2theta"),
    _scalars("scaling", Measure.MAGNITUDE, "I_pixel_final"),
    [Quantity("floatimage_accumulated", "scaling", Measure.MAGNITUDE, coarseness=2e-6)],
)
_OF_A_TERM = _by_name(
    _scalars("cell", Measure.ONE, "phi_deg"),
    _scalars("h k l", Measure.ONE, "h_frac k_frac l_frac h k l"),
    _scalars("F_latt axes", Measure.PEAK_OR_ONE, "F_latt_a F_latt_b F_latt_c"),
    _scalars("F_latt", Measure.PEAK_OR_ONE, "F_latt"),
    _scalars("F_cell", Measure.MAGNITUDE, "F_cell"),
    _scalars("sum", Measure.PEAK, "diffuse intensity"),
)
_RANKS = {name: rank for rank, name in enumerate(_OF_A_PIXEL)}
_STEP_RANKS = {name: rank for rank, name in enumerate(_OF_A_TERM)}
_WITH_PEAK = tuple(name for name, known in _OF_A_TERM.items() if known.measure in (Measure.PEAK, Measure.PEAK_OR_ONE))
_KNOWN = frozenset((*_RANKS, *_STEP_RANKS))
