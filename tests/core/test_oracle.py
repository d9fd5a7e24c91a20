"""The engine equals an independent scalar calculation, on experiments that hypothesis draws.

The oracle works from flags, so what is compared is the whole way from flags to photons: units, defaults, conventions,
geometry, orientations, random domains, the sum and its factors.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import command_line
import oracle
from openbragg import Simulation
from openbragg.cli.experiment import make_experiment
from openbragg_plugins.mosaic.draws import random_points, scrambled_sobol
from openbragg_plugins.spectra.listed import Listed

#: Double precision loses about five digits in h, which enters multiplied by up to six cells, and in nothing else.
TOLERANCE = 1e-9
QUIRKS = (
    "phi-carryover",
    "pix0-ignored",
    "pivot-ignored",
    "oblique-cell",
    "running-product",
    "last-layer",
    "source-weights",
    "interpolation-latch",
    "water-over-steps",
    "water-fluence",
)
_LARGEST_AMPLITUDE = 100.0
SHAPE_FLAGS = {
    "square": "square_xtal",
    "round": "round_xtal",
    "gauss": "gauss_xtal",
    "tophat": "tophat_spots",
    "gauss_index": "gauss_index",
    "gauss_argchk": "gauss_argchk",
    "gauss_star": "gauss_star",
}
#: Shapes of which mosaicity has a closed form, and which take N as a tensor.
CLOSED, TENSOR = ("gauss", "gauss_index", "gauss_argchk", "gauss_star"), ("gauss_index", "gauss_argchk")
#: Given in place of files.
_TABLES = ("hkl", "sourcefile", "mosaic_rotations")
#: Settings of the oracle that no flag says as it takes them.
_IN_PYTHON = ("spectrum", "atoms", "f_prime", "mosaic_points")


def words(flags: Mapping[str, Any]) -> list[str]:
    """The command line of flags as the oracle takes them; tables are handed over separately."""
    line: list[str] = []
    for name, value in flags.items():
        if name in (*_TABLES, *_IN_PYTHON):
            continue
        if name == "shape":
            line.append("-" + SHAPE_FLAGS[value])
        elif name == "convention":
            line.append("-" + value)
        elif value is True:
            line.append("-" + name)
        else:
            values = value if isinstance(value, tuple) else (value,)
            line += ["-" + name, *(str(single) for single in values)]
    return line


def simulation_of(flags: Mapping[str, Any], quirks: tuple[str, ...] = ()) -> Simulation:
    """A simulation in double precision, by the road that a command line takes."""
    line = words(flags)
    plugins = command_line.selected(*line).roles
    factors = plugins["structure_factors"]
    if "hkl" in flags:
        index = torch.tensor(list(flags["hkl"]))
        values = torch.tensor(list(flags["hkl"].values()), dtype=torch.float64)
        factors = attrs.evolve(factors, reflections=(index, values))
    if "atoms" in flags:
        factors = attrs.evolve(
            factors,
            atoms=[(*row[:4], row[4] * 1e-20, row[5]) for row in flags["atoms"]],
            corrections={name: tuple(zip(*rows, strict=True)) for name, rows in flags["f_prime"].items()},
        )
    mosaic = plugins["mosaic_models"]
    if "mosaic_rotations" in flags:
        rotations, weights = zip(*flags["mosaic_rotations"], strict=True)
        mosaic = attrs.evolve(mosaic, rotations=rotations, weights=weights)
    spectrum = plugins["spectra"]
    if "spectrum" in flags:
        lengths, weights = zip(*flags["spectrum"], strict=True)
        spectrum = Listed(wavelengths=[length * 1e-10 for length in lengths], weights=weights)
    experiment = make_experiment(command_line.parsed(*line), frozenset(quirks))
    if "sourcefile" in flags:
        rows = [(*row, None, None, None, None, None)[:5] for row in flags["sourcefile"]]
        experiment = attrs.evolve(experiment, beam=attrs.evolve(experiment.beam, sources=rows))
    return Simulation(
        experiment,
        convention=plugins["geometry_conventions"],
        structure_factors=factors,
        lattice_shape=plugins["lattice_shapes"],
        mosaic=mosaic,
        diffuse=plugins["diffuse_models"],
        spectrum=spectrum,
        precision="double",
        compat=quirks,
    )


def engine(flags: Mapping[str, Any], quirks: tuple[str, ...] = (), **changed: Any) -> tuple[np.ndarray, float]:
    """Its photons, with arguments that are no flags of the oracle, and those of a full reflection."""
    rendering = simulation_of(flags, quirks).evolve(**changed).rendering()
    plan = rendering.plan
    strongest = (_LARGEST_AMPLITUDE * float(plan.lattice.cells.prod())) ** 2
    angle = (float(plan.panels[0].pixel_size) / float(plan.panels[0].close_distance)) ** 2
    reflection = float(plan.intensity_to_photons) * plan.steps() * strongest * (1.0 if plan.point_pixel else angle)
    return rendering.images[0].numpy(), abs(reflection)


def assert_equal(
    flags: Mapping[str, Any], quirks: tuple[str, ...] = (), expected: np.ndarray | None = None
) -> np.ndarray:
    expected = np.array(oracle.simulate(flags, quirks)) if expected is None else expected
    got, reflection = engine(flags, quirks)
    assert got.shape == expected.shape
    # An image of nothing but rounding, such as a hole of the table in the direct beam, has no digits to compare.
    peak = max(np.abs(expected).max(), 1e-15 * reflection)
    worst = np.abs(got - expected).max()
    assert worst <= TOLERANCE * peak, f"{worst / peak:.2e} of the peak for {' '.join(words(flags))} {quirks}"
    return got


def number(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers with six digits: what people type, and short to read when a test fails."""
    return st.floats(low, high).map(lambda value: float(f"{value:.6g}"))


def vectors(scale: float = 1.0) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[number(-scale, scale)] * 3)


@st.composite
def crystals(draw: st.DrawFn) -> dict[str, Any]:
    flags: dict[str, Any] = {
        "cell": (*(draw(number(15, 60)) for _ in range(3)), *(draw(number(75, 105)) for _ in range(3)))
    }
    match draw(st.sampled_from(["none", "angles", "random"])):
        case "angles":
            flags["misset"] = draw(vectors(180.0))
        case "random":
            flags |= {"misset": "random", "misset_seed": draw(st.integers(1, 2**31 - 2))}
    flags |= {axis: draw(st.integers(1, 6)) for axis in ("Na", "Nb", "Nc")}
    flags["shape"] = draw(st.sampled_from(list(SHAPE_FLAGS)))
    if flags["shape"] != "square" and draw(st.booleans()):
        # Not where a fraction decides whether to interpolate.
        flags |= {axis: draw(number(3.0, 6.0)) for axis in ("Na", "Nb", "Nc")}
    if flags["shape"] in TENSOR and draw(st.booleans()):
        least = min(flags[axis] for axis in ("Na", "Nb", "Nc"))
        flags["N_offdiagonal"] = tuple(float(f"{0.4 * least * part:.6g}") for part in draw(vectors(1.0)))
    if flags["shape"] == "gauss_star" and draw(st.booleans()):
        flags["gauss_star_width"] = draw(number(0.003, 0.02))
    if draw(st.booleans()):
        flags["fudge"] = draw(number(0.05, 3.0))
    if draw(st.booleans()):
        flags |= draw(mosaics(flags["shape"]))
    if draw(st.booleans()):
        flags["hkl"] = table(draw(st.integers(0, 1000)))
        flags["default_F"] = draw(st.sampled_from([0.0, 7.5]))
        if draw(st.booleans()):
            flags[draw(st.sampled_from(["interpolate", "nointerpolate"]))] = True
        if draw(st.booleans()):
            flags["xtal_y"] = draw(number(1e-6, 2e-5))
    else:
        flags["default_F"] = draw(number(1.0, 100.0))
    return flags


@st.composite
def mosaics(draw: st.DrawFn, shape: str) -> dict[str, Any]:
    """Any model; of those that draw by torch the oracle gets the numbers that were drawn."""
    names = ["nanobragg", "nanobragg", "spiral", "anisotropic", "list", "sobol", "normal"]
    names += ["closed"] if shape in CLOSED else []
    name = draw(st.sampled_from(names))
    seed = draw(st.integers(1, 2**31 - 2))
    spread = {"mosaic": draw(number(0.01, 5.0))}
    domains = {"mosaic_domains": 2 * draw(st.integers(1, 3)), "mosaic_seed": seed}
    match name:
        case "nanobragg":
            return spread | {"mosaic_seed": seed, "mosaic_domains": draw(st.integers(1, 4))}
        case "spiral":
            return {"mosaic_model": name} | spread | domains
        case "anisotropic":
            spreads = tuple(draw(number(0.01, 2.0)) for _ in range(3))
            axes = draw(st.sampled_from(["lab", "crystal"]))
            return {"mosaic_model": name, "mosaic_anisotropic": spreads, "mosaic_axes": axes} | domains
        case "list":
            generator = oracle.Lehmer(seed)
            turns = [(oracle.mosaic_rotation(0.05, generator), draw(number(0.1, 3.0))) for _ in range(3)]
            return {"mosaic_model": name, "mosaic_rotations": turns}
        case "sobol":
            points = scrambled_sobol(domains["mosaic_domains"], seed).tolist()
            return {"mosaic_model": name, "mosaic_points": points} | spread | domains
        case "normal":
            sequence, drawn = draw(st.sampled_from([("sobol", scrambled_sobol), ("random", random_points)]))
            points = drawn(domains["mosaic_domains"], seed).tolist()
            return {"mosaic_model": name, "mosaic_sequence": sequence, "mosaic_points": points} | spread | domains
    return {"mosaic_model": name} | spread


class Table(dict[tuple[int, int, int], float]):
    """A table that is shown as the seed it was made from."""

    def __init__(self, seed: int, reflections: dict[tuple[int, int, int], float]) -> None:
        super().__init__(reflections)
        self.seed = seed

    def __repr__(self) -> str:
        return f"table({self.seed})"


def table(seed: int) -> Table:
    """Most reflections with indices up to 4, with gaps."""
    draw = random.Random(seed)
    box = [(h, k, l) for h in range(-4, 5) for k in range(-4, 5) for l in range(-4, 5)]
    return Table(seed, {index: round(draw.uniform(1.0, 100.0), 2) for index in box if draw.random() < 0.8})


@st.composite
def detectors(draw: st.DrawFn) -> dict[str, Any]:
    flags: dict[str, Any] = {"detpixels_x": draw(st.integers(1, 4)), "detpixels_y": draw(st.integers(1, 4))}
    flags["pixel"] = draw(number(1.0, 15.0))
    flags["distance"] = draw(number(40.0, 200.0))
    if draw(st.booleans()):
        flags |= {"Xbeam": draw(number(-20, 60)), "Ybeam": draw(number(-20, 60))}
    if draw(st.booleans()):
        flags |= {f"detector_rot{axis}": draw(number(-30, 30)) for axis in "xyz"}
    if draw(st.booleans()):
        flags["twotheta"] = draw(number(-40, 40))
    if draw(st.booleans()):
        flags["pivot"] = draw(st.sampled_from(["beam", "sample"]))
    if draw(st.booleans()):
        flags["point_pixel"] = True
    match draw(st.sampled_from(["default", "named", "custom", "first corner"])):
        case "named":
            flags["convention"] = draw(st.sampled_from(["mosflm", "xds", "adxv", "denzo", "dials"]))
        case "custom":
            flags |= draw(custom_vectors())
        case "first corner":
            name, scale = draw(st.sampled_from([("pix0_vector", 1.0), ("pix0_vector_mm", 1000.0)]))
            corner = (draw(number(0.05, 0.15)), draw(number(-0.05, 0.05)), draw(number(-0.05, 0.05)))
            flags[name] = tuple(float(f"{scale * value:.6g}") for value in corner)
    return flags


@st.composite
def custom_vectors(draw: st.DrawFn) -> dict[str, Any]:
    """Some vectors near the default ones, so that the detector stays downstream; two-theta of unit length.

    The reference does not normalise the two-theta axis, and a normal is replaced when its length is not exactly 1.
    """
    defaults = {
        "fdet_vector": (0, 0, 1),
        "sdet_vector": (0, -1, 0),
        "beam_vector": (1, 0, 0),
        "polar_vector": (0, 0, 1),
        "spindle_axis": (0, 0, 1),
    }
    chosen = draw(st.lists(st.sampled_from(list(defaults)), unique=True, max_size=5))
    flags: dict[str, Any] = {}
    for name in chosen:
        shift = draw(vectors(0.2))
        flags[name] = tuple(float(f"{value + move:.6g}") for value, move in zip(defaults[name], shift, strict=True))
    flags["twotheta_axis"] = draw(st.sampled_from([(0, 1, 0), (0, 0, -1), (1, 0, 0), (0, -1, 0)]))
    return flags


@st.composite
def exposures(draw: st.DrawFn) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    if draw(st.booleans()):
        flags["lambda"] = draw(number(0.6, 3.0))
    else:
        flags["energy"] = draw(number(5000.0, 20000.0))
    if draw(st.booleans()):
        flags["fluence"] = draw(number(1e20, 1e30))
    else:
        flags |= {
            "flux": draw(number(1e8, 1e14)),
            "exposure": draw(number(0.01, 10)),
            "beamsize": draw(number(0.001, 1)),
        }
    match draw(st.sampled_from(["default", "polarized", "none"])):
        case "polarized":
            flags["polar"] = draw(number(-1.0, 1.0))
        case "none":
            flags["nopolar"] = True
    if draw(st.booleans()):
        flags["phi"] = draw(st.one_of(st.just(0.0), number(-180, 180)))
    match draw(st.sampled_from(["still", "osc", "step", "both", "steps", "all"])):
        case "osc":
            flags["osc"] = draw(number(0.0, 5.0))
        case "step":
            flags["phistep"] = draw(number(0.01, 5.0))
        case "both":
            # Away from whole quotients, where one rounding decides about a step more.
            flags |= {"osc": 1.0, "phistep": draw(st.sampled_from([0.3, 0.45, 0.7, 2.0]))}
        case "steps":
            flags["phisteps"] = draw(st.integers(1, 3))
        case "all":
            flags |= {"osc": draw(number(0.1, 5.0)), "phisteps": draw(st.integers(1, 3))}
            flags["phi_sampling"] = draw(st.sampled_from(["start", "middle"]))
    flags["oversample"] = draw(st.integers(1, 2))
    if draw(st.booleans()):
        flags["polar_at"] = draw(st.sampled_from(["first", "centre", "last"]))
    if draw(st.booleans()):
        flags["dmin"] = draw(number(1.0, 8.0))
    if draw(st.booleans()):
        # As bright as reflections, so that the sum and the background both have digits to compare.
        flags["water"] = draw(number(0.001, 1.0))
    return flags


@st.composite
def optics(draw: st.DrawFn) -> dict[str, Any]:
    """Sources, sensor, and the factors that are oversampled."""
    flags: dict[str, Any] = {}
    match draw(st.sampled_from(["point", "range", "step", "count", "listed"])):
        case "range":
            flags |= {"hdivrange": draw(number(0.5, 8.0)), "vdivrange": draw(number(0.5, 8.0)), "divsteps": 3}
        case "step":
            flags |= {
                "hdivrange": 3.0,
                "hdivstep": draw(st.sampled_from([1.1, 1.7])),
                "vdivstep": draw(number(0.5, 3.0)),
            }
        case "count":
            flags |= {"divergence": draw(number(0.5, 8.0)), "hdivsteps": draw(st.integers(1, 3)), "square_div": True}
        case "listed":
            flags["sourcefile"] = draw(st.lists(source_rows(), min_size=1, max_size=3))
    if draw(st.booleans()):
        flags["dispersion"] = draw(number(0.1, 5.0))
        if draw(st.booleans()):
            flags["dispsteps"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        flags["detector_thick"] = draw(number(50.0, 5000.0))
        if draw(st.booleans()):
            flags["detector_abs"] = draw(number(50.0, 5000.0))
        if draw(st.booleans()):
            flags["detector_thicksteps"] = draw(st.integers(1, 3))
    for name in ("oversample_thick", "oversample_polar", "oversample_omega", "curved_det"):
        if draw(st.booleans()):
            flags[name] = True
    return flags


@st.composite
def source_rows(draw: st.DrawFn) -> tuple[float, ...]:
    # Never along the polarization, as which xds has x: there the factor is not defined.
    row = (draw(number(-12.0, -8.0)), draw(number(0.01, 0.5)), draw(number(-0.5, 0.5)))
    match draw(st.sampled_from(["place", "weight", "wavelength"])):
        case "weight":
            return (*row, draw(number(0.1, 3.0)))
        case "wavelength":
            return (*row, draw(number(0.1, 3.0)), draw(number(0.8e-10, 1.3e-10)))
    return row


@st.composite
def halos(draw: st.DrawFn, crystal: dict[str, Any]) -> dict[str, Any]:
    """Diffuse scattering; the cell gets the symmetry that it is asked for."""
    flags: dict[str, Any] = {"diffuse": "gamma_sigma", "diffuse_stencil": draw(st.sampled_from([0, 0, 1]))}
    a, b, c, *angles = crystal["cell"]
    flags["diffuse_symmetry"] = group = draw(st.sampled_from(["P1", "P2", "P222", "P4"]))
    match group:
        case "P2":
            flags["cell"] = (a, b, c, 90.0, angles[1], 90.0)
        case "P222":
            flags["cell"] = (a, b, c, 90.0, 90.0, 90.0)
        case "P4":
            flags["cell"] = (a, a, c, 90.0, 90.0, 90.0)
    lengths = {"diffuse_gamma": number(5.0, 100.0), "diffuse_sigma": number(0.05, 1.0)}
    for name, values in lengths.items():
        flags[name] = draw(st.one_of(values, st.tuples(values, values, values)))
    if draw(st.booleans()):
        flags["diffuse_principal"] = tuple(draw(st.lists(number(-1.0, 1.0), min_size=9, max_size=9)))
    if draw(st.booleans()):
        flags["diffuse_diffbragg"] = True
    return flags


@st.composite
def experiments(draw: st.DrawFn) -> dict[str, Any]:
    detector = draw(detectors())
    flags = draw(crystals()) | detector | draw(exposures())
    if draw(st.booleans()):
        flags |= draw(optics())
    if draw(st.integers(0, 3)) == 0:
        flags |= draw(halos(flags))
    if draw(st.booleans()):
        fast, slow = detector["detpixels_x"], detector["detpixels_y"]
        first_fast, first_slow = draw(st.integers(0, fast - 1)), draw(st.integers(0, slow - 1))
        flags["roi"] = (
            first_fast,
            draw(st.integers(first_fast, fast - 1)),
            first_slow,
            draw(st.integers(first_slow, slow - 1)),
        )
    return flags


@settings(
    max_examples=3 * settings().max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(flags=experiments(), quirks=st.sets(st.sampled_from(QUIRKS)))
def test_engine_equals_the_scalar_oracle(flags: dict[str, Any], quirks: set[str]) -> None:
    # With these together the oracle does not say which layer the water is in.
    layers = "last-layer" in quirks or "oversample_thick" in flags or "detector_thick" not in flags
    assume("water" not in flags or layers or not {"running-product", "water-over-steps"} <= quirks)
    expected = np.array(oracle.simulate(flags, quirks))
    # A running product of solid angles above 1, as point pixels have them, ends beyond any number.
    assume("running-product" not in quirks or np.isfinite(expected).all())
    assert_equal(flags, tuple(sorted(quirks)), expected)


@st.composite
def polychromatic(draw: st.DrawFn) -> dict[str, Any]:
    """Spectra, some with structure factors that differ along them."""
    flags = draw(crystals()) | draw(detectors()) | draw(exposures())
    flags.pop("energy", None)
    flags["lambda"] = draw(number(0.9, 1.5))
    if draw(st.booleans()):
        flags |= {"hdivrange": draw(number(0.5, 8.0)), "vdivrange": draw(number(0.5, 8.0))}
    channels = draw(st.integers(2, 4))
    match draw(st.sampled_from(["gaussian", "pink", "listed", "listed"])):
        case "gaussian":
            flags |= {"gaussian_width": draw(number(0.1, 5.0)), "gaussian_channels": channels}
        case "pink":
            flags |= {"pink_width": draw(number(0.1, 5.0)), "pink_edge": draw(number(5.0, 60.0))}
            flags["pink_channels"] = channels
        case "listed":
            lengths = st.tuples(number(0.9, 1.5), number(0.1, 3.0))
            flags["spectrum"] = draw(st.lists(lengths, min_size=channels, max_size=channels))
    if draw(st.booleans()):
        flags |= {"lambda_scale": draw(number(0.98, 1.02)), "lambda_shift": draw(number(-0.02, 0.02))}
    differ = draw(st.sampled_from(["no", "atoms", "channels"]))
    if differ == "no":
        return flags
    for name in ("interpolate", "nointerpolate"):
        flags.pop(name, None)
    seed = draw(st.integers(0, 1000))
    values = random.Random(seed)
    several = 2 if differ == "atoms" else channels
    flags["hkl"] = Table(
        seed, {index: tuple(values.uniform(1.0, 100.0) for _ in range(several)) for index in table(seed)}
    )
    if differ == "atoms":
        place = st.tuples(st.sampled_from(["Fe", "Se"]), *[number(0.0, 1.0)] * 3, number(0.0, 40.0), number(0.1, 1.0))
        flags["atoms"] = draw(st.lists(place, min_size=1, max_size=3))
        flags["f_prime"] = {
            name: [(5000.0, -8.0, 1.0), (9000.0, draw(number(-20.0, 0.0)), 4.0), (30000.0, 1.0, draw(number(0.0, 9.0)))]
            for name in ("Fe", "Se")
        }
        flags |= {"fpp_scale": draw(number(0.5, 2.0)), "fp_shift": draw(number(-2.0, 2.0))}
    return flags


@settings(
    max_examples=settings().max_examples // 4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(flags=polychromatic())
def test_spectra_equal_the_scalar_oracle(flags: dict[str, Any]) -> None:
    assert_equal(flags)


PLAIN = {
    "cell": (40.0, 45.0, 50.0, 90.0, 90.0, 90.0),
    "N": 4,
    "default_F": 100.0,
    "detpixels": 5,
    "pixel": 4.0,
    "oversample": 1,
}


def test_phi_carryover_leaves_the_very_first_evaluation_alone() -> None:
    """In a scan through 0 the reference has no orientation to carry over in its first pixel only."""
    flags = PLAIN | {"phi": 0.0, "osc": 3.0, "phisteps": 3, "oversample": 2, "mosaic": 1.0, "mosaic_domains": 2}
    carried, right = assert_equal(flags, ("phi-carryover",)), assert_equal(flags)
    assert abs(carried - right)[1:].max() > 0.01 * right.max()


def test_phi_carryover_begins_after_the_resolution_limit() -> None:
    """A pixel in which the limit leaves nothing evaluates nothing; the first evaluation is in a later one."""
    flags = PLAIN | {"phi": -1.0, "osc": 3.0, "phisteps": 3, "dmin": 9.0, "Xbeam": 12.0, "Ybeam": 11.0, "oversample": 2}
    assert_equal(flags, ("phi-carryover",))


@pytest.mark.parametrize("angles", [(75.0, 85.0, 95.0), (100.0, 100.0, 100.0)])
def test_oblique_cell_has_the_angles_asked_for(angles: tuple[float, float, float]) -> None:
    flags = PLAIN | {"cell": (40.0, 45.0, 50.0, *angles), "misset": (10.0, 20.0, 30.0)}
    wrong, right = assert_equal(flags, ("oblique-cell",)), assert_equal(flags)
    assert abs(wrong - right).max() > 1e-3 * right.max()


@pytest.mark.parametrize("angles", [(90.0, 97.0, 90.0), (90.0, 90.0, 120.0), (90.0, 90.0, 90.0)])
def test_cells_with_one_oblique_angle_are_the_reference_s(angles: tuple[float, float, float]) -> None:
    flags = PLAIN | {"cell": (40.0, 45.0, 50.0, *angles), "misset": (10.0, 20.0, 30.0)}
    wrong, right = assert_equal(flags, ("oblique-cell",)), assert_equal(flags)
    np.testing.assert_allclose(wrong, right, rtol=0.0, atol=1e-9 * right.max())


def test_first_corner_wins_over_beam_centre_and_distance() -> None:
    flags = PLAIN | {"Xbeam": 3.0, "distance": 77.0, "pix0_vector_mm": (120.0, 9.0, -11.0), "detector_rotx": 4.0}
    ignored, honoured = assert_equal(flags, ("pix0-ignored",)), assert_equal(flags)
    assert abs(ignored - honoured).max() > 0.01 * honoured.max()


def test_explicit_pivot_is_honoured() -> None:
    flags = PLAIN | {"pivot": "sample", "detector_roty": 20.0, "Xbeam": 4.0, "Ybeam": 5.0}
    ignored, honoured = assert_equal(flags, ("pivot-ignored",)), assert_equal(flags)
    assert abs(ignored - honoured).max() > 0.01 * honoured.max()
