#!/usr/bin/env python3
"""Refine still images of simtbx from a wrong start, and hold the results against the truth.

    python tests/refine_problems.py [--problems DIR] [--only SUBSTRING] [--limit 3.5]

Each folder has ``start.json``, ``truth.json``, ``image.npz`` and ``hkl_p1.npz``. One line a problem: how far the
refined orientation is off, the largest errors of the cell's edges and angles and of N, the largest error over its own
standard deviation, seconds, and evaluations. Exit status 0 when every parameter of every problem is within the limit,
in standard deviations. By default the problems are those of ``../shared/simtbx/refine``.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

import openbragg
from openbragg import plugin
from simtbx_parity import beam_of, crystal_of, geometry_of, mosaic_of, sampling_of

PROBLEMS = Path(__file__).resolve().parents[2] / "shared" / "simtbx" / "refine"
LIMIT = 3.5
ANGSTROM = 1e-10
#: What the problems call parameters, by our names.
FREE = {
    "orientation": "misset",
    "cell": "cell",
    "Nabc": "cells",
    "spot_scale": "scale",
    "eta": "mosaic_spread",
    "distance": "distance",
}
CELL = ("a", "b", "c", "alpha", "beta", "gamma")

Numbers = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, default=PROBLEMS)
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=float, default=LIMIT)
    parser.add_argument("--engine", default="auto", help="How to compute: auto, compiled or eager.")
    parser.add_argument("--pulls", action="store_true", help="Print every parameter's error over its deviation.")
    asked = parser.parse_args()
    folders = sorted(path.parent for path in asked.problems.glob("*/start.json") if asked.only in path.parent.name)
    within, pulls = 0, []
    for folder in folders:
        try:
            line, found = solved(folder, asked.engine)
        except Exception as error:
            print(f"FAIL {folder.name:16s} {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            continue
        good = all(abs(pull) <= asked.limit for pull in found.values()) and "beyond" not in line
        within += good
        pulls += found.values()
        print(f"{'ok  ' if good else 'FAIL'} {folder.name:16s} {line}", flush=True)
        if asked.pulls:
            print("     " + "  ".join(f"{name} {pull:+.2f}" for name, pull in found.items()), flush=True)
    spread = f", standard deviation of pulls {np.std(pulls):.2f}" if pulls else ""
    print(f"{within} of {len(folders)} within {asked.limit:g} standard deviations{spread}")
    return int(within != len(folders) or not folders)


def solved(folder: Path, engine: str = "auto") -> tuple[str, dict[str, float]]:
    """A problem's line, and the error of each parameter over its standard deviation."""
    start, truth = (json.loads((folder / f"{name}.json").read_text()) for name in ("start", "truth"))
    counts = np.load(folder / "image.npz")["counts"]
    began = time.perf_counter()
    refined = openbragg.refine(
        simulation_of(start, start, folder, counts.shape, engine),
        counts,
        free=tuple(FREE[name] for name in start["refine"]),
        space_group=start["space_group"],
        spots=start["strong_spots_fast_slow_px"],
        readout=start["readout_sigma_adu"],
        gain=start["gain_adu_per_photon"],
        pedestal=start["pedestal_adu"],
    )
    took = time.perf_counter() - began
    errors = errors_of(refined, start, truth, simulation_of(truth, start, folder, counts.shape, engine))
    pulls = {}
    for place, parameter in enumerate(refined.parameters):
        pulls[parameter.name] = errors[parameter.name] / float(refined.determined.sigmas[place])
    turned = math.degrees(math.sqrt(sum(errors.get(f"misset_{axis}", 0.0) ** 2 for axis in "xyz")))
    edges = max((abs(errors.get(name, 0.0)) / ANGSTROM for name in CELL[:3]), default=0.0)
    angles = max(math.degrees(abs(errors.get(name, 0.0))) for name in CELL[3:])
    true_cells = zip("abc", truth["model"]["Nabc"], strict=True)
    counts_off = [abs(math.expm1(errors.get(f"N_{axis}", 0.0))) * count for axis, count in true_cells]
    worst = max(pulls, key=lambda name: abs(pulls[name]))
    line = (
        f"misset {turned:.5f} deg  edges {edges:.4f} A  angles {angles:.4f} deg  N {max(counts_off):.3f}  "
        f"pull {pulls[worst]:+.2f} ({worst})  chi2 {refined.reduced_chi_squared():.3f}  {took:.1f} s  "
        f"{refined.renderings} renderings {refined.jacobians} Jacobians"
    )
    off = {
        "misset_deg": turned,
        "edges_sum_angstrom": sum(abs(errors.get(name, 0.0)) for name in CELL[:3]) / ANGSTROM,
        "Nabc": max(counts_off),
        "spot_scale_part": abs(math.expm1(errors.get("scale", 0.0))),
        "distance_mm": abs(errors.get("distance", 0.0)) * 1e3,
        "eta_part": abs(math.expm1(errors.get("mosaic_spread", 0.0))),
    }
    beyond = [name for name, limit in truth.get("limits", {}).items() if not off[name] <= limit]
    return line + "".join(f"  {name} {off[name]:.4g} is beyond its limit" for name in beyond), pulls


def errors_of(refined: Any, start: Numbers, truth: Numbers, true: openbragg.Simulation) -> dict[str, float]:
    """How far each parameter is off, as the refinement holds it: in SI units, of logarithms their difference."""
    model = truth["model"]
    known = {
        **{name: value * ANGSTROM for name, value in zip(CELL[:3], model["cell"][:3], strict=True)},
        **{name: math.radians(value) for name, value in zip(CELL[3:], model["cell"][3:], strict=True)},
        **{f"N_{axis}": math.log(value) for axis, value in zip("abc", model["Nabc"], strict=True)},
        "scale": math.log(model["spot_scale"] / start["model"]["spot_scale"]),
        "mosaic_spread": math.log(math.radians(model["eta_deg"])) if model["eta_deg"] else 0.0,
        "distance": float(true.experiment.detector.distance),
    }
    turned = rotation_between(true, refined.simulation)
    known |= {f"misset_{axis}": 0.0 for axis in "xyz"}
    found = {each.name: float(value) for each, value in zip(refined.parameters, refined.values, strict=True)}
    found |= {f"misset_{axis}": float(value) for axis, value in zip("xyz", turned, strict=True)}
    return {name: found[name] - known[name] for name in found}


def rotation_between(one: openbragg.Simulation, other: openbragg.Simulation) -> np.ndarray:
    """The rotation vector in radians from one crystal's orientation to the other's."""
    first, second = (orthogonal(each.layout().experiment.crystal.oriented_vectors()) for each in (one, other))
    turned = second @ first.T
    odd = np.array([turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0], turned[1, 0] - turned[0, 1]])
    return odd / 2.0


def orthogonal(vectors: torch.Tensor) -> np.ndarray:
    """How axes are turned that are along a*, in the plane of a* and b*, and along c: columns."""
    real = vectors.detach().numpy()
    reciprocal = np.linalg.inv(real).T
    along = reciprocal[0] / np.linalg.norm(reciprocal[0])
    third = real[2] / np.linalg.norm(real[2])
    return np.column_stack([along, np.cross(third, along), third])


def simulation_of(
    numbers: Numbers, start: Numbers, folder: Path, shape: tuple[int, int], engine: str = "auto"
) -> openbragg.Simulation:
    """The simulation of what ``start.json`` or ``truth.json`` says."""
    model = numbers["model"]
    spread = model["eta_deg"]
    mosaic = None
    if spread:
        quantiles = start["mosaic_angle_quantiles"]
        mosaic = {"kind": "spiral", "domains": start["mosaic_domains"], "eta_deg": spread, "angle_quantiles": quantiles}
    several = "wavelengths_angstrom" in start
    case = {
        "name": start["name"],
        "beam_direction": (0, 0, -1),
        "E_vector": start["E_vector"],
        "kahn_factor": start["kahn_factor"],
        "panels": model.get("panels") or [{**model["panel"], "n_slow": shape[0], "n_fast": shape[1]}],
        "wavelengths_angstrom": start["wavelengths_angstrom"] if several else [start["wavelength_angstrom"]],
        "fluence_photons_per_m2": list(np.atleast_1d(start["fluence_photons_per_m2"])),
        "spot_scale": model["spot_scale"],
        "A_reciprocal_rows_per_angstrom": model["A_reciprocal_rows_per_angstrom"],
        "N_tensor": np.diag(model["Nabc"]).tolist(),
        "mosaic": mosaic,
        "oversample": start["oversample"],
        "sensor": None,
        "polarization_at": "centre of the last subpixel (largest fast and slow), last layer",
    }
    geometry, beam = geometry_of(case), beam_of(case)
    table = np.load(folder / "hkl_p1.npz")
    # What is not listed is 0, and so is 0 0 0.
    indices = np.vstack([table["hkl"].astype(int), [(0, 0, 0)]])
    amplitudes = np.append(table["F"].astype(float), start["F000"])
    return openbragg.Simulation(
        openbragg.described_experiment(
            geometry,
            crystal_of(case),
            beam=beam if several else attrs.evolve(beam, sources=None),
            sampling=sampling_of(case),
        ),
        convention=openbragg.described_convention(geometry),
        structure_factors=plugin(
            "structure_factors",
            "hkl",
            reflections=(indices, amplitudes),
            default_F=start["default_F"],
            interpolate=False,
        ),
        lattice_shape="gauss_argchk" if spread else "gauss_index",
        mosaic="nanobragg" if start["mosaic_law"] == "nanobragg" else mosaic_of(case, {}),
        precision="double",
        engine=engine,
    )


if __name__ == "__main__":
    sys.exit(main())
