"""The checks of `openbragg.testing` find broken plugins: each toy below breaks one promise, and a check says which."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest
import torch

from openbragg import (
    Axes,
    Crystal,
    Detector,
    Experiment,
    LatticeShape,
    Miller,
    PanelRays,
    PixelComparison,
    TracedPixel,
    interference,
    option,
    place,
    testing,
)

MM = 1e-3
RIGHT = math.pi / 2


class Toy:
    """What every plugin declares."""

    name: ClassVar[str] = "toy"
    summary: ClassVar[str] = "a plugin to break"
    flags: ClassVar[tuple[str, ...]] = ("-toy",)


# -------------------------------------------------------------------------------------------------- declarations


@attrs.frozen
class Placer(Toy):
    """A convention that keeps every promise: beam along z, beam centre (fast, slow) from the first corner."""

    beam: ClassVar[tuple[float, ...]] = (0, 0, 1)
    fast: ClassVar[tuple[float, ...]] = (1, 0, 0)
    slow: ClassVar[tuple[float, ...]] = (0, 1, 0)
    normal: ClassVar[tuple[float, ...]] = (0, 0, 1)
    polarization: ClassVar[tuple[float, ...]] = (1, 0, 0)

    def settings(self, detector: Detector) -> Detector:
        return detector

    def place(self, detector: Detector) -> Any:
        detector = self.settings(detector)
        middle = detector.near_point_default()
        x, y = (half if given is None else given for given, half in zip(detector.beam_centre, middle, strict=True))
        axes = Axes(
            beam=self.beam,
            fast=self.fast,
            slow=self.slow,
            normal=self.normal,
            twotheta=(1, 0, 0),
            polarization=self.polarization,
            spindle=(1, 0, 0),
        )
        return place(
            detector,
            axes,
            pivot=detector.pivot or "beam",
            beam_centre=(x, y),
            beam_point=(x, y),
            near_point=(x, y),
        )

    def beam_centre(self, detector: Detector, fast: Any, slow: Any) -> tuple[Any, Any]:
        return fast, slow


@attrs.frozen
class Shouting(Placer):
    """Its name is not lower case."""

    name: ClassVar[str] = "TOY"


@attrs.frozen
class Dashless(Placer):
    """Its flag is no flag."""

    flags: ClassVar[tuple[str, ...]] = ("toy",)


# --------------------------------------------------------------------------------------------------- conventions


@attrs.frozen
class LeftHanded(Placer):
    """Fast x slow points to the source, and it does not say so."""

    slow: ClassVar[tuple[float, ...]] = (0, -1, 0)


@attrs.frozen
class DeclaredLeftHanded(LeftHanded):
    """The same, said."""

    left_handed: ClassVar[bool] = True


@attrs.frozen
class Skewed(Placer):
    """Fast and slow are not at right angles."""

    slow: ClassVar[tuple[float, ...]] = (0.1, 1, 0)


@attrs.frozen
class Backward(Placer):
    """The normal points back to the source; right-handed all the same."""

    slow: ClassVar[tuple[float, ...]] = (0, -1, 0)
    normal: ClassVar[tuple[float, ...]] = (0, 0, -1)


@attrs.frozen
class LongitudinalField(Placer):
    """The electric vector leans along the beam."""

    polarization: ClassVar[tuple[float, ...]] = (1, 0, 1)


@attrs.frozen
class DeclaredOblique(LongitudinalField):
    """The same, said."""

    oblique_polarization: ClassVar[bool] = True


@attrs.frozen
class LongBeam(Placer):
    """The beam vector has twice its length."""

    def place(self, detector: Detector) -> Any:
        laboratory = Placer.place(self, detector)
        return attrs.evolve(laboratory, beam=2.0 * laboratory.beam)


@attrs.frozen
class Deaf(Placer):
    """Does not do what `-pivot` says."""

    def settings(self, detector: Detector) -> Detector:
        return attrs.evolve(detector, pivot="sample")


@attrs.frozen
class Near(Placer):
    """Stands a micrometre too near."""

    def settings(self, detector: Detector) -> Detector:
        return attrs.evolve(detector, distance=detector.distance - 1e-6)


@attrs.frozen
class Swapped(Placer):
    """Reads its beam centre as (slow, fast) and tells it as (fast, slow)."""

    def settings(self, detector: Detector) -> Detector:
        return attrs.evolve(detector, beam_centre=detector.beam_centre[::-1])


@attrs.frozen
class OffDetector(Placer):
    """Its default beam centre is a detector's width away."""

    def settings(self, detector: Detector) -> Detector:
        if detector.beam_centre[0] is not None:
            return detector
        return attrs.evolve(detector, beam_centre=(-50 * MM, 0.0))


@attrs.frozen
class Mirrored(Placer):
    """Rotates left-handed about x."""

    def settings(self, detector: Detector) -> Detector:
        x, y, z = detector.rotation
        return attrs.evolve(detector, rotation=(-x, y, z))


@attrs.frozen
class Drifting(Placer):
    """Moves the detector by its first rotation angle, in micrometres: the swing is not rigid and the spot moves."""

    def place(self, detector: Detector) -> Any:
        laboratory = Placer.place(self, detector)
        shift = 1e-6 * float(detector.rotation[0])
        panels = tuple(attrs.evolve(frame, origin=frame.origin + shift * frame.fast) for frame in laboratory.panels)
        return attrs.evolve(laboratory, panels=panels)


@attrs.frozen
class OnePanel(Placer):
    """Places the first panel of a layout only."""

    def place(self, detector: Detector) -> Any:
        laboratory = Placer.place(self, detector)
        return attrs.evolve(laboratory, panels=laboratory.panels[:1])


@attrs.frozen
class Detached(Placer):
    """Loses the gradient of the distance."""

    def settings(self, detector: Detector) -> Detector:
        return attrs.evolve(detector, distance=torch.as_tensor(detector.distance, dtype=torch.float64).detach())


# ------------------------------------------------------------------------------------------------ lattice shapes


@attrs.frozen
class Box(Toy):
    """A shape that keeps every promise: the square one."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        rows = zip(offset, nearest, lattice.cells.unbind(0), strict=True)
        return tuple(interference(step, index, count, lattice.dtype) for step, index, count in rows)


@attrs.frozen
class TallBox(Box):
    """Its peak is a part in a billion too high."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        h, k, l = Box.factors(self, offset, nearest, lattice)
        return h * (1.0 + 1e-9), k, l


@attrs.frozen
class TallSide(Box):
    """Higher beside the lattice point than on it."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        h, k, l = Box.factors(self, offset, nearest, lattice)
        return h * (1.0 + 9.0 * offset.h.abs().to(lattice.dtype)), k, l


@attrs.frozen
class LopsidedBox(Box):
    """Weaker on the side of positive offsets."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        h, k, l = Box.factors(self, offset, nearest, lattice)
        return h * (1.0 - 0.1 * offset.h.clamp(min=0.0).to(lattice.dtype)), k, l


@attrs.frozen
class FadingBox(Box):
    """Fades away from the origin of reciprocal space."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        h, k, l = Box.factors(self, offset, nearest, lattice)
        return h / (1.0 + 1e-6 * nearest.h.abs().to(lattice.dtype)), k, l


@attrs.frozen
class NearBox(Box):
    """Says that it ends where its first fringe does."""

    def reach(self, level: torch.Tensor, length: torch.Tensor, lattice: Any) -> torch.Tensor:
        return lattice.length_per_cells().expand(level.shape)


@attrs.frozen
class DoubleBox(Box):
    """Answers in float64 whatever is asked for."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        return tuple(factor.double() for factor in Box.factors(self, offset, nearest, lattice))


@attrs.frozen
class CoarseBox(Box):
    """Brings the offset to half precision first."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        if lattice.dtype == torch.float32:
            offset = Miller(*(step.half().double() for step in offset))
        return Box.factors(self, offset, nearest, lattice)


@attrs.frozen
class NaiveBox(Box):
    """sin(pi N h) / sin(pi h) as it stands in the book: 0 / 0 at every lattice point."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        return tuple(
            ((math.pi * count * step).sin() / (math.pi * step).sin()).to(lattice.dtype)
            for step, count in zip(offset, lattice.cells.unbind(0), strict=True)
        )


@attrs.frozen
class MendedBox(Box):
    """The same with the value mended by `where`, which leaves the gradient NaN."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        naive = NaiveBox.factors(self, offset, nearest, lattice)  # type: ignore[arg-type]
        return tuple(
            torch.where(step == 0.0, count.to(lattice.dtype), factor)
            for factor, step, count in zip(naive, offset, lattice.cells.unbind(0), strict=True)
        )


@attrs.frozen
class MixedBox(Box):
    """Its first factor depends on k."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        h, k, l = Box.factors(self, offset, nearest, lattice)
        return h * (1.0 - 0.1 * offset.k.abs().to(lattice.dtype)), k, l


@attrs.frozen
class FlatBox(Box):
    """Loses the shape of the offsets."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        return tuple(factor.reshape(-1) for factor in Box.factors(self, offset, nearest, lattice))


@attrs.frozen
class WrongSlope(Box):
    """Passes only half of the gradient."""

    def factors(self, offset: Miller, nearest: Miller, lattice: Any) -> tuple[torch.Tensor, ...]:
        factors = Box.factors(self, offset, nearest, lattice)
        return tuple(0.5 * factor + 0.5 * factor.detach() for factor in factors)


@attrs.define
class Changeable(Toy):
    """Can be changed after it is made."""

    factors = Box.factors


# --------------------------------------------------------------------------------------------- structure factors

KNOWN = {(0, 0, 1): 5.0, (1, -2, 3): 7.5, (4, 4, 4): -2.0}
EXPERIMENT = Experiment(crystal=Crystal(cell=(1e-8, 1e-8, 1e-8, RIGHT, RIGHT, RIGHT), cells=(5, 5, 5)))


@attrs.frozen
class Listed(Toy):
    """Structure factors that keep every promise: one comparison for each known reflection."""

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        return (torch.tensor(1.5, dtype=dtype, device=device),)

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        found = tables[0].expand(nearest.h.shape)
        for (h, k, l), strength in KNOWN.items():
            here = (nearest.h == h) & (nearest.k == k) & (nearest.l == l)
            found = torch.where(here, torch.full_like(found, strength), found)
        return found


@attrs.frozen
class Wrong(Listed):
    """Every amplitude is a millionth too large."""

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return Listed.amplitude(self, index, nearest, tables) * (1.0 + 1e-6)


@attrs.frozen
class Friedel(Listed):
    """Gives a reflection's amplitude to its mate, which was not given."""

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        opposite = Miller(-nearest.h, -nearest.k, -nearest.l)
        mate = Listed.amplitude(self, index, opposite, tables)
        found = Listed.amplitude(self, index, nearest, tables)
        return torch.where(found == tables[0], mate, found)


@attrs.frozen
class Single(Listed):
    """Always answers in float32."""

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return Listed.amplitude(self, index, nearest, tables).float()


@attrs.frozen
class Latched(Listed):
    """One index out of range spoils all: the reference program's interpolation latch."""

    def amplitude(self, index: Miller, nearest: Miller, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        found = Listed.amplitude(self, index, nearest, tables)
        return torch.where((nearest.h.abs() > 100).any(), found, found + (index.h - nearest.h).to(found.dtype))


@attrs.frozen
class Grouping(Listed):
    """Takes the first cell of a group for the cell of all."""

    def grouped(self, tables: tuple[torch.Tensor, ...]) -> bool:
        return True

    def grouped_amplitude(
        self, index: Miller, nearest: Miller, first: Miller, tables: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        return self.amplitude(index, Miller(*(floor.expand_as(index.h) for floor in first)), tables)


# -------------------------------------------------------------------------------------------------- noise models


@attrs.frozen
class Counter(Toy):
    """A noise model that keeps every promise."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        generator = torch.Generator(device=photons.device).manual_seed(seed)
        return torch.poisson(photons.double(), generator=generator)


@attrs.frozen
class Seedless(Counter):
    """Ignores its seed: always the same counts."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        return Counter.counts(self, photons, 1)


@attrs.frozen
class Restless(Counter):
    """Ignores its seed: draws from the global generator."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        return torch.poisson(photons.double())


@attrs.frozen
class Meddling(Counter):
    """Seeds the global generator."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.poisson(photons.double())


@attrs.frozen
class Biased(Counter):
    """Loses a twentieth of the photons."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        return Counter.counts(self, photons * 0.95, seed)


@attrs.frozen
class Narrow(Counter):
    """Averages two draws: the right mean, half the variance."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        return (Counter.counts(self, photons, 2 * seed) + Counter.counts(self, photons, 2 * seed + 1)) / 2.0


@attrs.frozen
class Repeating(Counter):
    """Draws one row and repeats it."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        return Counter.counts(self, photons[:1], seed).expand(photons.shape)


@attrs.frozen
class Dark(Counter):
    """Counts where there is no light."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        return Counter.counts(self, photons + 0.1, seed)


@attrs.frozen
class Flattening(Counter):
    """Loses the image's shape."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        return Counter.counts(self, photons, seed).reshape(-1)


@attrs.frozen
class Greedy(Counter):
    """Writes into the photons it was given."""

    def counts(self, photons: torch.Tensor, seed: int) -> torch.Tensor:
        counts = Counter.counts(self, photons, seed)
        photons.copy_(counts)
        return counts


# ------------------------------------------------------------------------------------------------- image formats


@attrs.frozen
class Plain(Toy):
    """A format that keeps every promise: doubles without a header, blank where nothing was rendered."""

    file: Path | None = option("-toyfile", type=Path, output="photons", help="Write doubles.")
    noise: Path | None = option("-toynoise", type=Path, output="counts", help="Write doubles.")

    def drawn(self, image: Any) -> np.ndarray:
        pixels = np.zeros(image.pixels.shape)
        pixels[image.rendered()] = image.pixels[image.rendered()]
        return pixels

    def write(self, stream: Any, image: Any) -> None:
        stream.write(self.drawn(image).tobytes())

    def default_file(self, content: str) -> str | None:
        return f"toy-{content}.bin"


@attrs.frozen
class Sideways(Plain):
    """Writes slow before fast."""

    def drawn(self, image: Any) -> np.ndarray:
        return Plain.drawn(self, image).T


@attrs.frozen
class Everything(Plain):
    """Writes what was never rendered."""

    def drawn(self, image: Any) -> np.ndarray:
        return np.asarray(image.pixels, dtype=np.float64)


@attrs.frozen
class Rewinding(Plain):
    """Goes back to fill in its header, which a pipe cannot."""

    def write(self, stream: Any, image: Any) -> None:
        stream.seek(0)
        Plain.write(self, stream, image)


@attrs.frozen
class Closing(Plain):
    """Closes the stream."""

    def write(self, stream: Any, image: Any) -> None:
        Plain.write(self, stream, image)
        stream.close()


@attrs.frozen
class OneName(Plain):
    """Has one default name for both images."""

    def default_file(self, content: str) -> str | None:
        return "toy.bin"


@attrs.frozen
class Mute(Toy):
    """Has no option that names a file."""

    def write(self, stream: Any, image: Any) -> None:
        stream.write(image.pixels.tobytes())

    def default_file(self, content: str) -> str | None:
        return None


def check_lattice_shape(shape: LatticeShape) -> None:
    testing.check_lattice_shape(shape, separable=True)


def check_structure_factors(plugin: Any) -> None:
    testing.check_structure_factors(plugin, EXPERIMENT, known=KNOWN, default=1.5)


# -------------------------------------------------------------------------------------------------- backgrounds


@attrs.frozen
class Electrons(Toy):
    """A background that keeps every promise."""

    def prepare(self, experiment: Experiment, device: torch.device) -> tuple[torch.Tensor, ...]:
        return ()

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return rays.scattered(torch.ones_like)


@attrs.frozen
class Rounded(Electrons):
    """Photons in single precision."""

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return Electrons.photons(self, rays, tables).float()


@attrs.frozen
class Below(Electrons):
    """Takes photons away."""

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return -Electrons.photons(self, rays, tables)


@attrs.frozen
class Averaged(Electrons):
    """Gives all pixels of a block the same."""

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        found = Electrons.photons(self, rays, tables)
        return found.mean().expand_as(found)


@attrs.frozen
class Numbered(Electrons):
    """Depends on a pixel's number and not on its place."""

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return rays.slow + rays.fast


@attrs.frozen
class Sum(Electrons):
    """One number for all pixels."""

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return Electrons.photons(self, rays, tables).sum()


# ------------------------------------------------------------------------------------------------------ diagnoses

SUMS = ({"I_before_scaling": 2.0}, {"I_before_scaling": 4.0})


def doubled(slow: int = 0) -> PixelComparison:
    """A pixel of which one trace has twice the sum."""
    return testing.make_comparison(*(TracedPixel(slow, 0, values) for values in SUMS))


@attrs.frozen
class TwiceTheSum(Toy):
    """A diagnosis that keeps every promise."""

    explanation: ClassVar[str] = "One program adds every term twice."
    phase: ClassVar[str] = "sum"

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        sums = [pixel.value("I_before_scaling") for pixel in pixels if pixel.diverged]
        seen = bool(sums) and all(total is not None and total.second == 2.0 * total.first for total in sums)  # type: ignore[operator]
        return "the sum of B is 2 times A's" if seen else None


@attrs.frozen
class Unexplained(TwiceTheSum):
    """Does not say what it is."""

    explanation: ClassVar[str] = ""


@attrs.frozen
class Nowhere(TwiceTheSum):
    """Says that its pattern begins in a phase that there is not."""

    phase: ClassVar[str] = "somewhere"


@attrs.frozen
class Suspicious(TwiceTheSum):
    """Explains what is not there."""

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        return "something is wrong" if pixels else None


@attrs.frozen
class Blind(TwiceTheSum):
    """Sees nothing."""

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        return None


@attrs.frozen
class Fragile(TwiceTheSum):
    """Takes it for granted that a trace has everything."""

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        return (
            "there is no polarization" if pixels and not any(pixel.first.values["polar"] for pixel in pixels) else None
        )


@attrs.frozen
class Endless(TwiceTheSum):
    """Shows a ratio whatever it is."""

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        sizes = [difference.size for pixel in pixels for difference in pixel.values if difference.diverged]
        return f"the differences are up to {max(sizes)}" if sizes else None


@attrs.frozen
class FirstOnly(TwiceTheSum):
    """Looks at the first pixel alone."""

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        return "the first pixel differs" if pixels and pixels[0].diverged else None


@attrs.frozen
class Moody(TwiceTheSum):
    """Says something else each time."""

    asked: list[int] = attrs.field(factory=list)

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        self.asked.append(1)
        return f"asked {len(self.asked)} times" if any(pixel.diverged for pixel in pixels) else None


@attrs.frozen
class Grabby(TwiceTheSum):
    """Rounds what it is shown."""

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        for pixel in pixels:
            pixel.first.further["seen"] = True
        return None


@attrs.frozen
class Wordy(TwiceTheSum):
    """Says more than a line."""

    def evidence(self, pixels: Sequence[PixelComparison]) -> str | None:
        return "two\nlines" if any(pixel.diverged for pixel in pixels) else None


def check_diagnosis(plugin: Any) -> None:
    testing.check_diagnosis(plugin, [doubled()], [doubled(1), doubled(2)])


def check_image_format(plugin: Any) -> None:
    def read(data: bytes, shape: tuple[int, int]) -> np.ndarray:
        return np.frombuffer(data).reshape(shape)

    testing.check_image_format(plugin, read, expected=lambda image: image.pixels)


@pytest.mark.parametrize(
    ("check", "plugin"),
    [
        (testing.check_convention, Placer()),
        (testing.check_convention, DeclaredLeftHanded()),
        (testing.check_convention, DeclaredOblique()),
        (check_lattice_shape, Box()),
        (check_structure_factors, Listed()),
        (testing.check_noise_model, Counter()),
        (testing.check_background, Electrons()),
        (check_image_format, Plain()),
        (check_diagnosis, TwiceTheSum()),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_a_plugin_that_keeps_its_promises_passes(check: Callable[[Any], None], plugin: Any) -> None:
    check(plugin)


@pytest.mark.parametrize(
    ("check", "plugin", "sentence"),
    [
        (check_lattice_shape, Changeable(), "Changeable can be changed after it is made"),
        (testing.check_convention, Shouting(), "Shouting.name is not lower case: 'TOY'"),
        (testing.check_convention, Dashless(), "Dashless.flags is not a tuple of words"),
        (testing.check_convention, Placer, "give an instance of .*Placer.*, not the class"),
        (testing.check_convention, Counter(), "Counter lacks a method or attribute of GeometryConvention"),
        (testing.check_convention, LeftHanded(), "axes that are right-handed .*: got -1.0, expected 1.0"),
        (testing.check_convention, Skewed(), "products of fast, slow and normal with each other: got 0.09"),
        (testing.check_convention, Backward(), "the normal points to the source: its cosine with the beam is -1.0"),
        (testing.check_convention, LongitudinalField(), "the cosine between the beam and its electric vector: got 0.7"),
        (testing.check_convention, LongBeam(), "the beam vector's length: got 2.0, expected 1.0"),
        (testing.check_convention, Deaf(), "the pivot 'beam' was asked for and 'sample' was used"),
        (testing.check_convention, Near(), "the distance along the beam: .* the difference 1e-06 exceeds"),
        (testing.check_convention, Swapped(), "where along fast the beam meets the detector|of the beam centre"),
        (testing.check_convention, OffDetector(), "by default the beam misses the detector: pixel -"),
        (testing.check_beam_pivot_keeps_the_spot, Mirrored(), "the rotation of the axes about x, then y, then z|trace"),
        (testing.check_sample_pivot_is_rigid, Mirrored(), "the rotation of the axes about x, then y, then z"),
        (testing.check_beam_pivot_keeps_the_spot, Drifting(), r"the beam's spot \(fast, slow\) after a rotation"),
        (testing.check_sample_pivot_is_rigid, Drifting(), "the first corner, turned as the axes are"),
        (testing.check_convention, OnePanel(), "1 panels were placed of a layout of 2"),
        (testing.check_convention, Detached(), "the first corner does not depend on the distance: no gradient"),
        (check_lattice_shape, TallBox(), r"\|F_latt\| of .* cells at index"),
        (check_lattice_shape, TallSide(), "above its peak"),
        (check_lattice_shape, LopsidedBox(), r"\|F_latt\| at minus the offset"),
        (check_lattice_shape, FadingBox(), r"\|F_latt\| of .* cells at index"),
        (testing.check_periodicity, FadingBox(), r"\|F_latt\| at offset .* from"),
        (testing.check_lattice_reach, NearBox(), "beyond its reach"),
        (check_lattice_shape, DoubleBox(), "a factor is torch.float64 where the lattice asks for torch.float32"),
        (check_lattice_shape, CoarseBox(), "F_latt in float32 at offset"),
        (check_lattice_shape, NaiveBox(), r"\|F_latt\| of .*: got nan"),
        (testing.check_finite, NaiveBox(), "F_latt of .* is nan at offset"),
        (testing.check_shape_gradients, MendedBox(), "the gradient of F_latt by h at a lattice point, .* is nan"),
        (check_lattice_shape, MixedBox(), "the factor along a when the offset moves"),
        (testing.check_broadcasting, FlatBox(), "offsets of shapes that broadcast gave factors that do not"),
        (check_lattice_shape, WrongSlope(), "the gradient of F_latt by [hkl] at offset"),
        (lambda shape: testing.check_separability(shape, separable=False), Box(), "3 factors, expected 1"),
        (lambda shape: testing.check_peak_height(shape, peak=0.7), Box(), "got 1.0, expected 0.7"),
        (check_structure_factors, Wrong(), r"F of \(0, 0, 1\) in torch.float64"),
        (check_structure_factors, Friedel(), r"F of \(0, 0, -1\), which is not given"),
        (testing.check_noise_model, Seedless(), "the correlation of pixels of the seeds 1 and 2: got .*expected 0.0"),
        (testing.check_seeds, Seedless(), "the seeds 0 and 1 gave the same counts everywhere"),
        (testing.check_seeds, Restless(), "two calls with seed 0 gave different counts"),
        (testing.check_global_random_state, Restless(), "counts.. moved torch's global random state"),
        (testing.check_noise_model, Meddling(), "counts.. moved torch's global random state"),
        (testing.check_noise_model, Biased(), "the mean of 40000 pixels that expect"),
        (testing.check_noise_model, Narrow(), "the variance of 40000 pixels that expect"),
        (testing.check_whole_numbers, Narrow(), "photons gave counts with a fraction"),
        (testing.check_pixels_independent, Repeating(), "the correlation of neighbours along"),
        (testing.check_zero_stays_zero, Dark(), "a pixel that expects no photons has .* counts"),
        (testing.check_noise_model, Flattening(), r"photons of shape \(1, 1\) gave counts of shape \(1,\)"),
        (testing.check_noise_model, Greedy(), "the expected photons were changed in place"),
        (testing.check_background, Rounded(), "photons are torch.float32, expected float64"),
        (testing.check_background, Below(), "a pixel has -.* photons"),
        (testing.check_background, Averaged(), "photons of a few pixels: got"),
        (testing.check_background, Numbered(), "photons of a panel: got"),
        (testing.check_background, Sum(), r"108 pixels have photons \(\)"),
        (check_image_format, Everything(), "pixels outside the region .* are 3.0, expected 0.0"),
        (check_image_format, Sideways(), "rendered pixels differ by more than"),
        (check_image_format, Rewinding(), "the format cannot write to a pipe: .*seek"),
        (check_image_format, Closing(), "the format closed the stream"),
        (check_image_format, OneName(), "photons and counts would both be written to toy.bin"),
        (check_image_format, Mute(), "Mute has no option with output="),
        (check_diagnosis, Counter(), "Counter lacks a method or attribute of Diagnosis"),
        (check_diagnosis, Unexplained(), "Unexplained.explanation is no sentence"),
        (check_diagnosis, Nowhere(), "Nowhere.phase is no phase of the calculation: 'somewhere'"),
        (check_diagnosis, Suspicious(), "Suspicious explains a difference that is not there: 'something is wrong'"),
        (check_diagnosis, Blind(), "Blind does not see its pattern in example 1"),
        (check_diagnosis, Fragile(), "Fragile raises KeyError: 'polar'"),
        (check_diagnosis, Endless(), "Endless says what is not finite: 'the differences are up to inf'"),
        (check_diagnosis, FirstOnly(), "FirstOnly finds its pattern in one order of the pixels and not in another"),
        (check_diagnosis, Moody(), "Moody says something else when it is asked again"),
        (check_diagnosis, Grabby(), "Grabby has changed the traces"),
        (check_diagnosis, Wordy(), "Wordy does not say a line"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__) if not isinstance(value, str) else "",
)
def test_a_broken_promise_is_found_and_said(check: Callable[[Any], None], plugin: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check(plugin)


def test_structure_factors_of_the_wrong_precision_are_found() -> None:
    with pytest.raises(AssertionError, match=r"F is torch.float32 where prepare\(\) was asked for torch.float64"):
        testing.check_result_shape(Single(), EXPERIMENT, KNOWN)


def test_structure_factors_that_depend_on_their_neighbours_are_found() -> None:
    with pytest.raises(AssertionError, match=r"F of \(.*\) alone, against among others"):
        testing.check_each_reflection_for_itself(Latched(), EXPERIMENT, KNOWN)


def test_structure_factors_that_are_others_in_groups_are_found() -> None:
    with pytest.raises(AssertionError, match=r"F at \[.*\] in a group is .* by itself"):
        testing.check_structure_factors(Grouping(), EXPERIMENT, known=KNOWN)


def test_an_image_to_write_is_resolved_and_placed() -> None:
    image = testing.make_image(np.zeros((3, 4), dtype=np.float32), region=(1, 2, 0, 2))
    stream = io.BytesIO()
    Plain().write(stream, image)
    assert len(stream.getvalue()) == 3 * 4 * 8
    assert image.rendered() == (slice(0, 3), slice(1, 3))
    fast, slow = image.laboratory.panels[0].beam_point(image.laboratory.beam)
    assert [float(fast), float(slow)] == pytest.approx([0.2 * MM, 0.15 * MM])
