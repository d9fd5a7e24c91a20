#!/usr/bin/env python3
"""Write refinement problems whose truth is known, in the folders that ``refine_problems.py`` reads.

    python tests/own_problems.py --folder DIR [--seed 1] [--only SUBSTRING]

Each is a still image of a crystal with Poisson noise and read-out noise, a wrong start, and the truth. The table says
what makes each of them another problem: the crystal system, mosaicity and its law, a spectrum, several panels, a
distance that is off, few spots, weak images, starts far off, and starts whose lattice is the right one in a wrong
setting. The rest is drawn: orientations, cells, numbers of cells, wavelengths, amplitudes, noise.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import gemmi
import numpy as np

from refine_problems import simulation_of

#: Angles of 90 degrees, and of a hexagonal cell.
RIGHT, HEXAGONAL = (90.0, 90.0, 90.0), (90.0, 90.0, 120.0)
#: Standard deviations above the noise from which on a pixel belongs to a strong spot.
STRONG = 5.0
#: A fall-off of intensities, as a B factor in A^2.
FALLING = 15.0

#: The limits of diffBragg's own test of its refinement, which c01 and c02 repeat; of the mosaic spread ours.
LIMITS = {
    "misset_deg": 0.005,
    "edges_sum_angstrom": 0.025,
    "Nabc": 0.2,
    "spot_scale_part": 0.01,
    "distance_mm": 0.2,
    "eta_part": 0.05,
}

Numbers = dict[str, Any]
Array = np.ndarray


@attrs.frozen
class Kind:
    """What makes a problem another one than the rest.

    Attributes
    ----------
    cell
        In A and degrees, before it is changed by up to a tenth of an edge.
    eta
        Mosaic spread in degrees, its law, and how many domains.
    start_eta
        What the start's spread is, over the true one.
    turned, stretched
        How far the start is off: degrees, and parts of an edge; free angles by a fifth of a degree for a part of 0.01.
    distance_off
        Part of the distance that the start is off; the distance is refined where it is not 0.
    peak, background
        Photons in the brightest pixel, and in a pixel beside spots.
    bandwidth
        Half width of a spectrum of five wavelengths over their mean; 0 for one wavelength.
    reindexed
        By which operation the start's lattice is in another setting than the crystal; empty for none.
    wavelength, distance, counts
        In A, mm, and along a, b and c, where they are not drawn; the cell is not either then.
    limits
        Whether `LIMITS` hold.
    """

    name: str
    space_group: str
    cell: tuple[float, ...]
    eta: float = 0.0
    law: str = "isotropic spiral"
    domains: int = 100
    start_eta: float = 1.7
    turned: float = 0.4
    stretched: float = 0.005
    distance_off: float = 0.0
    peak: float = 2e4
    background: float = 10.0
    pixels: tuple[int, int] = (480, 500)
    pixel_mm: float = 0.12
    panels: int = 1
    bandwidth: float = 0.0
    reindexed: str = ""
    oversample: int = 3
    free: tuple[str, ...] = ("orientation", "cell", "Nabc", "spot_scale")
    same_cells: bool = False
    wavelength: float = 0.0
    distance: float = 0.0
    counts: tuple[float, ...] = ()
    limits: bool = False


PUBLISHED = Kind(
    "c01_published",
    "P1211",
    (55, 65, 75, 90, 95, 90),
    turned=0.15,
    stretched=0.003,
    distance_off=0.002,
    pixels=(1024, 1024),
    pixel_mm=0.1,
    wavelength=1.8,
    distance=180.0,
    counts=(12, 12, 11),
    limits=True,
)
KINDS = (
    Kind("a01_triclinic", "P1", (48, 61, 70, 82, 98, 105)),
    Kind("a02_triclinic_far", "P1", (52, 57, 80, 95, 102, 85), turned=1.0, stretched=0.01),
    Kind("a03_monoclinic_distance", "P121", (55, 72, 63, 90, 108, 90), distance_off=0.003),
    Kind("a04_c2", "C121", (110, 60, 75, 90, 112, 90), turned=0.5),
    Kind("a05_orthorhombic_weak", "P212121", (62, 75, 88, *RIGHT), peak=150.0, background=8.0),
    Kind("a06_orthorhombic_mosaic", "P222", (58, 66, 81, *RIGHT), eta=0.12, start_eta=0.5, oversample=2),
    Kind("a07_tetragonal", "P41212", (70, 70, 95, *RIGHT), turned=0.8),
    Kind("a08_trigonal", "P3221", (68, 68, 90, *HEXAGONAL), turned=0.5, distance_off=-0.003),
    Kind("a09_rhombohedral_hexagonal", "R3:H", (98, 98, 85, *HEXAGONAL)),
    Kind("a10_rhombohedral", "R3:R", (62, 62, 62, 84, 84, 84)),
    Kind("a11_rhombohedral_acute", "R32:R", (66, 66, 66, 62, 62, 62), turned=0.7, stretched=0.01),
    Kind("a12_hexagonal_mosaic", "P6", (70, 70, 78, *HEXAGONAL), eta=0.2, oversample=2),
    Kind("a13_cubic", "P23", (72, 72, 72, *RIGHT), distance_off=0.002),
    Kind("a14_cubic_centred", "F432", (150, 150, 150, *RIGHT), turned=0.3, peak=5e3),
    Kind("a15_few_spots", "P222", (38, 42, 47, *RIGHT), pixels=(280, 300), turned=0.3),
    Kind("a16_many_spots", "P121", (105, 120, 130, 90, 97, 90), pixels=(700, 700), peak=3e3, turned=0.3),
    Kind("a17_panels", "P222", (60, 71, 83, *RIGHT), panels=3, pixels=(170, 500)),
    Kind("a18_spectrum", "P43212", (66, 66, 88, *RIGHT), bandwidth=2e-3),
    Kind("a19_blocks", "P21", (50, 64, 71, 90, 103, 90), eta=0.1, law="nanobragg", domains=60, oversample=2),
    Kind("a20_small_spread", "P213", (80, 80, 80, *RIGHT), eta=0.03, start_eta=1.7, oversample=2),
    Kind("a21_same_cells", "P4", (62, 62, 79, *RIGHT), same_cells=True),
    Kind("b01_setting_p3", "P3", (68, 68, 90, *HEXAGONAL), reindexed="-x,-x+y,-z"),
    Kind("b02_setting_p4", "P4", (70, 70, 95, *RIGHT), reindexed="-x,y,-z"),
    Kind("b03_setting_r3", "R3:H", (98, 98, 85, *HEXAGONAL), reindexed="-x,-x+y,-z"),
    Kind("b04_setting_i23", "I23", (105, 105, 105, *RIGHT), reindexed="-x,-z,-y"),
    Kind("b05_setting_r3_rhombohedral", "R3:R", (62, 62, 62, 84, 84, 84), reindexed="-x,-z,-y"),
    Kind("b06_setting_p21", "P1211", (60, 75, 60.2, 90, 104, 90), reindexed="z,-y,x", stretched=0.002, turned=0.2),
    PUBLISHED,
    attrs.evolve(PUBLISHED, name="c02_published_mosaic", eta=0.07, oversample=2, start_eta=2.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    for number, kind in enumerate(KINDS):
        if asked.only in kind.name:
            folder = asked.folder / kind.name
            folder.mkdir(parents=True, exist_ok=True)
            spots, peak = write(kind, folder, np.random.default_rng([asked.seed, number]))
            print(f"{kind.name:30s} {spots} spots, {peak:.0f} photons in the brightest pixel", flush=True)


def write(kind: Kind, folder: Path, draws: np.random.Generator) -> tuple[int, float]:
    """Write a problem; how many strong spots it has, and its brightest pixel's photons."""
    cell = drawn_cell(kind, draws)
    wavelength = kind.wavelength or float(draws.uniform(1.0, 1.45))
    rotation = drawn_rotation(draws)
    counts = np.array(kind.counts) if kind.counts else draws.uniform(8.0, 26.0, 3).round(2)
    if kind.same_cells:
        counts[:] = counts[0]
    panels = drawn_panels(kind, draws)
    model: Numbers = {
        **crystal(cell, rotation),
        "Nabc": counts.tolist(),
        "spot_scale": 1.0,
        "eta_deg": kind.eta,
        "panels": panels,
    }
    free = [*kind.free, *(["eta"] if kind.eta else []), *(["distance"] if kind.distance_off else [])]
    quantiles = draws.permutation(kind.domains // 2) / (kind.domains // 2) if kind.eta else []
    shape = (kind.pixels[0] * kind.panels, kind.pixels[1])
    start: Numbers = {
        "name": kind.name,
        "space_group": kind.space_group,
        **spectrum(kind, wavelength),
        "kahn_factor": 1.0,
        "E_vector": [1, 0, 0],
        "readout_sigma_adu": float(draws.uniform(1.0, 1.6)),
        "gain_adu_per_photon": 1.0,
        "pedestal_adu": 0.0,
        "default_F": 0.0,
        "F000": 0.0,
        "oversample": kind.oversample,
        "mosaic_law": kind.law if kind.eta else "none",
        "mosaic_domains": kind.domains if kind.eta else 1,
        "mosaic_angle_quantiles": list(map(float, quantiles)),
        "refine": free,
    }
    truth: Numbers = {**start, "model": model, **({"limits": LIMITS} if kind.limits else {})}
    np.savez(folder / "hkl_p1.npz", **amplitudes(kind, cell, 0.9 * highest_resolution(model, wavelength), draws))
    photons = simulation_of(truth, start, folder, shape).photons().double().numpy()
    model["spot_scale"] = float(kind.peak / photons.max())
    spots = photons * model["spot_scale"]
    background = np.full(shape, kind.background) * sloping(shape, draws)
    noisy = draws.poisson(spots + background) + draws.normal(0.0, start["readout_sigma_adu"], shape)
    np.savez_compressed(folder / "image.npz", counts=np.rint(noisy).astype(np.int32))
    start["strong_spots_fast_slow_px"] = strong_spots(spots, background, start["readout_sigma_adu"])
    start["model"] = wrong(kind, model, cell, rotation, draws)
    for name, numbers in (("start", start), ("truth", truth)):
        (folder / f"{name}.json").write_text(json.dumps(numbers))
    return len(start["strong_spots_fast_slow_px"]), float(spots.max())


def drawn_cell(kind: Kind, draws: np.random.Generator) -> list[float]:
    """The cell with edges changed as the crystal system lets them."""
    a, b, c, *angles = kind.cell
    if kind.counts or kind.name.startswith("b06"):
        return list(kind.cell)
    factors = draws.uniform(0.95, 1.05, 3)
    if a == b:
        factors[1] = factors[0]
    if a == c:
        factors[2] = factors[0]
    edges = np.round(np.array([a, b, c]) * factors, 2)
    return [*edges.tolist(), *map(float, angles)]


def drawn_rotation(draws: np.random.Generator) -> Array:
    """A rotation of any kind, (3, 3)."""
    made, _ = np.linalg.qr(draws.normal(size=(3, 3)))
    return made * np.linalg.det(made)


def drawn_panels(kind: Kind, draws: np.random.Generator) -> list[Numbers]:
    """One panel across the beam, or several, one above the other with gaps and a little turned."""
    slow, fast = kind.pixels
    distance = kind.distance or float(draws.uniform(75.0, 110.0))
    middle = np.array([fast, (slow + 8) * kind.panels]) * kind.pixel_mm / 2.0
    middle = middle + draws.uniform(-3.0, 3.0, 2)
    made = []
    for number in range(kind.panels):
        turned = math.radians(0.3) * (number - (kind.panels - 1) / 2.0)
        along, across = [math.cos(turned), math.sin(turned), 0.0], [math.sin(turned), -math.cos(turned), 0.0]
        origin = [-middle[0], middle[1] - number * (slow + 8) * kind.pixel_mm, -distance]
        size = {"pixel_mm": kind.pixel_mm, "n_fast": fast, "n_slow": slow}
        made.append({"fast": along, "slow": across, "origin_mm": list(map(float, origin)), **size})
    return made


def crystal(cell: Sequence[float], rotation: Array) -> Numbers:
    """What a model says of its crystal's lattice; the rotation is that of a along x, b in the xy plane."""
    reciprocal = np.array(gemmi.UnitCell(*cell).frac.mat.tolist()) @ rotation.T
    return {"cell": list(cell), "A_reciprocal_rows_per_angstrom": reciprocal.tolist()}


def spectrum(kind: Kind, wavelength: float) -> Numbers:
    """What a start says of its beam: one wavelength, or five around it."""
    if not kind.bandwidth:
        return {"wavelength_angstrom": wavelength, "fluence_photons_per_m2": 1e24}
    shifts = (-1.0, -0.5, 0.0, 0.5, 1.0)
    wavelengths = [wavelength * (1.0 + kind.bandwidth * shift) for shift in shifts]
    return {"wavelengths_angstrom": wavelengths, "fluence_photons_per_m2": [2e23] * len(shifts)}


def highest_resolution(model: Numbers, wavelength: float) -> float:
    """d in A of the farthest corner of all panels."""
    finest = math.inf
    for panel in model["panels"]:
        sides = [np.array(panel[way]) * panel[f"n_{way}"] * panel["pixel_mm"] for way in ("fast", "slow")]
        for one in (0.0, 1.0):
            for other in (0.0, 1.0):
                corner = np.array(panel["origin_mm"]) + one * sides[0] + other * sides[1]
                angle = math.acos(-corner[2] / np.linalg.norm(corner))
                finest = min(finest, wavelength / (2.0 * math.sin(angle / 2.0)))
    return finest


def amplitudes(kind: Kind, cell: Sequence[float], resolution: float, draws: np.random.Generator) -> Numbers:
    """Random amplitudes with the symmetry of the space group, all of both halves of reciprocal space."""
    group = gemmi.find_spacegroup_by_name(kind.space_group)
    unique = gemmi.make_miller_array(gemmi.UnitCell(*cell), group, resolution)
    spacing = gemmi.UnitCell(*cell).calculate_d_array(unique)
    squares = draws.exponential(1e5, len(unique)) * np.exp(-FALLING / (2.0 * spacing**2))
    known = {}
    for index, value in zip(unique.tolist(), np.sqrt(squares).tolist(), strict=True):
        for operation in group.operations().sym_ops:
            turned = tuple(operation.apply_to_hkl(index))
            known[turned] = known[tuple(-number for number in turned)] = value
    return {"hkl": np.array(list(known), dtype=np.int16), "F": np.array(list(known.values()), dtype=np.float32)}


def sloping(shape: tuple[int, int], draws: np.random.Generator) -> Array:
    """A background that falls from a middle, about 1."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot(rows / shape[0] - 0.5, columns / shape[1] - 0.5)
    return np.exp(-away * draws.uniform(0.2, 1.0))


def strong_spots(spots: Array, background: Array, readout: float) -> list[list[float]]:
    """Centroids (fast, slow) of groups of pixels well above the noise, edges at whole numbers."""
    strong = spots > STRONG * np.sqrt(background + readout**2)
    left = set(zip(*map(list, np.nonzero(strong)), strict=True))
    found = []
    while left:
        group, fresh = [], [left.pop()]
        while fresh:
            row, column = fresh.pop()
            group.append((row, column))
            around = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= around
            fresh += around
        places = np.array(group)
        weights = spots[places[:, 0], places[:, 1]]
        middle = (weights[:, None] * (places + 0.5)).sum(axis=0) / weights.sum()
        found.append([round(float(middle[1]), 2), round(float(middle[0]), 2)])
    return found


def wrong(kind: Kind, model: Numbers, cell: Sequence[float], rotation: Array, draws: np.random.Generator) -> Numbers:
    """The model of the start."""
    started = list(cell)
    signs = draws.choice([-1.0, 1.0], 6)
    for place in range(3):
        same = next(other for other in range(3) if cell[other] == cell[place])
        started[place] *= 1.0 + kind.stretched * signs[same]
    for place in range(3, 6):
        if cell[place] not in (90.0, 120.0):
            same = next(other for other in range(3, 6) if cell[other] == cell[place])
            started[place] += 20.0 * kind.stretched * signs[same]
    axis = draws.normal(size=3)
    off = turned_about(axis / np.linalg.norm(axis), math.radians(kind.turned))
    lattice = crystal(started, off @ rotation)
    if kind.reindexed:
        operation = np.array(gemmi.Op(kind.reindexed).rot) / gemmi.Op.DEN
        # Rows of the new basis in the old one; the start's cell belongs to the crystal's setting, not to this one.
        turned = operation @ np.array(lattice["A_reciprocal_rows_per_angstrom"])
        lattice = symmetric(turned, started)
    panels = [
        {**panel, "origin_mm": [*panel["origin_mm"][:2], panel["origin_mm"][2] * (1.0 + kind.distance_off)]}
        for panel in model["panels"]
    ]
    return {
        **lattice,
        "Nabc": [20.0] * 3,
        "spot_scale": model["spot_scale"] * float(np.exp(draws.uniform(-1.0, 1.0) * math.log(10.0))),
        "eta_deg": kind.eta * kind.start_eta,
        "panels": panels,
    }


def symmetric(vectors: Array, cell: Sequence[float]) -> Numbers:
    """A lattice of this cell that is turned as rows a*, b*, c* are."""
    standard = np.array(gemmi.UnitCell(*cell).frac.mat.tolist())
    left, _, right = np.linalg.svd(np.linalg.solve(standard, vectors).T)
    return crystal(cell, left @ right)


def turned_about(axis: Array, angle: float) -> Array:
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross


if __name__ == "__main__":
    main()
