#!/usr/bin/env python3
"""Compare OpenBragg with images of simtbx (nanoBragg and diffBragg of cctbx).

    python tests/simtbx_parity.py [--cases DIR] [--only SUBSTRING] [--limit 1e-5]

Each case of ``cases.json`` in the folder is rendered through Python, in double precision, and compared with its image:
one line a case, with the largest difference over the peak, the ratio of the sums and the time. Exit status 0 when every
case is within the limit. By default the cases are those of ``../shared/simtbx/cases``, whose README describes them.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np

import openbragg
from openbragg import Beam, Crystal, Geometry, Sampling, plugin

CASES = Path(__file__).resolve().parents[2] / "shared" / "simtbx" / "cases"
LIMIT = 1e-5
ANGSTROM, MILLIMETRE, DEGREE = 1e-10, 1e-3, np.pi / 180.0
#: Our names for the cases' shapes.
SHAPES = {"gauss": "gauss_index", "gauss_argchk": "gauss_argchk", "square": "square", "round": "round"}
#: An element for atoms whose f' and f'' are listed.
ELEMENT = "Se"
#: Space groups whose rotations are those of the peer's Laue groups.
LAUE_GROUPS = {1: "P 1", 3: "P 1 2 1", 5: "P 2 2 2", 7: "P 4 2 2"}
#: Where the peer takes a pixel's polarization.
POLARIZATION_PLACES = {
    "pixel centre": "centre",
    "centre of the last subpixel (largest fast and slow), last layer": "last",
}

Case = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=float, default=LIMIT)
    asked = parser.parse_args()
    within, count = 0, 0
    for case in read_cases(asked.cases, asked.only):
        count += 1
        started = time.monotonic()
        try:
            difference, ratio = compared(case, asked.cases)
        except Exception as error:
            print(f"FAIL {case['name']:28s} {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            continue
        good = difference <= asked.limit
        within += good
        took = time.monotonic() - started
        print(f"{'ok  ' if good else 'FAIL'} {case['name']:28s} diff {difference:.2e}  sum {ratio:.9f}  {took:.1f}s")
    print(f"{within} of {count} within {asked.limit:g}")
    return int(within != count or count == 0)


def read_cases(folder: Path, only: str = "") -> list[Case]:
    """The cases of a folder whose names have a word in them."""
    cases: list[Case] = json.loads((folder / "cases.json").read_text())
    return [case for case in cases if only in case["name"]]


def compared(case: Case, folder: Path) -> tuple[float, float]:
    """The largest difference from the peer's image over its peak, and the ratio of the sums."""
    expected = np.load(folder / case["image_file"])["float"].astype(float)
    found = rendered(case, folder).reshape(expected.shape)
    return float(np.abs(found - expected).max() / expected.max()), float(found.sum() / expected.sum())


def rendered(case: Case, folder: Path) -> np.ndarray:
    """The photons of a case, panels one below the other."""
    arrays = dict(np.load(folder / case["image_file"]))
    geometry = geometry_of(case)
    experiment = openbragg.described_experiment(
        geometry, crystal_of(case), beam=beam_of(case), sampling=sampling_of(case)
    )
    simulation = openbragg.Simulation(
        attrs.evolve(experiment, detector=attrs.evolve(experiment.detector, **sensor_of(case))),
        convention=openbragg.described_convention(geometry),
        structure_factors=structure_factors_of(case, folder),
        lattice_shape=SHAPES[case["shape"]],
        mosaic=mosaic_of(case, arrays),
        diffuse=diffuse_of(case),
        precision="double",
        engine="eager",
    )
    return simulation.photons().numpy()


def geometry_of(case: Case) -> Geometry:
    """Panels, beam and polarization, in the cases' frame."""
    beam, electric = case["beam_direction"], case["E_vector"]
    return Geometry(
        source=case["name"],
        panels=tuple(panels_of(case)),
        beam=tuple(map(float, beam)),
        wavelength=mean_wavelength(case),
        # The electric vector is the normal of this plane across the beam.
        polarization_normal=tuple(np.cross(beam, electric).tolist()),
        polarization_fraction=(1.0 + case["kahn_factor"]) / 2.0,
    )


def panels_of(case: Case) -> Iterator[openbragg.PanelGeometry]:
    for number, panel in enumerate(case["panels"]):
        side = panel["pixel_mm"] * MILLIMETRE
        yield openbragg.described_panel(
            case["name"],
            name=str(number),
            pixels=(panel["n_slow"], panel["n_fast"]),
            sides=(side, side),
            origin=[value * MILLIMETRE for value in panel["origin_mm"]],
            fast=panel["fast"],
            slow=panel["slow"],
        )


def mean_wavelength(case: Case) -> float:
    """In metres."""
    return float(np.mean(case["wavelengths_angstrom"])) * ANGSTROM


def beam_of(case: Case) -> Beam:
    """The beam: a source for each wavelength, with its part of the fluence."""
    fluences = case["fluence_photons_per_m2"]
    wavelengths = [value * ANGSTROM for value in case["wavelengths_angstrom"]]
    return Beam(
        wavelength=mean_wavelength(case),
        fluence=sum(fluences) * case["spot_scale"],
        polarization=case["kahn_factor"],
        sources=[(None, None, None, *pair) for pair in zip(fluences, wavelengths, strict=True)],
    )


def crystal_of(case: Case) -> Crystal:
    """The crystal's orientation, and N as it is."""
    tensor = case["N_tensor"]
    return Crystal(
        reciprocal_vectors=np.array(case["A_reciprocal_rows_per_angstrom"]) / ANGSTROM,
        cells=tuple(tensor[axis][axis] for axis in range(3)),
        cells_offdiagonal=(tensor[0][1], tensor[1][2], tensor[0][2]),
        **mosaicity_of(case),
    )


def mosaicity_of(case: Case) -> dict[str, Any]:
    """The crystal's settings of its blocks."""
    asked = case["mosaic"]
    if asked is None or asked["kind"] == "list":
        return {}
    spread = {"mosaic_spread": asked["eta_deg"] * DEGREE} if asked["kind"] == "spiral" else {}
    return {"mosaic_domains": asked["domains"], **spread}


def sampling_of(case: Case) -> Sampling:
    """How pixels are sampled; solid angles and capture are those of each subpixel and layer."""
    return Sampling(
        oversample=case["oversample"],
        oversample_solid_angle=True,
        oversample_capture=case["sensor"] is not None,
        polarization_place=POLARIZATION_PLACES[case["polarization_at"]],
    )


def sensor_of(case: Case) -> dict[str, Any]:
    """The detector's settings of its sensor. n layers are a thickness over n - 1 apart."""
    sensor = case["sensor"]
    if sensor is None:
        return {}
    return {
        "sensor_thickness": (sensor["layers"] - 1) * sensor["layer_thickness_mm"] * MILLIMETRE,
        "sensor_layers": sensor["layers"],
        "attenuation_length": sensor["attenuation_length_mm"] * MILLIMETRE,
    }


def structure_factors_of(case: Case, folder: Path) -> openbragg.StructureFactors:
    """The table: amplitudes, one for all wavelengths or one each, or complex ones with atoms beside them."""
    table = np.loadtxt(folder / case["hkl_file"], ndmin=2)
    indices, values = table[:, :3].astype(int), table[:, 3:]
    if not (indices == 0).all(axis=1).any():
        indices, values = np.vstack([indices, [(0, 0, 0)]]), np.vstack([values, _forward(case, values.shape[1])])
    options: dict[str, Any] = {"default_F": case["default_F"], "interpolate": False}
    if case["heavy_atoms"] is not None:
        values = values[:, 0] + 1j * values[:, 1]
        options |= atoms_of(case)
    elif not case.get("table_per_wavelength"):
        values = values[:, 0]
    made: openbragg.StructureFactors = plugin("structure_factors", "hkl", reflections=(indices, values), **options)
    return made


def _forward(case: Case, columns: int) -> np.ndarray:
    """The row of 0 0 0, which the tables leave out."""
    row = np.zeros((1, columns))
    row[:, : 1 if case["heavy_atoms"] is not None else columns] = case["F000"]
    return row


def atoms_of(case: Case) -> dict[str, Any]:
    """Atoms beside a table, and their f' and f'' at each wavelength."""
    heavy = case["heavy_atoms"]
    energies = [openbragg.unit("eV").from_si(value * ANGSTROM) for value in case["wavelengths_angstrom"]]
    rows = sorted(zip(energies, heavy["f_prime"], heavy["f_double_prime"], strict=True))
    return {
        "atoms": [
            (ELEMENT, x, y, z, b_factor * ANGSTROM**2, occupancy)
            for x, y, z, b_factor, occupancy in heavy["atoms_x_y_z_B_occupancy"]
        ],
        "corrections": {ELEMENT: tuple(zip(*rows, strict=True))},
    }


def mosaic_of(case: Case, arrays: dict[str, np.ndarray]) -> openbragg.MosaicModel | str:
    """The law by which the blocks are turned, or their list."""
    asked = case["mosaic"]
    if asked is None:
        return "nanobragg"
    options: dict[str, Any] = {}
    match asked["kind"]:
        case "list":
            model, options = "list", {"rotations": arrays["mosaic_rotations"]}
        case "spiral":
            model, options = "spiral", {"quantiles": asked["angle_quantiles"]}
        case "anisotropic spiral":
            model, options = "anisotropic", {"quantiles": asked["angle_quantiles"], "axes": asked["axes"]}
            options["spreads"] = tuple(value * DEGREE for value in asked["eta_deg"])
        case kind:
            raise ValueError(f"there is no mosaic law {kind}")
    made: openbragg.MosaicModel = plugin("mosaic_models", model, **options)
    return made


def diffuse_of(case: Case) -> openbragg.DiffuseModel | str:
    """Diffuse scattering as the peer has it."""
    asked = case["diffuse"]
    if asked is None:
        return "none"
    made: openbragg.DiffuseModel = plugin(
        "diffuse_models",
        "gamma_sigma",
        gamma=tuple(value * ANGSTROM for value in asked["gamma_angstrom"]),
        sigma=tuple(value * ANGSTROM for value in asked["sigma_angstrom"]),
        stencil=asked["stencil_size"],
        symmetry=LAUE_GROUPS[asked["laue_group_num"]],
        principal_axes=tuple(value for row in asked["principal_axes_matrix"] for value in row),
        diffbragg=True,
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
