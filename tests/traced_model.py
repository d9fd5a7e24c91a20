"""A small simulator in plain Python that traces its pixels, and can be made to go wrong in known ways."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import attrs

from openbragg import TracedPixel
from openbragg_tracers.traces.model import STEP_AXES

Vector = tuple[float, float, float]
DEGREE = math.pi / 180.0
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


@attrs.frozen(kw_only=True)
class Simulator:
    """What is simulated, in angstroms, metres and degrees; the fields below the line are mistakes.

    ``*_times`` multiply angles or lengths where they are used; the order and signs of the cell vectors, and the shift
    of the beam centre in pixels (fast, slow), are what they say.
    """

    wavelength: float = 0.9768
    edges: Vector = (41.0, 53.0, 67.0)
    angles: Vector = (82.0, 97.0, 104.0)
    misset: Vector = (11.0, -17.0, 23.0)
    cells: tuple[int, int, int] = (5, 6, 7)
    phi: float = 0.0
    phi_step: float = 0.1
    phi_steps: int = 6
    spindle: Vector = (-1.0, 0.0, 0.0)
    rotation: Vector = (3.0, -5.0, 7.0)
    distance: float = 0.231
    beam_centre: tuple[float, float] = (0.0612, 0.0575)
    pixel: float = 172e-6
    fluence: float = 1e24
    polarization: float = 0.3
    capture: float = 0.83
    # ----
    phi_times: float = 1.0
    misset_times: Vector = (1.0, 1.0, 1.0)
    rotation_times: Vector = (1.0, 1.0, 1.0)
    distance_times: float = 1.0
    beam_centre_times: tuple[float, float] = (1.0, 1.0)
    pixel_times: float = 1.0
    matrix_times: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    order: tuple[int, int, int] = (0, 1, 2)
    signs: tuple[int, int, int] = (1, 1, 1)
    carries_over: bool = False
    is_single: bool = False
    sum_times: float = 1.0
    photons_times: float = 1.0
    image_times: float = 1.0

    def trace(self, slow: int = 100, fast: int = 300) -> TracedPixel:
        """Trace a pixel."""
        geometry = self._geometry(slow, fast)
        q = geometry["scattering_vec_A_inv"]
        steps = [self._step(q, tic) for tic in range(self.phi_steps)]
        crystal = self._crystal(q, self._oriented(0))
        total = sum(step["intensity"] for step in steps) * self.sum_times
        return TracedPixel(slow, fast, geometry | crystal | self._chain(geometry, total), steps)

    def _geometry(self, slow: int, fast: int) -> dict[str, Any]:
        angles = [angle * times * DEGREE for angle, times in zip(self.rotation, self.rotation_times, strict=True)]
        f_axis, s_axis, normal = (turned_xyz(axis, angles) for axis in (X, (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)))
        distance = self.distance * self.distance_times
        pixel = self.pixel * self.pixel_times
        centre = [
            place * times + moved * self.pixel
            for place, times, moved in zip(self.beam_centre, self.beam_centre_times, self.shift, strict=True)
        ]
        origin = added(scaled(normal, distance), scaled(f_axis, -centre[0]), scaled(s_axis, -centre[1]))
        position = added(origin, scaled(f_axis, (fast + 0.5) * pixel), scaled(s_axis, (slow + 0.5) * pixel))
        length = math.hypot(*position)
        diffracted = scaled(position, 1.0 / length)
        incident = (0.0, 0.0, -1.0)
        obliquity = distance / length
        metres = self.wavelength * 1e-10
        return {
            "pix0_vector_meters": list(origin),
            "fdet_vec": list(f_axis),
            "sdet_vec": list(s_axis),
            "pixel_pos_meters": list(position),
            "R_distance_meters": length,
            "omega_pixel_sr": pixel**2 / length**2 * obliquity,
            "close_distance_meters": distance,
            "obliquity_factor": obliquity,
            "diffracted_vec": list(diffracted),
            "incident_vec": list(incident),
            "lambda_meters": metres,
            "lambda_angstroms": self.wavelength,
            "scattering_vec_A_inv": [(d - i) / metres for d, i in zip(diffracted, incident, strict=True)],
        }

    def _mounted(self) -> list[Vector]:
        """Cell vectors in angstroms before phi."""
        upright = real_space([scaled(star, self.matrix_times) for star in upright_stars(self.edges, self.angles)])
        angles = [angle * times * DEGREE for angle, times in zip(self.misset, self.misset_times, strict=True)]
        missed = [turned_xyz(vector, angles) for vector in upright]
        return [scaled(missed[place], float(sign)) for place, sign in zip(self.order, self.signs, strict=True)]

    def _oriented(self, tic: int) -> list[Vector]:
        phi = self.phi + tic * self.phi_step
        if phi == 0.0 and self.carries_over:
            phi = self.phi + (tic - 1) % self.phi_steps * self.phi_step
        return [turned(vector, self.spindle, phi * self.phi_times * DEGREE) for vector in self._mounted()]

    def _step(self, q: Sequence[float], tic: int) -> dict[str, Any]:
        index = [dot(vector, q) * 1e-10 for vector in self._oriented(tic)]
        nearest = [math.ceil(each - 0.5) for each in index]
        factors = [interference(each, count) for each, count in zip(index, self.cells, strict=True)]
        if self.is_single:
            factors = list(struct.unpack("3f", struct.pack("3f", *factors)))
        amplitude = self._amplitude(nearest)
        return {
            **dict.fromkeys(STEP_AXES, 0),
            "phi_tic": tic,
            "phi_deg": self.phi + tic * self.phi_step,
            **dict(zip(("h_frac", "k_frac", "l_frac"), index, strict=True)),
            **dict(zip("hkl", nearest, strict=True)),
            **dict(zip(("F_latt_a", "F_latt_b", "F_latt_c"), factors, strict=True)),
            "F_latt": math.prod(factors),
            "F_cell": amplitude,
            "intensity": (amplitude * math.prod(factors)) ** 2,
        }

    def _crystal(self, q: Sequence[float], vectors: list[Vector]) -> dict[str, Any]:
        first = self._step(q, 0)
        stars = real_space(self._mounted())
        return {
            **{f"rot_{name}_angstroms": list(vector) for name, vector in zip("abc", vectors, strict=True)},
            **{f"rot_{name}_star_A_inv": list(vector) for name, vector in zip("abc", stars, strict=True)},
            "hkl_frac": [first["h_frac"], first["k_frac"], first["l_frac"]],
            "hkl_rounded": [float(first[name]) for name in "hkl"],
            **{name: first[name] for name in ("F_latt_a", "F_latt_b", "F_latt_c", "F_latt", "F_cell")},
        }

    def _chain(self, geometry: dict[str, Any], total: float) -> dict[str, Any]:
        radius = 2.81794032e-15
        cosine = dot(geometry["diffracted_vec"], geometry["incident_vec"])
        polar = 0.5 * (1.0 + cosine**2 - self.polarization * (1.0 - cosine**2))
        omega = geometry["omega_pixel_sr"]
        photons = total * radius**2 * self.fluence / self.phi_steps * self.capture * polar * omega * self.photons_times
        return {
            "I_before_scaling": total,
            "r_e_meters": radius,
            "r_e_sqr": radius**2,
            "fluence_photons_per_m2": self.fluence,
            "steps": float(self.phi_steps),
            "oversample_thick": 0.0,
            "oversample_polar": 0.0,
            "oversample_omega": 0.0,
            "capture_fraction": self.capture,
            "polar": polar,
            "omega_pixel": omega,
            "cos_2theta": cosine,
            "I_pixel_final": photons,
            "floatimage_accumulated": photons * self.image_times * (1.0 + 3e-8),
        }

    @staticmethod
    def _amplitude(nearest: Sequence[int]) -> float:
        h, k, l = nearest
        return 20.0 + (7 * h + 13 * k + 29 * l) % 50


GOOD = Simulator()
LAMBDA = GOOD.wavelength
IN_DEGREES = 1.0 / DEGREE
R_E_SQUARED = 2.81794032e-15**2

#: The diagnosis, a word of its evidence, and the mistakes of a simulator that it is the diagnosis of.
FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "stale orientation": ("phi-carryover", "phi_tic 5 at phi_tic 0", {"carries_over": True}),
    "half a pixel along fast": ("half-pixel-shift", "along fast", {"shift": (0.5, 0.0)}),
    "half a pixel along slow": ("half-pixel-shift", "along slow", {"shift": (0.0, -0.5)}),
    "half a pixel along both": ("half-pixel-shift", "along fast and", {"shift": (-0.5, 0.5)}),
    "distance in mm": ("millimetres-for-metres", "distance", {"distance_times": 1e3}),
    "beam centre in mm": ("millimetres-for-metres", "beam centre", {"beam_centre_times": (1e3, 1e3)}),
    "one coordinate of the beam centre in mm": (
        "millimetres-for-metres",
        "beam centre",
        {"beam_centre_times": (1.0, 1e3)},
    ),
    "pixel size in mm": ("millimetres-for-metres", "pixel size", {"pixel_times": 1e3}),
    "all lengths in mm": (
        "millimetres-for-metres",
        "distance",
        {"distance_times": 1e3, "beam_centre_times": (1e3, 1e3), "pixel_times": 1e3},
    ),
    "phi in degrees": ("degrees-for-radians", "phi", {"phi_times": IN_DEGREES}),
    "phi converted twice": ("degrees-for-radians", "phi", {"phi_times": DEGREE}),
    "misset angles in degrees": ("degrees-for-radians", "crystal", {"misset_times": (IN_DEGREES,) * 3}),
    "one misset angle in degrees": ("degrees-for-radians", "crystal", {"misset_times": (1.0, IN_DEGREES, 1.0)}),
    "detector rotations in degrees": ("degrees-for-radians", "detector", {"rotation_times": (IN_DEGREES,) * 3}),
    "one detector rotation in degrees": (
        "degrees-for-radians",
        "detector",
        {"rotation_times": (1.0, 1.0, IN_DEGREES)},
    ),
    "matrix not divided by lambda": ("matrix-wavelength", "divided by lambda", {"matrix_times": LAMBDA}),
    "matrix divided by lambda in vain": ("matrix-wavelength", "times lambda", {"matrix_times": 1.0 / LAMBDA}),
    "h reversed": ("hkl-sign-or-axis", "-h k l", {"signs": (-1, 1, 1)}),
    "all reversed": ("hkl-sign-or-axis", "-h -k -l", {"signs": (-1, -1, -1)}),
    "k and l exchanged": ("hkl-sign-or-axis", "h l k", {"order": (0, 2, 1)}),
    "axes in turn, one reversed": ("hkl-sign-or-axis", "l -k", {"order": (2, 1, 0), "signs": (1, -1, 1)}),
    "not divided by the steps": ("constant-factor", "that is steps", {"photons_times": 6.0}),
    "divided by the steps twice": ("constant-factor", "that is 1 / steps", {"photons_times": 1.0 / 6.0}),
    "sum divided by the steps": ("constant-factor", "I_before_scaling of", {"sum_times": 1.0 / 6.0}),
    "r_e in place of its square and no fluence": (
        "constant-factor",
        "1 / r_e_sqr / fluence_photons_per_m2",
        {"photons_times": 1.0 / R_E_SQUARED / 1e24},
    ),
    "no capture": ("constant-factor", "1 / capture_fraction", {"photons_times": 1.0 / 0.83}),
    "another fluence": ("constant-factor", "the ratio of fluence_photons_per_m2", {"fluence": 3e24}),
    "another polarization": ("constant-factor", "the ratio of polar", {"polarization": 0.9}),
    "a factor out of nowhere": ("constant-factor", "no number of the chain", {"photons_times": 1.2345}),
    "amplitudes in single precision": ("single-precision", "no difference is above", {"is_single": True}),
    "a factor on the image": ("constant-factor", "floatimage_accumulated / I_pixel_final", {"image_times": 6.0}),
}


def fault(name: str, simulator: Simulator = GOOD) -> Simulator:
    """A simulator with a mistake planted."""
    return attrs.evolve(simulator, **FAULTS[name][2])


def upright_stars(edges: Sequence[float], angles: Sequence[float]) -> list[Vector]:
    """Reciprocal vectors with a* along x and b* in the plane of x and y."""
    cosines = [math.cos(angle * DEGREE) for angle in angles]
    a = (edges[0], 0.0, 0.0)
    sine = math.sin(angles[2] * DEGREE)
    b = (edges[1] * cosines[2], edges[1] * sine, 0.0)
    x, y = edges[2] * cosines[1], edges[2] * (cosines[0] - cosines[1] * cosines[2]) / sine
    stars = real_space([a, b, (x, y, math.sqrt(edges[2] ** 2 - x * x - y * y))])
    first = scaled(stars[0], 1.0 / math.hypot(*stars[0]))
    along = dot(stars[1], first)
    second = added(stars[1], scaled(first, -along))
    second = scaled(second, 1.0 / math.hypot(*second))
    third = crossed(first, second)
    return [(dot(star, first), dot(star, second), dot(star, third)) for star in stars]


def real_space(stars: Sequence[Vector]) -> list[Vector]:
    """The vectors of the reciprocal lattice of three vectors."""
    volume = dot(stars[0], crossed(stars[1], stars[2]))
    return [scaled(crossed(stars[(axis + 1) % 3], stars[(axis + 2) % 3]), 1.0 / volume) for axis in range(3)]


def interference(index: float, count: int) -> float:
    """Von Laue's lattice sum along one axis."""
    below = math.sin(math.pi * index)
    return math.sin(math.pi * index * count) / below if below else float(count)


def turned_xyz(vector: Vector, angles: Sequence[float]) -> Vector:
    """Turn about x, then y, then z, in radians."""
    for axis, angle in zip((X, Y, Z), angles, strict=True):
        vector = turned(vector, axis, angle)
    return vector


def turned(vector: Vector, axis: Vector, angle: float) -> Vector:
    """Turn right-handed about a unit vector, in radians."""
    return added(
        scaled(vector, math.cos(angle)),
        scaled(crossed(axis, vector), math.sin(angle)),
        scaled(axis, dot(axis, vector) * (1.0 - math.cos(angle))),
    )


def dot(u: Sequence[float], v: Sequence[float]) -> float:
    """Scalar product."""
    return sum(a * b for a, b in zip(u, v, strict=True))


def crossed(u: Vector, v: Vector) -> Vector:
    """Vector product."""
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


def scaled(u: Sequence[float], factor: float) -> Vector:
    """A multiple of a vector."""
    return u[0] * factor, u[1] * factor, u[2] * factor


def added(*vectors: Vector) -> Vector:
    """The sum of vectors."""
    return sum(v[0] for v in vectors), sum(v[1] for v in vectors), sum(v[2] for v in vectors)
