"""A rotation series: many images of one experiment, each turned on by the range of the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.engine import Engine
from openbragg.engine.plan import turned
from openbragg.errors import UsageError
from openbragg.model import Experiment, Scan
from openbragg.model.scalars import is_tensor
from openbragg.orchestrator.notices import notice_quirks
from openbragg.orchestrator.quirks import check_names
from openbragg.orchestrator.resolve import Choices, clock_seed
from openbragg.orchestrator.simulate import Layout, Rendering, check_computation, lay_out, render_layout
from openbragg.orchestrator.timings import Stopwatch
from openbragg.roles import Background, GeometryConvention, LatticeShape, StructureFactors
from openbragg.units import DEGREES, unit

#: A start that is so close to a decimal number of degrees is that number, as the user would type it.
_DECIMALS, _ROUNDING = 9, 1e-12


@attrs.frozen(kw_only=True, eq=False)
class SeriesImage:
    """An image of a series.

    Attributes
    ----------
    number
        Its number, from 1.
    rendering
        Its photons, and the experiment with its own scan and its own seed.
    seed
        Seed of its noise.
    """

    number: int
    rendering: Rendering
    seed: int


class SeriesRenderer:
    """Renders the images of a series in any order; what does not turn is prepared once.

    Parameters
    ----------
    experiment
        The experiment at the first image.
    images
        How many there are, which decides whether compiling pays.

    The other arguments are those of `openbragg.render`.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        images: int,
        convention: GeometryConvention | str = "mosflm",
        structure_factors: StructureFactors | str = "hkl",
        lattice_shape: LatticeShape | str = "square",
        backgrounds: Iterable[Background | str] = (),
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        precision: str = "mixed",
        compat: Collection[str] = (),
        engine: str = "auto",
        threads: int | None = None,
        cull: float | None = None,
    ) -> None:
        check_computation(engine, threads, cull)
        check_images(images)
        refuse_unknown_range(experiment.scan, images)
        self.images = images
        self.seed = experiment.sampling.seed if experiment.sampling.seed is not None else clock_seed()
        self._cull, self._quirks = cull, check_names(compat)
        self.stopwatch = Stopwatch()
        with self.stopwatch.stage("layout"):
            self.first: Layout = lay_out(
                experiment,
                convention=convention,
                structure_factors=structure_factors,
                lattice_shape=lattice_shape,
                backgrounds=backgrounds,
                device=device,
                dtype=dtype,
                precision=precision,
                compat=compat,
            )
        self._notices: list[str] = []
        self._engine = Engine(name=engine, threads=threads, notices=self._notices.append, images=images)

    def render(self, number: int, progress: Callable[[int, int], None] | None = None) -> SeriesImage:
        """Render image `number`, from 1; `progress` is that of `openbragg.render`."""
        layout = self.layout(number)
        rendering = render_layout(layout, self._engine, cull=self._cull, progress=progress, stopwatch=self.stopwatch)
        layout.choices.notices.extend(self._notices)
        self._notices.clear()
        return SeriesImage(number=number, rendering=rendering, seed=image_seed(self.seed, number))

    def scans(self) -> tuple[Scan, ...]:
        """The scan of every image, in their order."""
        return tuple(image_scan(self.first.experiment.scan, number) for number in range(1, self.images + 1))

    def layout(self, number: int) -> Layout:
        """What image `number` is rendered from."""
        first = self.first
        experiment = attrs.evolve(
            first.experiment,
            scan=image_scan(first.experiment.scan, number),
            sampling=attrs.evolve(first.experiment.sampling, seed=image_seed(self.seed, number)),
        )
        choices = Choices(made=dict(first.choices.made))
        if number == 1:
            choices.notices.extend(first.choices.notices)
        else:
            notice_quirks(experiment, self._quirks, choices)
        plan = turned(first.plan, experiment, first.laboratory, self._quirks)
        return attrs.evolve(first, experiment=experiment, choices=choices, plan=plan)


def render_series(
    experiment: Experiment,
    *,
    images: int,
    numbers: Iterable[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    **arguments: Any,
) -> Iterator[SeriesImage]:
    """Render a rotation series image by image.

    Parameters
    ----------
    experiment
        The experiment at the first image; its scan's range is that of each image.
    images
        How many images the series has.
    numbers
        Which to render, from 1, in this order; all by default. An image is the same whichever others are rendered.
    progress
        Called with the number of pixels done of an image and the number of all.
    arguments
        Those of `openbragg.render`: convention, structure_factors, lattice_shape, backgrounds, device, dtype,
        precision, compat, engine, threads, cull.

    Yields
    ------
    SeriesImage
        Each is rendered when it is asked for.

    Raises
    ------
    OpenBraggError
        When the experiment cannot be rendered, or a number is no image's.
    """
    renderer = SeriesRenderer(experiment, images=images, **arguments)
    wanted = range(1, images + 1) if numbers is None else list(numbers)
    for number in wanted:
        if not 1 <= number <= images:
            raise UsageError(f"numbers: expected numbers from 1 to {images}, got {number}")
    return (renderer.render(number, progress) for number in wanted)


def image_scan(scan: Scan, number: int) -> Scan:
    """The scan of image `number`, from 1, where `scan` is the resolved one of the first; radians."""
    if number == 1:
        return scan
    width = scan.range if scan.range is not None else 0.0
    start = scan.start + (number - 1) * width
    if not is_tensor(start):
        degrees = float(start) * DEGREES
        typed = round(degrees, _DECIMALS)
        if abs(typed - degrees) <= _ROUNDING * max(1.0, abs(degrees)):
            start = unit("deg").to_si(typed)
    return attrs.evolve(scan, start=start)


def image_seed(seed: int, number: int) -> int:
    """The seed of an image's noise, of 63 bits: from a hash of the run's seed and the image's number."""
    digest = hashlib.sha256(f"openbragg series {seed} image {number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def check_images(images: int) -> None:
    """Refuse a number of images that is none.

    Raises
    ------
    UsageError
        With the number.
    """
    if images < 1:
        raise UsageError(f"images: expected a whole number above 0, got {images}")


def refuse_unknown_range(scan: Scan, images: int) -> None:
    """Refuse a series of images of which nothing says how far each turns the crystal.

    Raises
    ------
    UsageError
        With what to give.
    """
    if images > 1 and scan.range is None and scan.steps is None and scan.step is None:
        raise UsageError(f"-images {images}: expected -osc with it, how far each image turns the crystal; 0 for stills")
