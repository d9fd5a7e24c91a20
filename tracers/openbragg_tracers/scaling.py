"""From the geometry of a pixel to its photons: the chain of numbers that the reference program's traces print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import hookimpl, unit

if TYPE_CHECKING:
    import torch

    from openbragg import PixelTrace, Tracer

_ANGSTROM, _PER_ANGSTROM = unit("A").from_si, unit("1/A").from_si


@attrs.frozen
class Scaling:
    """Of the first term: the geometry, the cell, h k l and the amplitudes; of the pixel: its sum and its scale.

    Names and units are those of the reference program's traces: ``scattering_vec_A_inv`` is in 1/m, and
    ``rot_a_star_A_inv`` and its kin are the crystal's as it is mounted, before any rotation. ``capture_fraction``,
    ``polar`` and ``omega_pixel`` are the factors of the whole pixel: 1 where each term has its own. Photons are
    r_e_sqr x fluence / steps x I_before_scaling x capture_fraction x polar x omega_pixel, in this order; the background
    of water, in photons per steradian, is added before the last three. ``mosaic_closed_form`` is there, and 1, where
    the one term on the axis of mosaic domains stands for all orientations.
    """

    name: ClassVar[str] = "scaling"
    summary: ClassVar[str] = "geometry, amplitudes and the chain from the sum to photons"
    flags: ClassVar[tuple[str, ...]] = ()

    def values(self, trace: PixelTrace) -> Mapping[str, torch.Tensor]:
        """See `openbragg.Tracer.values`."""
        return {**_geometry(trace), **_crystal(trace), **_chain(trace)}

    def steps(self, trace: PixelTrace) -> Mapping[str, torch.Tensor | None]:
        """See `openbragg.Tracer.steps`."""
        return {}


def _geometry(trace: PixelTrace) -> dict[str, torch.Tensor]:
    plan, panel, terms = trace.plan, trace.panel, trace.terms
    position = _first(terms.position)
    distance = position.norm()
    return {
        "pix0_vector_meters": panel.origin,
        "fdet_vec": panel.fast,
        "sdet_vec": panel.slow,
        "pixel_pos_meters": position,
        "R_distance_meters": distance,
        "omega_pixel_sr": trace.solid_angle,
        "close_distance_meters": panel.close_distance,
        "obliquity_factor": panel.close_distance / distance,
        "diffracted_vec": _first(terms.direction),
        "incident_vec": plan.incident[0],
        "lambda_meters": plan.wavelengths[0],
        "lambda_angstroms": _ANGSTROM(plan.wavelengths[0]),
        "scattering_vec_A_inv": _first(terms.scattering),
    }


def _crystal(trace: PixelTrace) -> dict[str, torch.Tensor]:
    terms = trace.terms
    cell, reciprocal = trace.cell_vectors[0, 0], trace.plan.reciprocal_vectors
    factors = {}
    if len(terms.lattice_factors) == 3:
        names = ("F_latt_a", "F_latt_b", "F_latt_c")
        factors = {name: factor.reshape(-1)[0] for name, factor in zip(names, terms.lattice_factors, strict=True)}
    return {
        **{f"rot_{name}_angstroms": _ANGSTROM(vector) for name, vector in zip("abc", cell, strict=True)},
        **{f"rot_{name}_star_A_inv": _PER_ANGSTROM(vector) for name, vector in zip("abc", reciprocal, strict=True)},
        "hkl_frac": _first(terms.index),
        "hkl_rounded": _first(terms.nearest),
        **factors,
        "F_latt": terms.lattice_amplitude.reshape(-1)[0],
        "F_cell": terms.cell_amplitude.reshape(-1)[0],
    }


def _chain(trace: PixelTrace) -> dict[str, torch.Tensor]:
    import torch

    plan, factors = trace.plan, trace.factors
    incident = plan.incident[0]
    background = {"background_photons_per_sr": trace.background} if plan.water is not None else {}

    def number(value: float) -> torch.Tensor:
        return torch.tensor(float(value), dtype=torch.float64, device=plan.device)

    return {
        "I_before_scaling": trace.intensity,
        "r_e_meters": number(plan.electron_radius_squared).sqrt(),
        "r_e_sqr": number(plan.electron_radius_squared),
        "fluence_photons_per_m2": plan.fluence,
        "steps": number(plan.steps()),
        **({"mosaic_closed_form": number(1.0)} if plan.closed_mosaic else {}),
        "oversample_thick": number(plan.oversample_capture),
        "oversample_polar": number(plan.oversample_polarization),
        "oversample_omega": number(plan.oversample_solid_angle),
        **background,
        "capture_fraction": factors.capture[0],
        "polar": factors.polarization[0],
        "omega_pixel": factors.solid_angle[0],
        "cos_2theta": _first(trace.terms.direction) @ incident,
        "I_pixel_final": trace.photons,
        "floatimage_accumulated": trace.value,
    }


def _first(components: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """x, y, z of the first term, (3,)."""
    import torch

    return torch.stack([component.reshape(-1)[0] for component in components])


@hookimpl
def tracers() -> list[type[Tracer]]:
    """Offer the scaling tracer."""
    return [Scaling]
