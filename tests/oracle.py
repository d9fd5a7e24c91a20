"""An independent scalar oracle: one experiment's photons in plain Python, straight from the formulas.

It shares no code with the engine, knows no tensors and takes no short cuts, so that a disagreement between the two is
a finding. `simulate` takes the reference program's flags (names without the dash, values in the flags' own units) and
returns photons. Inside, everything is in metres and radians, except the reciprocal cell (1/angstrom).

Choices made where the flags alone leave room:

- Flags count in the order of the mapping, as on a command line: a later flag overrides an earlier one.
- `pix0_vector` is the vector from the crystal to the outer corner of the first pixel before detector rotations. Unless
  a pivot is asked for, the panel then swings about the sample: the origin is pix0 rotated about x, y, z and then by
  two-theta. With an explicit beam pivot the spot where the beam meets the unrotated panel stays where it is, as it
  does without pix0, and the panel turns about it.
- An explicit `pivot` wins wherever it stands. With the quirk "pivot-ignored" it counts only for the custom
  convention, and there the last flag that touches the pivot wins. A sample pivot asked for under a convention that
  has the beam pivot turns about the near point (ORGX and ORGY, or the middle), which -Xbeam and -Ybeam do not move.
- The water background is spread evenly over layers' captures, subpixels and sources: its share of a pixel is the mean
  over subpixels and sources of capture (summed over layers) x polarization x solid angle. `dmin` does not cut it.
- The two-theta axis is made unit in both modes (the reference uses it as given), and only -twotheta sets that angle.
- A pixel's polarization, unless oversampled, is that of its first subpixel and source that `dmin` does not cut; with
  -polar_at that of the first source at the place asked for, whatever is cut.
- Without an explicit choice, interpolation is on when a final number of cells is 2 or less; with the quirk
  "interpolation-latch" the numbers given by -N, -Na, -Nb, -Nc decide, before a crystal size replaces them.
"""

import ctypes
import math
import random
import struct
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, TypeAlias

import oracle_diffuse
from oracle_diffuse import Halos

Vector: TypeAlias = tuple[float, float, float]
Matrix: TypeAlias = tuple[Vector, Vector, Vector]
Index: TypeAlias = tuple[int, int, int]

THOMSON_CROSS_SECTION = 7.94079248018965e-30  # m^2, the square of the classical electron radius
AVOGADRO = 6.02214179e23
EV_ANGSTROM = 12398.42
DEFAULT_FLUENCE = 125932015286227086360700780544.0  # photons/m^2
WATER_F = 2.57  # electrons, forward scattering
DEGREES = 180.0 * 0.3183098861837907  # degrees per radian, rounded as the reference rounds it
SPHERE_TO_CUBE = 0.723601254558268  # makes a sphere's peak that of the parallelepiped it replaces
SOURCE_DISTANCE = 10.0  # m

QUIRKS = frozenset(
    {
        "phi-carryover",
        "pix0-ignored",
        "oblique-cell",
        "running-product",
        "last-layer",
        "interpolation-latch",
        "water-over-steps",
        "pivot-ignored",
        "source-weights",
        "water-fluence",
        "header-twotheta",
        "header-distance",
        "header-beam-centre",
        "header-keys",
        "rounded-counts",
        "parallel-polarization",
        "sphere-cancellation",
        "source-units",
        "subpixels-by-size",
    }
)


def simulate(flags: Mapping[str, Any], quirks: Collection[str] = ()) -> list[list[float]]:
    """Compute the photons of every pixel.

    Parameters
    ----------
    flags
        The reference's flags without the dash, with values in the flags' units (mm, degrees, angstrom, mrad, percent,
        micrometres for sensor and water). A bare flag has the value True. `convention` and `shape` may stand for the
        bare flags of that name. Tables may be given in place of files: `hkl` as {(h, k, l): F}, `mat` as the three rows
        of the file, `sourcefile` as a list of rows. The mosaic models sobol and normal take the three numbers from 0 to
        1 of each domain as `mosaic_points`, for a sequence is no formula.
    quirks
        Names from `QUIRKS`: what to do as the reference program does.

    Returns
    -------
    list[list[float]]
        Photons per pixel, rows slow, columns fast; 0 outside the region of interest and under a mask.

    Raises
    ------
    ValueError
        For an unknown flag or quirk, or a combination of quirks that no one has defined.
    """
    run = _resolve(flags, frozenset(quirks))
    image = [[0.0] * run.fast_pixels for _ in range(run.slow_pixels)]
    pixels = list(_rendered_pixels(run))
    for (slow, fast), photons in zip(pixels, _photons(run, pixels), strict=True):
        image[slow][fast] = photons
    return image


def simulate_scene(crystals: Sequence[tuple[float, Mapping[str, Any]]]) -> list[list[float]]:
    """Photons of several crystals on one shot, each with its weight and all flags; the water is that of the first."""
    images = []
    for number, (weight, flags) in enumerate(crystals):
        dry = {name: value for name, value in flags.items() if name != "water"}
        images.append((weight, simulate(flags if number == 0 else dry)))
    if "water" in crystals[0][1]:
        # Its photons are not the crystal's, whose weight does not touch them.
        first = {name: value for name, value in crystals[0][1].items() if name != "water"}
        bare = simulate(first)
        wet = images[0][1]
        water = [[one - other for one, other in zip(*rows, strict=True)] for rows in zip(wet, bare, strict=True)]
        images[0] = (crystals[0][0], bare)
        images.append((1.0, water))
    rows, columns = len(images[0][1]), len(images[0][1][0])
    return [
        [math.fsum(weight * image[slow][fast] for weight, image in images) for fast in range(columns)]
        for slow in range(rows)
    ]


def twin_rows(rows: Sequence[Vector], law: Sequence[Sequence[float]]) -> list[list[float]]:
    """Rows a*, b*, c* of the second domain of a twin, where ``law`` is its own inverse.

    The point h a* + k b* + l c* of the first is that of the second whose indices are law (h k l).
    """
    return [[math.fsum(law[m][n] * rows[m][axis] for m in range(3)) for axis in range(3)] for n in range(3)]


# ---------------------------------------------------------------------------------------------- random numbers


def _single(x: float) -> float:
    """Round to single precision."""
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def _single_power(base: float, exponent: float) -> float:
    """Raise to a power in single precision, as the C library does: it may miss the nearest number by one unit."""
    try:
        power = ctypes.CDLL(None).powf
    except (OSError, AttributeError, TypeError):
        return _single(base**exponent)
    power.argtypes, power.restype = [ctypes.c_float, ctypes.c_float], ctypes.c_float
    return float(power(base, exponent))


class Lehmer:
    """The reference's uniform deviates: a Lehmer generator (multiplier 16807) whose output is shuffled.

    Parameters
    ----------
    seed
        A positive seed, as given on the command line; 0 counts as 1.
    """

    modulus = 2147483647
    multiplier = 16807
    entries = 32
    largest = 1.0 - 1.2e-7

    def __init__(self, seed: int) -> None:
        self._state = max(seed, 1)
        for _ in range(8):
            self._advance()
        self._table = [self._advance() for _ in range(self.entries)][::-1]
        self._output = self._table[0]

    def _advance(self) -> int:
        self._state = self._state * self.multiplier % self.modulus
        return self._state

    def uniform(self) -> float:
        """Return the next deviate in (0, 1), rounded to single precision."""
        fresh = self._advance()
        place = self._output // (1 + (self.modulus - 1) // self.entries)
        self._output = self._table[place]
        self._table[place] = fresh
        return _single(min(_single(self._output * (1.0 / self.modulus)), self.largest))


def mosaic_rotation(spread: float, generator: Lehmer) -> Matrix:
    """Draw a random rotation from a spherical cap.

    Parameters
    ----------
    spread
        Largest angle, radians.
    generator
        Gives three deviates: two for the axis, one for the angle.

    Returns
    -------
    Matrix
        Rotation matrix by rows.
    """
    r1 = 2.0 * generator.uniform() - 1.0
    r2 = 2.0 * generator.uniform() - 1.0
    r3 = 2.0 * generator.uniform() - 1.0
    ring = math.sqrt(1.0 - r2 * r2)
    axis = (ring * math.sin(math.pi * r1), ring * math.cos(math.pi * r1), r2)
    root = _single_power(_single(1.0 - r3 * r3), _single(1.0 / 3.0))
    return _rotation(axis, _single(_single(spread) * root))


def misset_angles(rotation: Matrix) -> Vector:
    """Return the angles (radians) about x, then y, then z that make up a rotation matrix."""
    rows = [_unit(row) for row in rotation]
    (ux, _, _), (vx, _, _), (wx, wy, wz) = rows
    if wx * wx < 1.0:
        return math.atan2(wy, wz), math.atan2(-wx, math.sqrt(wy * wy + wz * wz)), math.atan2(vx, ux)
    return math.pi, math.pi / 2.0, math.atan2(rows[0][1], -rows[1][1])


# -------------------------------------------------------------------------------------------- factors of a term


def polarization(
    kahn: float, incident: Vector, diffracted: Vector, axis: Vector, parallel_is_polarized: bool = False
) -> float:
    """Return the Kahn polarization factor.

    Parameters
    ----------
    kahn
        Kahn's K: 1 for a beam polarized along `axis`, 0 for an unpolarized one.
    incident, diffracted
        Unit vectors along the incident and the diffracted beam.
    axis
        Unit vector; the electric field lies as near to it as the incident beam allows.
    parallel_is_polarized
        Where the beam runs along the axis and leaves no direction to the field: cos 2psi is 1, and 0 otherwise.
    """
    cos_2theta = _dot(incident, diffracted)
    cos_2psi = 1.0
    if _cross(axis, incident) == (0.0, 0.0, 0.0):
        cos_2psi = 1.0 if parallel_is_polarized else 0.0
    elif kahn != 0.0:
        magnetic = _unit(_cross(axis, incident))
        electric = _unit(_cross(incident, magnetic))
        cos_2psi = math.cos(-2.0 * math.atan2(_dot(diffracted, magnetic), _dot(diffracted, electric)))
    return 0.5 * (1.0 + cos_2theta**2 - kahn * cos_2psi * (1.0 - cos_2theta**2))


def lattice_factor(
    shape: str,
    dh: float,
    dk: float,
    dl: float,
    cells: tuple[int, int, int],
    reciprocal: Matrix = ((0.0, 0.0, 0.0),) * 3,
    fudge: float = 1.0,
    cancels: bool = False,
) -> float:
    """Return the amplitude of the finite lattice's transform.

    Parameters
    ----------
    shape
        "square", "round", "gauss" or "tophat".
    dh, dk, dl
        Fractional Miller indices, whole or reduced to their distance from the nearest whole ones: only that distance
        counts, except for the sign of a square lattice with an even number of cells.
    cells
        Na, Nb, Nc.
    reciprocal
        a*, b*, c* in 1/angstrom; for gauss and tophat.
    fudge
        Scale of the squared distance from the Bragg peak; not for square.
    cancels
        Whether the sphere's closed form is used however small its argument is.
    """
    indices = (dh, dk, dl)
    if shape == "square":
        return math.prod(_interference(x, n) for x, n in zip(indices, cells, strict=True) if n > 1)
    offsets = [x - _nearest(x) for x in indices]
    peak = float(math.prod(cells))
    if shape == "round":
        radius = math.sqrt(fudge * sum((n * d) ** 2 for n, d in zip(cells, offsets, strict=True)))
        return peak * SPHERE_TO_CUBE * _sphere(math.pi * radius, cancels)
    distance = [sum(d * star[i] for d, star in zip(offsets, reciprocal, strict=True)) for i in range(3)]
    radius_squared = sum(x * x for x in distance) * peak * peak
    if shape == "gauss":
        return peak * math.exp(-radius_squared / 0.63 * fudge)
    if shape == "tophat":
        return peak if radius_squared * fudge < 0.3969 else 0.0
    raise ValueError(f"shape: {shape!r} is none of square, round, gauss, tophat")


def gaussian_factor(
    shape: str, offsets: Vector, lattice: "_Lattice", fudge: float, nearest: Vector, spread: float | None
) -> float:
    """Return the amplitude of a Gaussian spot, smeared by mosaicity in closed form where there is a spread.

    Parameters
    ----------
    shape
        "gauss", "gauss_index", "gauss_argchk" or "gauss_star".
    offsets, nearest
        Indices as far as they are from the nearest whole ones, and these.
    lattice
        Cells and reciprocal vectors.
    fudge
        Scale of the squared distance.
    spread
        Standard deviation of the rotations about each axis, radians; None for none.
    """
    dual = tuple(tuple(_dot(one, other) for other in lattice.reciprocal) for one in lattice.reciprocal)
    count = math.prod(lattice.cells)
    if shape in ("gauss_index", "gauss_argchk"):
        height, form = _determinant(lattice.tensor), _product(lattice.tensor, lattice.tensor)
    elif shape == "gauss_star":
        width = lattice.width or (count * math.sqrt(1.0 / _determinant(dual))) ** (-1.0 / 3.0)
        height, form = count, _scaled(dual, width**-2)
    else:
        height, form = count, _scaled(dual, count**2)
    form = _scaled(form, fudge / 0.63)
    exponent = _dot(offsets, _apply(form, offsets))
    if spread is None:
        return 0.0 if shape == "gauss_argchk" and exponent >= 35.0 else height * math.exp(-exponent)
    # The squared amplitude falls by exp(-d . inverse . d / 2), with inverse = 4 form.
    before = _inverse(_scaled(form, 4.0))
    square, real = _dot(nearest, _apply(dual, nearest)), _inverse(dual)
    after = tuple(
        tuple(before[i][j] + spread**2 * (square * real[i][j] - nearest[i] * nearest[j]) for j in range(3))
        for i in range(3)
    )
    ratio = _determinant(before) / _determinant(after)
    exponent = _dot(offsets, _apply(_inverse(after), offsets)) / 4.0
    return height * ratio**0.25 * math.exp(-exponent)


def _interference(x: float, n: int) -> float:
    """Return sin(pi n x)/sin(pi x), with x reduced by its nearest integer and the sign kept."""
    whole = _nearest(x)
    offset = x - whole
    sign = -1.0 if whole * (n - 1) % 2 else 1.0
    if abs(n * offset) < 1e-6:
        return sign * n * (1.0 - (n * n - 1) * (math.pi * offset) ** 2 / 6.0)
    turns = _nearest(n * offset)
    numerator = math.sin(math.pi * (n * offset - turns)) * (-1.0 if turns % 2 else 1.0)
    return sign * numerator / math.sin(math.pi * offset)


def _sphere(x: float, cancels: bool) -> float:
    """Return 3 (sin x / x - cos x) / x^2, by its series where that form loses digits."""
    if x == 0.0 or (abs(x) < 0.3 and not cancels):
        return 3.0 * sum((-x * x) ** i * (2 * i + 2) / math.factorial(2 * i + 3) for i in range(7))
    return 3.0 * (math.sin(x) / x - math.cos(x)) / (x * x)


def _nearest(x: float) -> int:
    return math.ceil(x - 0.5)


# ---------------------------------------------------------------------------------------- the resolved experiment


@dataclass(frozen=True)
class _Axes:
    """Unit vectors of the laboratory: beam, panel (fast, slow, normal), two-theta, polarization and spindle axes."""

    beam: Vector
    fast: Vector
    slow: Vector
    normal: Vector
    twotheta: Vector
    polarization: Vector
    spindle: Vector


@dataclass(frozen=True)
class _Lattice:
    """Numbers of cells, also as a tensor; reciprocal vectors in 1/angstrom; the width of gauss_star, 0 for its own."""

    cells: tuple[float, float, float]
    tensor: Matrix
    reciprocal: Matrix
    width: float


@dataclass(frozen=True)
class _Domains:
    """Rotations of mosaic domains, their weights of mean 1, and whether they come before the spindle's.

    `closed` is the spread of those that are summed in closed form; None for none.
    """

    rotations: tuple[Matrix, ...]
    weights: tuple[float, ...]
    mounted: bool = False
    closed: float | None = None


@dataclass(frozen=True)
class _Panel:
    """The oriented panel: origin and distances in metres, unit vectors."""

    origin: Vector
    fast: Vector
    slow: Vector
    normal: Vector
    close_distance: float
    distance: float


@dataclass(frozen=True)
class _Source:
    """A point source: unit vector from the crystal to it, wavelength (m), weight (mean 1), place in the spectrum."""

    direction: Vector
    wavelength: float
    weight: float
    channel: int = 0


@dataclass(frozen=True)
class _Atom:
    """An atom beside the table: fractional place, B factor (A^2), occupancy, and f' + i f'' by wavelength."""

    place: Vector
    b_factor: float
    occupancy: float
    steps: tuple[tuple[float, float, float], ...]
    fpp_scale: float
    fp_shift: float

    def factor(self, indices: Vector, q: Vector, wavelength: float) -> complex:
        """Return what it adds to F at fractional indices and q (1/m)."""
        energy = EV_ANGSTROM / (wavelength * 1e10)
        (low, *one), (high, *two) = next(
            pair for pair in zip(self.steps, self.steps[1:], strict=False) if pair[0][0] <= energy <= pair[1][0]
        )
        part = (energy - low) / (high - low)
        first, second = (here + part * (there - here) for here, there in zip(one, two, strict=True))
        whole = [_nearest(x) for x in indices]
        phase = 2.0 * math.pi * sum(index * x for index, x in zip(whole, self.place, strict=True))
        strength = self.occupancy * math.exp(-self.b_factor * _dot(q, q) * 1e-20 / 4.0)
        value = complex(first + self.fp_shift, second * self.fpp_scale)
        return value * strength * complex(math.cos(phase), math.sin(phase))


@dataclass(frozen=True)
class _StructureFactors:
    """The table of amplitudes with its limits, and the amplitude of everything else."""

    table: Mapping[Index, Any]
    lowest: Index
    highest: Index
    default: float

    def nearest(self, indices: Vector) -> float:
        h, k, l = (_nearest(x) for x in indices)
        return self.table.get((h, k, l), self.default)

    def out_of_range(self, indices: Vector) -> bool:
        return any(
            x - low + 3 > high - low + 1 or x - 2 < low
            for x, low, high in zip(indices, self.lowest, self.highest, strict=True)
        )

    def interpolated(self, indices: Vector) -> float:
        """Return the cubic through four table entries a direction, two on either side."""
        nodes = [[math.floor(x) + step for step in (-1, 0, 1, 2)] for x in indices]
        weights = [_lagrange(x, at) for x, at in zip(indices, nodes, strict=True)]
        total = 0.0
        for h, weight_h in zip(nodes[0], weights[0], strict=True):
            for k, weight_k in zip(nodes[1], weights[1], strict=True):
                for l, weight_l in zip(nodes[2], weights[2], strict=True):
                    total += weight_h * weight_k * weight_l * self.table.get((h, k, l), self.default)
        return total


def _lagrange(x: float, nodes: Sequence[int]) -> list[float]:
    weights = []
    for node in nodes:
        others = [other for other in nodes if other != node]
        weights.append(math.prod((x - other) / (node - other) for other in others))
    return weights


@dataclass(frozen=True)
class _Run:
    """Everything the sum needs; lengths in metres, angles in radians, the reciprocal cell in 1/angstrom."""

    quirks: frozenset[str]
    slow_pixels: int
    fast_pixels: int
    region: tuple[int, int, int, int]
    masked: frozenset[tuple[int, int]]
    pixel: float
    panel: _Panel
    axes: _Axes
    curved: bool
    point_pixel: bool
    layers: int
    layer_step: float
    absorption: float
    has_sensor: bool
    oversample: int
    oversample_thick: bool
    oversample_polar: bool
    oversample_omega: bool
    polar_at: str
    sources: tuple[_Source, ...]
    dmin: float
    kahn: float
    nopolar: bool
    phi0: float
    phi_step: float
    phi_steps: int
    cell: Matrix
    reciprocal: Matrix
    domains: _Domains
    shape: str
    cells: tuple[float, float, float]
    lattice: _Lattice
    fudge: float
    structure_factors: _StructureFactors
    interpolate: bool
    fluence: float
    water: float
    halos: Halos | None
    atoms: tuple[_Atom, ...]

    @property
    def steps(self) -> int:
        return len(self.sources) * len(self.domains.rotations) * self.phi_steps * self.oversample**2


# ------------------------------------------------------------------------------------------------------ the sum


@dataclass
class _State:
    """What a reference quirk carries from one evaluation to the next."""

    cell: Matrix
    interpolate: bool
    phi: float = 0.0


def _rendered_pixels(run: _Run) -> Iterator[tuple[int, int]]:
    """Yield (slow, fast) of the pixels to compute, in program order."""
    fast_low, fast_high, slow_low, slow_high = run.region
    for slow in range(run.slow_pixels):
        for fast in range(run.fast_pixels):
            inside = fast_low <= fast <= fast_high and slow_low <= slow <= slow_high
            if inside and (slow, fast) not in run.masked:
                yield slow, fast


def _photons(run: _Run, pixels: Iterable[tuple[int, int]]) -> Iterator[float]:
    """Yield the photons of the given pixels, as if they were the only ones, in the given order."""
    state = _State(run.cell, run.interpolate)
    for slow, fast in pixels:
        yield _pixel(run, state, slow, fast)


def _pixel(run: _Run, state: _State, slow: int, fast: int) -> float:
    """Return one pixel's photons."""
    running = "running-product" in run.quirks and (run.oversample_thick or run.oversample_polar or run.oversample_omega)
    one_capture = "last-layer" in run.quirks and not run.oversample_thick
    water_in_sum = running and "water-over-steps" in run.quirks
    if water_in_sum and run.water > 0.0 and run.layers > 1 and not (one_capture or run.oversample_thick):
        raise ValueError("quirks: with water and sensor layers, running-product and water-over-steps need last-layer")

    total = _water_intensity(run) if water_in_sum else 0.0
    omega: float | None = None
    polar: float | None = None
    capture: float | None = None
    for layer in range(run.layers):
        capture = None
        for sub_slow in range(run.oversample):
            for sub_fast in range(run.oversample):
                diffracted, path = _ray(run, slow, fast, layer, sub_slow, sub_fast)
                if omega is None or run.oversample_omega:
                    omega = _solid_angle(run, path)
                if capture is None or run.oversample_thick:
                    capture = _capture(run, layer, diffracted)
                for source in run.sources:
                    incident = _scale(source.direction, -1.0)
                    q = _scale(_subtract(diffracted, incident), 1.0 / source.wavelength)
                    if _is_cut(q, run.dmin):
                        continue
                    if polar is None or run.oversample_polar:
                        polar = _pixel_polar(run, slow, fast, incident, diffracted)
                    for step in range(run.phi_steps):
                        phi = run.phi0 + run.phi_step * step
                        if phi != 0.0:
                            state.cell, state.phi = _rotate_cell(run.cell, run.axes.spindle, phi), phi
                        elif "phi-carryover" not in run.quirks:
                            state.cell, state.phi = run.cell, 0.0
                        for domain, share in zip(run.domains.rotations, run.domains.weights, strict=True):
                            if run.domains.mounted:
                                turned = (
                                    _apply(domain, run.cell[0]),
                                    _apply(domain, run.cell[1]),
                                    _apply(domain, run.cell[2]),
                                )
                                a, b, c = _rotate_cell(turned, run.axes.spindle, state.phi)
                            else:
                                a, b, c = (_apply(domain, edge) for edge in state.cell)
                            indices = (_dot(a, q), _dot(b, q), _dot(c, q))
                            f_latt = _lattice_amplitude(run, indices)
                            if f_latt == 0.0 and run.water == 0.0 and run.halos is None:
                                continue
                            f_cell = _unit_cell_amplitude(run, state, indices, source, q)
                            halo = _diffuse(run, indices, source)
                            term = source.weight * share * (f_cell**2 * f_latt**2 + halo)
                            if running:
                                if not run.oversample_thick and not one_capture:
                                    term *= capture
                                total += term
                                total *= capture if run.oversample_thick else 1.0
                                total *= polar if run.oversample_polar else 1.0
                                total *= omega if run.oversample_omega else 1.0
                            else:
                                total += term * polar * omega * (1.0 if one_capture else capture)
    assert omega is not None
    assert capture is not None
    if running:
        if not run.oversample_polar:
            total *= polar if polar is not None else float(run.nopolar)
        if not run.oversample_omega:
            total *= omega
    if one_capture:
        total *= capture
    photons = total / run.steps
    if run.water > 0.0 and not water_in_sum:
        photons += _background(run, slow, fast, polar, omega)
    return THOMSON_CROSS_SECTION * run.fluence * photons


def _lattice_amplitude(run: _Run, indices: Vector) -> float:
    """Return F_latt of a term."""
    if run.shape.startswith("gauss_") or run.domains.closed is not None:
        h, k, l = (float(_nearest(x)) for x in indices)
        offsets = (indices[0] - h, indices[1] - k, indices[2] - l)
        return gaussian_factor(run.shape, offsets, run.lattice, run.fudge, (h, k, l), run.domains.closed)
    cancels = "sphere-cancellation" in run.quirks
    return lattice_factor(run.shape, *indices, run.cells, run.reciprocal, run.fudge, cancels)


def _background(run: _Run, slow: int, fast: int, pixel_polar: float | None, pixel_omega: float) -> float:
    """Return the water's share of a pixel: its intensity times the mean of the factors.

    `pixel_polar` and `pixel_omega` serve where the factor is not oversampled; `pixel_polar` is None where `dmin` cut
    every term.
    """
    everything_cut = pixel_polar is None and not run.nopolar
    if "water-over-steps" in run.quirks and everything_cut:
        return 0.0
    if pixel_polar is None:
        first, _ = _ray(run, slow, fast, 0, 0, 0)
        pixel_polar = _pixel_polar(run, slow, fast, _scale(run.sources[0].direction, -1.0), first)
    one_capture = "last-layer" in run.quirks and not run.oversample_thick
    share = 0.0
    for layer in [run.layers - 1] if one_capture else range(run.layers):
        capture: float | None = None
        for sub_slow in range(run.oversample):
            for sub_fast in range(run.oversample):
                diffracted, path = _ray(run, slow, fast, layer, sub_slow, sub_fast)
                omega = _solid_angle(run, path) if run.oversample_omega else pixel_omega
                if capture is None or run.oversample_thick:
                    capture = _capture(run, layer, diffracted)
                for source in run.sources:
                    polar = _polar(run, _scale(source.direction, -1.0), diffracted)
                    if not run.oversample_polar:
                        polar = pixel_polar
                    share += source.weight * capture * polar * omega
    share /= len(run.sources) * run.oversample**2
    if "water-over-steps" in run.quirks:
        share /= run.steps
    return _water_intensity(run) * share


def _water_intensity(run: _Run) -> float:
    """Return the water's intensity in the units of F_cell^2 F_latt^2, squared electrons.

    The reference has r_e^2 fluence in it, and multiplies by that again in the end.
    """
    intensity = WATER_F**2 * run.water**3 * 1e6 * AVOGADRO / 18.0
    return intensity * THOMSON_CROSS_SECTION * run.fluence if "water-fluence" in run.quirks else intensity


def _ray(run: _Run, slow: int, fast: int, layer: int, sub_slow: int, sub_fast: int) -> tuple[Vector, float]:
    """Return the unit vector from the crystal to a subpixel of a layer, and the distance (m)."""
    subpixel = run.pixel / run.oversample
    along_fast = subpixel * (fast * run.oversample + sub_fast) + subpixel / 2.0
    along_slow = subpixel * (slow * run.oversample + sub_slow) + subpixel / 2.0
    return _ray_to(run, along_slow, along_fast, layer)


def _ray_to(run: _Run, along_slow: float, along_fast: float, layer: int) -> tuple[Vector, float]:
    """Return the unit vector to a point of a layer, so many metres along slow and fast, and its distance (m)."""
    panel = run.panel
    depth = layer * run.layer_step
    position = panel.origin
    for distance, axis in ((along_fast, panel.fast), (along_slow, panel.slow), (depth, panel.normal)):
        position = _add(position, _scale(axis, distance))
    if run.curved:
        _, y, z = position
        middle = _scale(run.axes.beam, panel.distance)
        position = _rotate_about(middle, panel.slow, y / panel.distance)
        position = _rotate_about(position, panel.fast, z / panel.distance)
    return _unit(position), _length(position)


def _solid_angle(run: _Run, path: float) -> float:
    if run.point_pixel:
        return 1.0 / path**2
    return run.pixel**2 / path**2 * run.panel.close_distance / path


def _capture(run: _Run, layer: int, diffracted: Vector) -> float:
    """Return the fraction of photons that a layer absorbs."""
    if not run.has_sensor:
        # The reference's formula gives nothing for a sensor of no thickness, and oversampling insists on the formula.
        return 0.0 if run.oversample_thick and "running-product" in run.quirks else 1.0
    depth = run.absorption * run.layer_step / _dot(diffracted, run.panel.normal)
    return math.exp(-layer * depth) - math.exp(-(layer + 1) * depth)


def _polar(run: _Run, incident: Vector, diffracted: Vector) -> float:
    # Oversampling makes the reference compute the factor even where -nopolar asks for none.
    if run.nopolar and not (run.oversample_polar and "running-product" in run.quirks):
        return 1.0
    return polarization(run.kahn, incident, diffracted, run.axes.polarization, "parallel-polarization" in run.quirks)


def _pixel_polar(run: _Run, slow: int, fast: int, incident: Vector, diffracted: Vector) -> float:
    """Return the factor of a ray, or of the place in its pixel that was asked for."""
    if run.polar_at == "first" or run.oversample_polar:
        return _polar(run, incident, diffracted)
    incident = _scale(run.sources[0].direction, -1.0)
    if run.polar_at == "centre":
        there, _ = _ray_to(run, run.pixel * (slow + 0.5), run.pixel * (fast + 0.5), 0)
    else:
        last = run.oversample - 1
        there, _ = _ray(run, slow, fast, run.layers - 1, last, last)
    return _polar(run, incident, there)


def _diffuse(run: _Run, indices: Vector, source: _Source) -> float:
    """Return what diffuse scattering adds, in squared electrons."""
    if run.halos is None:
        return 0.0
    h, k, l = (_nearest(x) for x in indices)

    def amplitude(index: Index) -> float:
        whole: Vector = (float(index[0]), float(index[1]), float(index[2]))
        return _whole_amplitude(run, whole, source, _scattering_vector(run, whole))

    cells = abs(_determinant(run.lattice.tensor))
    return oracle_diffuse.intensity(run.halos, indices, (h, k, l), amplitude, run.reciprocal, cells)


def _is_cut(q: Vector, dmin: float) -> bool:
    return dmin > 0.0 and _length(q) > 0.0 and dmin > 1.0 / _length(q)


def _scattering_vector(run: _Run, indices: Vector) -> Vector:
    """Return q of an index of the mounted crystal, in 1/m."""
    x, y, z = (
        1e10 * sum(index * star[axis] for index, star in zip(indices, run.reciprocal, strict=True)) for axis in range(3)
    )
    return x, y, z


def _whole_amplitude(run: _Run, indices: Vector, source: _Source, q: Vector) -> float:
    """Return F of the nearest index, by what the source makes of it."""
    factors = run.structure_factors
    h, k, l = (_nearest(x) for x in indices)
    if run.atoms:
        whole = complex(*factors.table.get((h, k, l), (factors.default, 0.0)))
        return abs(whole + sum(atom.factor(indices, q, source.wavelength) for atom in run.atoms))
    found = factors.table.get((h, k, l), factors.default)
    return found[source.channel] if isinstance(found, tuple) else found


def _unit_cell_amplitude(run: _Run, state: _State, indices: Vector, source: _Source, q: Vector) -> float:
    factors = run.structure_factors
    if run.atoms or any(isinstance(value, tuple) for value in factors.table.values()):
        return _whole_amplitude(run, indices, source, q)
    if state.interpolate:
        if not factors.out_of_range(indices):
            return factors.interpolated(indices)
        if "interpolation-latch" in run.quirks:
            state.interpolate = False
    return factors.nearest(indices)


# ------------------------------------------------------------------------------------------- flags to experiment

_SEVERAL: Mapping[str, tuple[str, ...]] = {
    "N": ("Na", "Nb", "Nc"),
    "detpixels": ("detpixels_x", "detpixels_y"),
    "detpixels_f": ("detpixels_x",),
    "detpixels_s": ("detpixels_y",),
    "detsize": ("detsize_f", "detsize_s"),
    "divergence": ("hdivrange", "vdivrange"),
    "divsteps": ("hdivsteps", "vdivsteps"),
    "xtalsize": ("xtal_x", "xtal_y", "xtal_z"),
    "samplesize": ("xtal_x", "xtal_y", "xtal_z"),
    "mosaic_spread": ("mosaic",),
    "mosaicity": ("mosaic",),
    "mosaic_dom": ("mosaic_domains",),
    "thicksteps": ("detector_thicksteps",),
    "detector_absorb": ("detector_abs",),
    "wave": ("lambda",),
}
_BARE: Mapping[str, tuple[str, Any]] = {
    "mosflm": ("convention", "mosflm"),
    "xds": ("convention", "xds"),
    "adxv": ("convention", "adxv"),
    "denzo": ("convention", "denzo"),
    "dials": ("convention", "dials"),
    "square_xtal": ("shape", "square"),
    "round_xtal": ("shape", "round"),
    "gauss_xtal": ("shape", "gauss"),
    "tophat_spots": ("shape", "tophat"),
    "gauss_index": ("shape", "gauss_index"),
    "gauss_argchk": ("shape", "gauss_argchk"),
    "gauss_star": ("shape", "gauss_star"),
    "binary_spots": ("shape", "tophat"),
    "nointerpolate": ("interpolate", False),
    "square_div": ("round_div", False),
}
_KNOWN = frozenset(
    """
    N_offdiagonal gauss_star_width
    Na Nb Nc cell mat misset misset_seed xtal_x xtal_y xtal_z hkl default_F distance close_distance detpixels_x
    detpixels_y detsize_f detsize_s pixel Xbeam Ybeam Xclose Yclose ORGX ORGY detector_rotx detector_roty
    detector_rotz twotheta twotheta_axis pivot convention fdet_vector sdet_vector odet_vector beam_vector polar_vector
    spindle_axis pix0_vector pix0_vector_mm phi phi_sampling osc phistep phisteps mosaic mosaic_domains mosaic_seed
    mosaic_model mosaic_anisotropic mosaic_axes mosaic_rotations mosaic_sequence mosaic_points
    hdivrange
    vdivrange hdivstep vdivstep hdivsteps vdivsteps round_div lambda energy dispersion dispsteps sourcefile
    detector_abs detector_thick detector_thicksteps oversample oversample_thick oversample_polar oversample_omega
    polar nopolar point_pixel curved_det shape fudge interpolate dmin roi fluence flux exposure beamsize water img
    mask polar_at diffuse diffuse_gamma diffuse_sigma diffuse_stencil diffuse_symmetry diffuse_principal
    diffuse_diffbragg
    mask gaussian_width gaussian_channels pink_width pink_edge pink_channels spectrum lambda_scale lambda_shift atoms
    f_prime fp_shift fpp_scale
    """.split()
)
_OUTPUT_ONLY = frozenset(
    """
    seed adc scale pgmscale floatfile intfile pgmfile noisefile floatimage intimage pgmimage noiseimage nonoise nopgm
    noprogress progress printout printout_pixel dump
    """.split()
)
_VECTOR_FLAGS: Mapping[str, str] = {
    "beam_vector": "beam",
    "fdet_vector": "fast",
    "sdet_vector": "slow",
    "odet_vector": "normal",
    "twotheta_axis": "twotheta",
    "polar_vector": "polarization",
    "spindle_axis": "spindle",
}
_PIX0_FLAGS = ("pix0_vector", "pix0_vector_mm")
_MOSFLM_AXES = _Axes(
    beam=(1.0, 0.0, 0.0),
    fast=(0.0, 0.0, 1.0),
    slow=(0.0, -1.0, 0.0),
    normal=(1.0, 0.0, 0.0),
    twotheta=(0.0, 0.0, -1.0),
    polarization=(0.0, 0.0, 1.0),
    spindle=(0.0, 0.0, 1.0),
)
_AXES: Mapping[str, _Axes] = {
    "mosflm": _MOSFLM_AXES,
    "denzo": _MOSFLM_AXES,
    "custom": _Axes(
        beam=(1.0, 0.0, 0.0),
        fast=(0.0, 0.0, 1.0),
        slow=(0.0, -1.0, 0.0),
        normal=(1.0, 0.0, 0.0),
        twotheta=(0.0, 1.0, 0.0),
        polarization=(0.0, 0.0, 1.0),
        spindle=(0.0, 0.0, 1.0),
    ),
    "adxv": _Axes(
        beam=(0.0, 0.0, 1.0),
        fast=(1.0, 0.0, 0.0),
        slow=(0.0, -1.0, 0.0),
        normal=(0.0, 0.0, 1.0),
        twotheta=(-1.0, 0.0, 0.0),
        polarization=(1.0, 0.0, 0.0),
        spindle=(1.0, 0.0, 0.0),
    ),
    "xds": _Axes(
        beam=(0.0, 0.0, 1.0),
        fast=(1.0, 0.0, 0.0),
        slow=(0.0, 1.0, 0.0),
        normal=(0.0, 0.0, 1.0),
        twotheta=(1.0, 0.0, 0.0),
        polarization=(1.0, 0.0, 0.0),
        spindle=(1.0, 0.0, 0.0),
    ),
    "dials": _Axes(
        beam=(0.0, 0.0, 1.0),
        fast=(1.0, 0.0, 0.0),
        slow=(0.0, 1.0, 0.0),
        normal=(0.0, 0.0, 1.0),
        twotheta=(0.0, 1.0, 0.0),
        polarization=(0.0, 1.0, 0.0),
        spindle=(0.0, 1.0, 0.0),
    ),
}
_CONVENTION_PIVOT = {"mosflm": "beam", "denzo": "beam", "adxv": "beam", "xds": "sample", "dials": "sample"}
# The pivot that a custom convention keeps from the flag of a named one before it.
_PIVOT_ON_SIGHT = _CONVENTION_PIVOT | {"dials": "beam"}


def _resolve(flags: Mapping[str, Any], quirks: frozenset[str]) -> _Run:
    """Turn flags into the experiment they describe."""
    if unknown := quirks - QUIRKS:
        raise ValueError(f"quirks: unknown {sorted(unknown)}")
    given, masked = _with_headers(_canonical(flags), quirks)

    pixel = given.get("pixel", 0.1) / 1000.0
    fast_pixels, fast_size = _pixels(given.get("detpixels_x", 0), given.get("detsize_f", 102.4), pixel)
    slow_pixels, slow_size = _pixels(given.get("detpixels_y", 0), given.get("detsize_s", 102.4), pixel)
    wavelength = given.get("lambda", 1.0) / 1.0e10

    axes = _axes(given)
    panel = _panel(given, axes, pixel, fast_size, slow_size, quirks)
    cell, reciprocal = _crystal(given, wavelength, quirks)
    cells = _cell_numbers(given, cell, quirks)
    widest = max(n * _length(edge) for n, edge in zip(cells, cell, strict=True))
    oversample = int(given.get("oversample", -1))
    if oversample <= 0:
        by_shape = _apparent_size(given, widest, cells) if "subpixels-by-size" not in quirks else widest
        oversample = max(1, _count(3.0 * by_shape / (wavelength * panel.distance / pixel), quirks))

    structure_factors = _structure_factors(given)
    layers, layer_step, thickness, absorption = _sensor(given)
    phi0, phi_step, phi_steps = _phi_steps(given, quirks)
    fast_low, fast_high, slow_low, slow_high = given.get("roi", (-1, -1, -1, -1))
    return _Run(
        quirks=quirks,
        slow_pixels=slow_pixels,
        fast_pixels=fast_pixels,
        region=(
            max(fast_low, 0),
            fast_high if fast_high >= 0 else fast_pixels,
            max(slow_low, 0),
            slow_high if slow_high >= 0 else slow_pixels,
        ),
        masked=masked,
        pixel=pixel,
        panel=panel,
        axes=axes,
        curved=bool(given.get("curved_det", False)),
        point_pixel=bool(given.get("point_pixel", False)),
        layers=layers,
        layer_step=layer_step,
        absorption=absorption,
        has_sensor=thickness > 0.0,
        oversample=oversample,
        oversample_thick=bool(given.get("oversample_thick", False)),
        oversample_polar=bool(given.get("oversample_polar", False)),
        oversample_omega=bool(given.get("oversample_omega", False)),
        polar_at=given.get("polar_at", "first"),
        sources=_sources(given, axes, wavelength, quirks),
        dmin=given.get("dmin", 0.0) * 1e-10,
        kahn=float(given.get("polar", 0.0)),
        nopolar=bool(given.get("nopolar", False)),
        phi0=phi0,
        phi_step=phi_step,
        phi_steps=phi_steps,
        cell=cell,
        reciprocal=reciprocal,
        domains=_domains(given, cell),
        shape=given.get("shape", "square"),
        cells=cells,
        lattice=_Lattice(cells, _cells_tensor(given, cells), reciprocal, given.get("gauss_star_width", 0.0)),
        fudge=float(given.get("fudge", 1.0)),
        structure_factors=structure_factors,
        interpolate=_interpolates(given, cells, quirks) and bool(structure_factors.table),
        fluence=_fluence(given),
        water=given.get("water", 0.0) / 1e6,
        halos=_halos(given),
        atoms=tuple(
            _Atom(
                place=(x, y, z),
                b_factor=b_factor,
                occupancy=occupancy,
                steps=tuple(given["f_prime"][element]),
                fpp_scale=float(given.get("fpp_scale", 1.0)),
                fp_shift=float(given.get("fp_shift", 0.0)),
            )
            for element, x, y, z, b_factor, occupancy in given.get("atoms", ())
        ),
    )


def _halos(given: Mapping[str, Any]) -> Halos | None:
    if given.get("diffuse") != "gamma_sigma":
        return None
    p = given.get("diffuse_principal", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    return Halos(
        gamma=_three(given.get("diffuse_gamma", 50.0)),
        sigma=_three(given.get("diffuse_sigma", 0.3)),
        stencil=given.get("diffuse_stencil", 0),
        group=given.get("diffuse_symmetry", "P1"),
        principal=((p[0], p[1], p[2]), (p[3], p[4], p[5]), (p[6], p[7], p[8])),
        diffbragg=bool(given.get("diffuse_diffbragg", False)),
    )


def _three(value: Any) -> Vector:
    x, y, z = value if isinstance(value, tuple) else (value,) * 3
    return x, y, z


def _canonical(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Spell every flag one way, keeping the order in which each was last given."""
    given: dict[str, Any] = {}

    def put(name: str, value: Any) -> None:
        given.pop(name, None)
        given[name] = value

    for name, value in flags.items():
        if value is None or value is False or name in _OUTPUT_ONLY:
            continue
        if name in _BARE:
            put(*_BARE[name])
        elif name == "energy":
            put("lambda", EV_ANGSTROM / value)
        else:
            for part in _SEVERAL.get(name, (name,)):
                if part not in _KNOWN:
                    raise ValueError(f"flags: unknown {name!r}")
                put(part, value)
        if name == "polar":
            given.pop("nopolar", None)
        if name == "detector_abs" and _is_transparent(value):
            given.pop("detector_thick", None)
        if name in _VECTOR_FLAGS or name in _PIX0_FLAGS:
            put("convention", "custom")
        elif (named := given.get("convention", "custom")) != "custom" and (name == "convention" or name == named):
            put("pivot_of_convention", _PIVOT_ON_SIGHT[named])
    return given


def _is_transparent(attenuation_depth: Any) -> bool:
    return "inf" in str(attenuation_depth) or float(attenuation_depth) == 0.0


def _with_headers(given: dict[str, Any], quirks: frozenset[str]) -> tuple[dict[str, Any], frozenset[tuple[int, int]]]:
    """Put what SMV headers say before what flags say; return also the pixels (slow, fast) that a mask hides."""
    from_headers: dict[str, Any] = {}
    masked: frozenset[tuple[int, int]] = frozenset()
    keys = {
        "PIXEL_SIZE": "pixel",
        "DISTANCE": "distance",
        "CLOSE_DISTANCE": "close_distance",
        "WAVELENGTH": "lambda",
        "BEAM_CENTER_X": "Xbeam",
        "BEAM_CENTER_Y": "Ybeam",
        "ORGX": "ORGX",
        "ORGY": "ORGY",
        "PHI": "phi",
        "OSC_RANGE": "osc",
        "TWOTHETA": "twotheta",
    }
    for kind in ("mask", "img"):
        if kind not in given:
            continue
        data = Path(given[kind]).read_bytes()
        header = _smv_header(data)
        if "header-keys" in quirks:
            text = data[: int(header["HEADER_BYTES"])].decode("latin-1")
            header |= {key: _after_last(text, key) for key in keys if key in text}
        else:
            header = {"ORGX": header.get("XDS_ORGX"), "ORGY": header.get("XDS_ORGY")} | header
            header = {key: value for key, value in header.items() if value is not None}
        fast_pixels, slow_pixels = int(header["SIZE1"]), int(header["SIZE2"])
        from_headers |= {"detpixels_x": fast_pixels, "detpixels_y": slow_pixels}
        for key, name in keys.items():
            if key in header and not (key == "TWOTHETA" and "header-twotheta" in quirks):
                from_headers[name] = float(header[key])
        if "header-beam-centre" not in quirks and header.get("BEAMLINE") != "fake" and "BEAM_CENTER_X" in header:
            # Of the MOSFLM convention: the middle of the first pixel is 0.
            half = float(header.get("PIXEL_SIZE", 0.1)) / 2.0
            from_headers["Xbeam"] = float(header["BEAM_CENTER_X"]) - half
            from_headers["Ybeam"] = float(header["BEAM_CENTER_Y"]) - half
        if "distance" in given and "header-distance" not in quirks:
            from_headers.pop("close_distance", None)
        if kind == "mask":
            if "BEAM_CENTER_Y" in header and "header-beam-centre" in quirks:
                height = from_headers.get("pixel", 0.1) * slow_pixels
                from_headers["Ybeam"] = height - float(header["BEAM_CENTER_Y"])
            order = "<" if header.get("BYTE_ORDER", "little_endian") == "little_endian" else ">"
            start, count = int(header["HEADER_BYTES"]), fast_pixels * slow_pixels
            values = struct.unpack(f"{order}{count}H", data[start : start + 2 * count])
            masked = frozenset(divmod(i, fast_pixels) for i, value in enumerate(values) if value == 0)
    # Header values touch no pivot, so they are kept apart from the order of the flags.
    return {"header": frozenset(from_headers) - given.keys(), **from_headers, **given}, masked


def _after_last(text: str, key: str) -> str:
    """What stands after the last appearance of a key's name and the next equals sign."""
    return text[text.rindex(key) :].split("=", 1)[1].split(";")[0].split("\n")[0]


def _smv_header(data: bytes) -> dict[str, str]:
    text = data[:1024].decode("latin-1")
    fields = (line.rstrip(";").split("=", 1) for line in text.split("}")[0].splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in fields}


def _pixels(count: int, size: float, pixel: float) -> tuple[int, float]:
    """Return the number of pixels and the detector's size (m) in one direction."""
    metres = pixel * count if count else size / 1000.0
    return math.ceil(metres / pixel - 0.5), metres


def _axes(given: Mapping[str, Any]) -> _Axes:
    convention = given.get("convention", "mosflm")
    vectors = dict(vars(_AXES[convention]))
    if convention == "custom":
        for flag, name in _VECTOR_FLAGS.items():
            if flag in given:
                x, y, z = given[flag]
                vectors[name] = (float(x), float(y), float(z))
    units = {name: _unit(vector) for name, vector in vectors.items()}
    if _length(vectors["normal"]) != 1.0:
        units["normal"] = _unit(_cross(units["fast"], units["slow"]))
    return _Axes(**units)


# ----------------------------------------------------------------------------------------------------- geometry


def _panel(
    given: Mapping[str, Any], axes: _Axes, pixel: float, fast_size: float, slow_size: float, quirks: frozenset[str]
) -> _Panel:
    """Place and orient the panel; sizes in metres."""
    convention = given.get("convention", "mosflm")
    fast_close = (given["ORGX"] - 0.5) * pixel if "ORGX" in given else fast_size / 2.0
    slow_close = (given["ORGY"] - 0.5) * pixel if "ORGY" in given else slow_size / 2.0
    x_default, y_default = {
        "adxv": ((fast_size + pixel) / 2.0, (slow_size - pixel) / 2.0),
        "mosflm": ((slow_size + pixel) / 2.0, (fast_size + pixel) / 2.0),
        "denzo": ((slow_size + pixel) / 2.0, (fast_size + pixel) / 2.0),
    }.get(
        convention,
        (
            given["Xclose"] / 1000.0 if "Xclose" in given else fast_close,
            given["Yclose"] / 1000.0 if "Yclose" in given else slow_close,
        ),
    )
    x_beam = given["Xbeam"] / 1000.0 if "Xbeam" in given else x_default
    y_beam = given["Ybeam"] / 1000.0 if "Ybeam" in given else y_default
    fast_beam, slow_beam = {
        "adxv": (x_beam, slow_size - y_beam),
        "mosflm": (y_beam + pixel / 2.0, x_beam + pixel / 2.0),
        "denzo": (y_beam, x_beam),
    }.get(convention, (x_beam, y_beam))
    if convention == "custom":
        fast_close, slow_close = fast_beam, slow_beam
    elif convention in ("mosflm", "adxv", "denzo"):
        # These pivot about the crystal only when told to, which the reference never is: the beam's spot stays the
        # user's word on where the unrotated detector stands, unless the near point itself is given.
        fast_close = fast_close if "ORGX" in given else fast_beam
        slow_close = slow_close if "ORGY" in given else slow_beam

    angles = [given.get(f"detector_rot{axis}", 0.0) / DEGREES for axis in "xyz"]
    tilt = (angles[0], angles[1], angles[2])
    swing = given.get("twotheta", 0.0) / DEGREES

    def turned(vector: Vector) -> Vector:
        return _rotate_about(_rotate_xyz(vector, tilt), axes.twotheta, swing)

    ratio = _dot(axes.beam, _rotate_xyz(axes.normal, tilt)) or sys.float_info.min
    if "close_distance" in given:
        close_distance = given["close_distance"] / 1000.0
    else:
        close_distance = abs(ratio * given.get("distance", 100.0) / 1000.0)
    distance = close_distance / ratio

    fast, slow, normal = turned(axes.fast), turned(axes.slow), turned(axes.normal)
    pix0 = None if "pix0-ignored" in quirks else _pix0(given)
    pivot = _pivot(given, convention, quirks)
    if pix0 is not None:
        origin = turned(pix0)
        if given.get("pivot") == "beam":
            spot = _scale(axes.beam, _dot(pix0, axes.normal) / _dot(axes.beam, axes.normal))
            origin = _subtract(spot, turned(_subtract(spot, pix0)))
    elif pivot == "sample":
        flat = _add(_scale(axes.fast, -fast_close), _scale(axes.slow, -slow_close))
        origin = turned(_add(flat, _scale(axes.normal, close_distance)))
    else:
        flat = _add(_scale(fast, -fast_beam), _scale(slow, -slow_beam))
        origin = _add(flat, _scale(axes.beam, distance))
    close_distance = _dot(origin, normal)
    return _Panel(origin, fast, slow, normal, close_distance, close_distance / ratio)


def _pivot(given: Mapping[str, Any], convention: str, quirks: frozenset[str]) -> str:
    """Return "beam" or "sample"."""
    if "pivot" in given and "pivot-ignored" not in quirks:
        return str(given["pivot"])
    if convention != "custom":
        return _CONVENTION_PIVOT[convention]
    pivot = "beam"
    for name, value in given.items():
        if name in given["header"]:
            continue
        if name in ("distance", "Xbeam", "Ybeam"):
            pivot = "beam"
        elif name in ("close_distance", "Xclose", "Yclose", "ORGX", "ORGY", "twotheta"):
            pivot = "sample"
        elif name in ("pivot", "pivot_of_convention"):
            pivot = str(value)
    return pivot


def _pix0(given: Mapping[str, Any]) -> Vector | None:
    """Return the vector to the first pixel (m) that was given last."""
    vector = None
    for name, value in given.items():
        if name in _PIX0_FLAGS:
            x, y, z = value
            vector = _scale((float(x), float(y), float(z)), 0.001 if name.endswith("_mm") else 1.0)
    return vector


# ------------------------------------------------------------------------------------------------------ crystal


def _crystal(given: Mapping[str, Any], wavelength: float, quirks: frozenset[str]) -> tuple[Matrix, Matrix]:
    """Return a, b, c in metres and a*, b*, c* in 1/angstrom, before spindle and mosaic rotations."""
    edges: Vector | None = None
    volume = 0.0
    if "cell" in given:
        edges, volume, stars = _cell_from_lengths(given["cell"], "oblique-cell" in quirks)
    if "mat" in given:
        stars = _transpose(_matrix(given["mat"]))
        stars = _scaled(stars, 1e-10 / wavelength)
    if "misset" in given:
        if isinstance(given["misset"], str):
            if "misset_seed" not in given:
                raise ValueError("misset_seed: a random orientation needs one here")
            angles = misset_angles(mosaic_rotation(90.0, Lehmer(int(given["misset_seed"]))))
        else:
            x, y, z = given["misset"]
            angles = (x / DEGREES, y / DEGREES, z / DEGREES)
        stars = (_rotate_xyz(stars[0], angles), _rotate_xyz(stars[1], angles), _rotate_xyz(stars[2], angles))

    a_star, b_star, c_star = stars
    normals = (_cross(b_star, c_star), _cross(c_star, a_star), _cross(a_star, b_star))
    if edges is None:
        direct = _scaled(normals, 1.0 / _dot(a_star, normals[0]))
    else:
        lengths = edges
        direct = (
            _scale(_unit(normals[0]), lengths[0]),
            _scale(_unit(normals[1]), lengths[1]),
            _scale(_unit(normals[2]), lengths[2]),
        )
    if edges is None:
        volume = 1.0 / _dot(a_star, normals[0])
    a, b, c = direct
    reciprocal = _scaled((_cross(b, c), _cross(c, a), _cross(a, b)), 1.0 / volume)
    return _scaled(direct, 1e-10), reciprocal


def _cell_from_lengths(cell: Sequence[float], oblique: bool) -> tuple[Vector, float, Matrix]:
    """Return the edges (angstrom), the volume, and the reciprocal vectors with a* along x and b* in the xy plane.

    c is along z then, and c . c* = 1 makes the last component of c* 1/c. With `oblique` it is the reference's,
    sin(gamma)/sin(gamma*) times that.
    """
    values = [*cell, 0.0, 0.0, 0.0, 0.0, 0.0][:6]
    a, b, c = (length if length > 0.0 else values[0] for length in values[:3])
    alpha, beta, gamma = (angle / DEGREES if angle > 0.0 else math.pi / 2.0 for angle in values[3:])
    half = (alpha + beta + gamma) / 2.0
    skew = math.sin(half) * math.sin(half - alpha) * math.sin(half - beta) * math.sin(half - gamma)
    volume = 2.0 * a * b * c * math.sqrt(abs(skew))
    a_star = b * c * math.sin(alpha) / volume
    b_star = c * a * math.sin(beta) / volume
    c_star = a * b * math.sin(gamma) / volume
    cos_alpha_star = (math.cos(beta) * math.cos(gamma) - math.cos(alpha)) / (math.sin(beta) * math.sin(gamma))
    cos_beta_star = (math.cos(gamma) * math.cos(alpha) - math.cos(beta)) / (math.sin(gamma) * math.sin(alpha))
    cos_gamma_star = (math.cos(alpha) * math.cos(beta) - math.cos(gamma)) / (math.sin(alpha) * math.sin(beta))
    sin_gamma_star = c / (volume * a_star * b_star)
    stars: Matrix = (
        (a_star, 0.0, 0.0),
        (b_star * cos_gamma_star, b_star * sin_gamma_star, 0.0),
        (
            c_star * cos_beta_star,
            c_star * (cos_alpha_star - cos_beta_star * cos_gamma_star) / sin_gamma_star,
            math.sin(gamma) / (c * sin_gamma_star) if oblique else 1.0 / c,
        ),
    )
    return (a, b, c), volume, stars


def _matrix(source: Any) -> Matrix:
    """Read three rows of three numbers, from a file or as given."""
    rows = source
    if isinstance(source, str | Path):
        numbers = [float(word) for word in Path(source).read_text().split()]
        rows = (numbers[0:3], numbers[3:6], numbers[6:9])
    vectors = [(float(x), float(y), float(z)) for x, y, z in rows]
    return vectors[0], vectors[1], vectors[2]


def _cell_numbers(given: Mapping[str, Any], cell: Matrix, quirks: frozenset[str]) -> tuple[float, float, float]:
    """Return the numbers of cells along a, b, c, from a crystal size clipped to the beam where one is given."""
    beam = given.get("beamsize", 0.1) / 1000.0
    numbers = []
    for edge, count, size, clipped in zip(
        cell, ("Na", "Nb", "Nc"), ("xtal_x", "xtal_y", "xtal_z"), (False, True, True), strict=True
    ):
        metres = given.get(size, 0.0) / 1000.0
        if clipped and 0.0 <= beam < metres:
            metres = beam
        number = _count(metres / _length(edge), quirks) if metres > 0.0 else given.get(count, 1)
        numbers.append(max(1, number))
    return numbers[0], numbers[1], numbers[2]


def _structure_factors(given: Mapping[str, Any]) -> _StructureFactors:
    source = given.get("hkl", {})
    table: dict[Index, float] = {}
    if isinstance(source, str | Path):
        for line in Path(source).read_text().splitlines():
            if line.strip():
                h, k, l, amplitude = line.split()[:4]
                table[int(h), int(k), int(l)] = float(amplitude)
    else:
        table = {
            (int(h), int(k), int(l)): amplitude if isinstance(amplitude, tuple) else float(amplitude)
            for (h, k, l), amplitude in source.items()
        }
    columns = list(zip(*table, strict=True)) if table else [(0,)] * 3
    return _StructureFactors(
        table,
        (min(columns[0]), min(columns[1]), min(columns[2])),
        (max(columns[0]), max(columns[1]), max(columns[2])),
        float(given.get("default_F", 0.0)),
    )


def _interpolates(given: Mapping[str, Any], cells: tuple[int, int, int], quirks: frozenset[str]) -> bool:
    if "interpolate" in given:
        return bool(given["interpolate"])
    numbers = cells
    if "interpolation-latch" in quirks:
        numbers = (int(given.get("Na", 1)), int(given.get("Nb", 1)), int(given.get("Nc", 1)))
    return min(numbers) <= 2


def _cells_tensor(given: Mapping[str, Any], cells: tuple[float, float, float]) -> Matrix:
    """Return N as a symmetric tensor: its elements ab, bc and ac are given."""
    a, b, c = cells
    ab, bc, ac = given.get("N_offdiagonal", (0.0, 0.0, 0.0))
    return (a, ab, ac), (ab, b, bc), (ac, bc, c)


def _domains(given: Mapping[str, Any], cell: Matrix) -> _Domains:
    """Return the mosaic domains of any model; only of some does the oracle know the random numbers."""
    identity: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    match given.get("mosaic_model", "nanobragg"):
        case "nanobragg":
            rotations = _mosaic_domains(given)
            return _Domains(rotations, (1.0,) * len(rotations))
        case "closed":
            return _Domains((identity,), (1.0,), closed=given.get("mosaic", 0.0) / DEGREES)
        case "list":
            turns = [rotation for rotation, _ in given["mosaic_rotations"]]
            mean = sum(weight for _, weight in given["mosaic_rotations"]) / len(turns)
            return _Domains(tuple(turns), tuple(weight / mean for _, weight in given["mosaic_rotations"]))
        case "spiral" | "anisotropic" as name:
            turns = _spiral(given, cell)
            about_crystal = name == "anisotropic" and given.get("mosaic_axes") == "crystal"
            return _Domains(turns, (1.0,) * len(turns), mounted=about_crystal)
        case "sobol" | "normal" as name:
            spread = given["mosaic"] / DEGREES
            law = _rotation_in_cap if name == "sobol" else _normal_rotation
            turns = tuple(law(spread, point) for point in given["mosaic_points"])
            return _Domains(turns, (1.0,) * len(turns))
        case name:
            raise ValueError(f"mosaic_model: {name!r} is not known here")


def _spiral(given: Mapping[str, Any], cell: Matrix) -> tuple[Matrix, ...]:
    """Return pairs of rotations about axes on a spiral, by quantiles of a normal distribution, shuffled by the seed."""
    count = int(given.get("mosaic_domains", 10)) // 2
    quantiles = [i / count for i in range(count)]
    random.Random(int(given.get("mosaic_seed", 12345678))).shuffle(quantiles)
    spreads = given.get("mosaic_anisotropic") or (given["mosaic"],) * 3
    form = _diagonal([(DEGREES / spread) ** 2 for spread in spreads])
    if given.get("mosaic_axes") == "crystal":
        along = _transpose((_unit(cell[0]), _unit(cell[1]), _unit(cell[2])))
        form = _product(_product(along, form), _inverse(along))
    rotations: list[Matrix] = []
    for i, quantile in enumerate(quantiles, start=1):
        t = (i - 0.5) / count
        theta, azimuth = math.acos(t), math.sqrt(math.pi * count) * math.asin(t)
        axis = (math.sin(theta) * math.cos(azimuth), math.sin(theta) * math.sin(azimuth), math.cos(theta))
        spread = 1.0 / math.sqrt(abs(_dot(axis, _apply(form, axis))))
        # |x| of a normal number x is below this in the part `quantile` of all cases.
        angle = spread * NormalDist().inv_cdf((1.0 + quantile) / 2.0)
        rotations += [_rotation(axis, angle), _rotation(axis, -angle)]
    return tuple(rotations)


def _rotation_in_cap(spread: float, point: Vector) -> Matrix:
    """Return the rotation that `mosaic_rotation` makes of three numbers from 0 to 1, in double precision."""
    r1, r2, r3 = (2.0 * number - 1.0 for number in point)
    ring = math.sqrt(1.0 - r2 * r2)
    axis = (ring * math.sin(math.pi * r1), ring * math.cos(math.pi * r1), r2)
    return _rotation(axis, spread * math.cbrt(1.0 - r3 * r3))


def _normal_rotation(spread: float, point: Vector) -> Matrix:
    """Return the rotation whose vector has components of a normal distribution, at three quantiles."""
    x, y, z = (spread * NormalDist().inv_cdf(quantile) for quantile in point)
    return _rotation(_unit((x, y, z)), _length((x, y, z)))


def _rotation(axis: Vector, angle: float) -> Matrix:
    """Return the rotation about a unit vector, by rows."""
    columns = [_rotate_about(unit, axis, angle) for unit in _diagonal([1.0, 1.0, 1.0])]
    return _transpose((columns[0], columns[1], columns[2]))


def _mosaic_domains(given: Mapping[str, Any]) -> tuple[Matrix, ...]:
    """Return the domains' rotations; the first is the identity."""
    identity: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    spread = given.get("mosaic", -1.0) / DEGREES
    count = int(given.get("mosaic_domains", 0))
    if spread <= 0.0:
        return (identity,)
    if count <= 0:
        count = 10
    generator = Lehmer(int(given.get("mosaic_seed", 12345678)))
    drawn = [mosaic_rotation(spread, generator) for _ in range(count)]
    return (identity, *drawn[1:])


# --------------------------------------------------------------------------------------- beam, scan and sampling


def _fluence(given: Mapping[str, Any]) -> float:
    """Return photons/m^2."""
    beam = given.get("beamsize", 0.1) / 1000.0
    exposure = given.get("exposure", 1.0)
    if given.get("flux", 0.0) != 0.0 and exposure > 0.0 and beam >= 0.0:
        return float(given["flux"] * exposure / beam / beam)
    return float(given.get("fluence", DEFAULT_FLUENCE))


def _phi_steps(given: Mapping[str, Any], quirks: frozenset[str]) -> tuple[float, float, int]:
    """Return the first phi, the step (radians) and the number of steps."""
    phi0, step, count = _reference_steps(given, quirks)
    return (phi0 + step / 2.0 if given.get("phi_sampling") == "middle" else phi0), step, count


def _reference_steps(given: Mapping[str, Any], quirks: frozenset[str]) -> tuple[float, float, int]:
    phi0 = given.get("phi", 0.0) / DEGREES
    osc = given.get("osc", -1.0) / DEGREES
    step = given.get("phistep", -1.0) / DEGREES
    count = int(given.get("phisteps", -1))
    if osc < 0.0 and step > 0.0:
        return phi0, step, 2
    if count < 0:
        if osc < 0.0:
            return phi0, 0.0, 1
        if step <= 0.0:
            return phi0, osc / 2.0, 2
        return phi0, step, _count(osc / step, quirks)
    count = max(count, 1)
    if osc < 0.0:
        return phi0, 1.0 / DEGREES / count, count
    if step < 0.0:
        return phi0, osc / count, count
    return phi0, step, count


def _count(quotient: float, quirks: frozenset[str]) -> int:
    """Return how many it takes; a whole number but for rounding is that many, unless roundings are to count."""
    nearest = round(quotient)
    whole = abs(quotient - nearest) < 1e-9 and "rounded-counts" not in quirks
    return nearest if whole else math.ceil(quotient)


def _apparent_size(given: Mapping[str, Any], widest: float, cells: tuple[int, int, int]) -> float:
    """Return the size of the block whose fringes are as narrow as what is to be seen of a shape's spots."""
    shape, fudge = given.get("shape", "square"), math.sqrt(float(given.get("fudge", 1.0)))
    peak = math.prod(cells)
    if shape == "round":
        return widest * fudge
    if shape == "gauss":
        # Where exp(-2 x^2 / 0.63) is a half, on both sides, in 1/angstrom.
        return peak * fudge / (2.0 * math.sqrt(0.315 * math.log(2.0))) * 1e-10
    if shape == "tophat":
        # A third of the diameter.
        return peak * fudge / (2.0 * 0.63 / 3.0) * 1e-10
    return widest


def _fan(extent: float, step: float, count: int, quirks: frozenset[str]) -> tuple[float, float, int]:
    """Complete a range, a step and a count of which some are missing (negative, or a count of 0)."""
    if extent < 0.0 and step > 0.0:
        extent, count = step, 2
    elif extent < 0.0 and count > 0:
        extent, step = 1.0, 1.0 / count
    elif step <= 0.0 and count > 0:
        count = max(count, 2)
        step = extent / (count - 1)
    elif step <= 0.0:
        step, count = extent, 2
    elif count <= 0:
        count = _count(extent / step, quirks)
    if extent <= 0.0 or step <= 0.0 or count <= 0:
        return 0.0, 0.0, 1
    return extent, step, count


def _sensor(given: Mapping[str, Any]) -> tuple[int, float, float, float]:
    """Return the number of layers, their step (m), the sensor's thickness (m) and its absorption (1/m)."""
    thickness = given.get("detector_thick", 0.0) * 1e-6
    count = int(given.get("detector_thicksteps", -1))
    if thickness <= 0.0:
        return 1, 0.0, 0.0, 0.0
    absorption = 1.0 / thickness
    if "detector_abs" in given:
        depth = given["detector_abs"]
        absorption = 0.0 if _is_transparent(depth) else 1.0 / (float(depth) * 1e-6)
    if count <= 0:
        return 2, thickness / 2.0, thickness, absorption
    count = max(count, 2)
    return count, thickness / (count - 1), thickness, absorption


def _sources(given: Mapping[str, Any], axes: _Axes, wavelength: float, quirks: frozenset[str]) -> tuple[_Source, ...]:
    if "sourcefile" in given:
        return _listed_sources(given["sourcefile"], axes, wavelength, quirks)
    h_range, h_step, h_count = _divergence(given, "h", quirks)
    v_range, v_step, v_count = _divergence(given, "v", quirks)
    spectrum = _spectrum(given, wavelength, quirks)
    mean_weight = sum(weight for _, weight in spectrum) / len(spectrum)
    vertical = _unit(_cross(axes.beam, axes.polarization))
    sources = []
    for h_tic in range(h_count):
        for v_tic in range(v_count):
            h = h_step * h_tic - h_range / 2.0
            v = v_step * v_tic - v_range / 2.0
            if given.get("round_div", True) and h_range > 0.0 and v_range > 0.0:
                h_part = (h * h - h_step * h_step / 4.0 * (1 - h_count % 2)) / h_range / h_range
                v_part = (v * v - v_step * v_step / 4.0 * (1 - v_count % 2)) / v_range / v_range
                if 4.0 * (h_part + v_part) > 1.1:
                    continue
            position = _scale(axes.beam, -SOURCE_DISTANCE)
            position = _rotate_about(position, axes.polarization, v)
            position = _rotate_about(position, vertical, h)
            for channel, (its_wavelength, weight) in enumerate(spectrum):
                moved = given.get("lambda_scale", 1.0) * its_wavelength + given.get("lambda_shift", 0.0) * 1e-10
                sources.append(_Source(_unit(position), moved, weight / mean_weight, channel))
    if not sources:
        raise ValueError("hdivrange, vdivrange: the round divergence leaves no source")
    return tuple(sources)


def _spectrum(given: Mapping[str, Any], wavelength: float, quirks: frozenset[str]) -> list[tuple[float, float]]:
    """Return wavelengths (m) and weights of the beam."""
    if "spectrum" in given:
        return [(length * 1e-10, weight) for length, weight in given["spectrum"]]
    if "gaussian_width" in given:
        width, count = given["gaussian_width"] / 100.0, int(given.get("gaussian_channels", 25))
        places = [-1.5 + 3.0 * tic / (count - 1) for tic in range(count)] if count > 1 else [0.0]
        return [(wavelength / (1.0 + width * x), 16.0 ** -(x * x)) for x in places]
    if "pink_width" in given:
        width, count = given["pink_width"] / 100.0, int(given.get("pink_channels", 100))
        above = given.get("pink_edge", 10.0) / 100.0
        low, high = -6.0 * (1.0 - above), 3.0 * above
        places = [low + (high - low) * tic / (count - 1) for tic in range(count)] if count > 1 else [0.0]
        return [
            (wavelength / (1.0 + width * x), 0.5 ** (-x / (1.0 - above)) if x < 0.0 else 0.5 ** ((x / above) ** 2))
            for x in places
        ]
    dispersion, step, count = _fan(given.get("dispersion", 0.0) / 100.0, -1.0, int(given.get("dispsteps", -1)), quirks)
    return [(wavelength * (1.0 + step * tic - dispersion / 2.0), 1.0) for tic in range(count)]


def _divergence(given: Mapping[str, Any], which: str, quirks: frozenset[str]) -> tuple[float, float, int]:
    """Return range and step (radians) and the count of a divergence; nothing given is one point."""
    extent = given.get(f"{which}divrange", -1.0) / 1000.0
    step = given.get(f"{which}divstep", -1.0) / 1000.0
    return _fan(extent, step, int(given.get(f"{which}divsteps", -1)), quirks)


def _listed_sources(listed: Any, axes: _Axes, wavelength: float, quirks: frozenset[str]) -> tuple[_Source, ...]:
    """Read rows of x y z (m), weight and wavelength (m); what a row lacks has its default."""
    rows = listed
    if isinstance(listed, str | Path):
        rows = [
            [float(word) for word in line.split()] for line in Path(listed).read_text().splitlines() if line.strip()
        ]
    defaults = (*_scale(axes.beam, -SOURCE_DISTANCE), 1.0, wavelength)
    complete = [(*row, *defaults[len(row) :]) for row in rows]
    mean_weight = sum(row[3] for row in complete) / len(complete)
    sources = []
    for x, y, z, weight, its_wavelength in complete:
        counted = 1.0 if "source-weights" in quirks else weight / mean_weight
        sources.append(_Source(_unit((x, y, z)), its_wavelength, counted))
    return tuple(sources)


# ------------------------------------------------------------------------------------------------------ vectors


def _dot(u: Vector, v: Vector) -> float:
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


def _cross(u: Vector, v: Vector) -> Vector:
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


def _add(u: Vector, v: Vector) -> Vector:
    return u[0] + v[0], u[1] + v[1], u[2] + v[2]


def _subtract(u: Vector, v: Vector) -> Vector:
    return u[0] - v[0], u[1] - v[1], u[2] - v[2]


def _scale(u: Vector, factor: float) -> Vector:
    return u[0] * factor, u[1] * factor, u[2] * factor


def _scaled(rows: Matrix, factor: float) -> Matrix:
    return _scale(rows[0], factor), _scale(rows[1], factor), _scale(rows[2], factor)


def _length(u: Vector) -> float:
    return math.sqrt(_dot(u, u))


def _unit(u: Vector) -> Vector:
    length = _length(u)
    return (u[0] / length, u[1] / length, u[2] / length) if length != 0.0 else (0.0, 0.0, 0.0)


def _transpose(rows: Matrix) -> Matrix:
    x, y, z = rows
    return (x[0], y[0], z[0]), (x[1], y[1], z[1]), (x[2], y[2], z[2])


def _diagonal(values: Sequence[float]) -> Matrix:
    x, y, z = values
    return (x, 0.0, 0.0), (0.0, y, 0.0), (0.0, 0.0, z)


def _product(first: Matrix, second: Matrix) -> Matrix:
    columns = _transpose(second)
    x, y, z = ((_dot(row, columns[0]), _dot(row, columns[1]), _dot(row, columns[2])) for row in first)
    return x, y, z


def _determinant(rows: Matrix) -> float:
    return _dot(rows[0], _cross(rows[1], rows[2]))


def _inverse(rows: Matrix) -> Matrix:
    x, y, z = rows
    return _scaled(_transpose((_cross(y, z), _cross(z, x), _cross(x, y))), 1.0 / _determinant(rows))


def _apply(rows: Matrix, u: Vector) -> Vector:
    return _dot(rows[0], u), _dot(rows[1], u), _dot(rows[2], u)


def _rotate_xyz(u: Vector, angles: Vector) -> Vector:
    """Rotate about x, then y, then z, right-handed, radians."""
    for axis, angle in zip(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), angles, strict=True):
        u = _rotate_about(u, axis, angle)
    return u


def _rotate_about(u: Vector, axis: Vector, angle: float) -> Vector:
    """Rotate right-handed about a unit vector (Rodrigues' formula), radians."""
    along = _scale(axis, _dot(axis, u) * (1.0 - math.cos(angle)))
    across = _scale(_cross(axis, u), math.sin(angle))
    return _add(_add(along, _scale(u, math.cos(angle))), across)


def _rotate_cell(cell: Matrix, axis: Vector, angle: float) -> Matrix:
    return _rotate_about(cell[0], axis, angle), _rotate_about(cell[1], axis, angle), _rotate_about(cell[2], axis, angle)
