"""Leaving out of the sum what cannot matter: orientations that add next to nothing to the pixels of a tile.

Twice the bounds of all tiles are worked out. The first time they tell where the peak of the image may be; there some
tiles are evaluated in full, and the largest of their pixels is a bound of the peak from below. The second time they
tell, with what may be left out of a pixel, which orientations need be evaluated. `docs/cull.md` says why the error is
bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs
import torch

from openbragg.engine.block import block_plan, with_tensors
from openbragg.engine.bounds import TileBounds, tile_bounds, views_of
from openbragg.engine.compiled import (
    COMPILING_SECONDS,
    EAGER_SECONDS_PER_TERM,
    Engine,
    Kind,
    arguments_of,
    load_kernel,
)
from openbragg.engine.kernel import KernelError
from openbragg.engine.listed import listed_intensity, listed_photons
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.sequence import Strip, first_evaluated
from openbragg.engine.threads import in_threads
from openbragg.engine.tiles import Tiles, cut_into_tiles
from openbragg.roles import BoundedLatticeShape, BoundedStructureFactors

#: Samples of a tile that fill the vectors of a processor; the fewer there are, the more orientations can be left out.
_TILE_SAMPLES = 16
#: Pairs of a tile and an orientation whose bounds are worked out together: they stay in a core's cache.
_COMPILED_PAIRS, _EAGER_PAIRS = 1 << 17, 1 << 15
#: Terms evaluated together, likewise.
_COMPILED_TERMS, _EAGER_TERMS = 1 << 17, 1 << 15
#: Tiles in which the peak is searched, at most, and one in so many.
_MOST_CANDIDATES, _ONE_IN = 128, 32


@attrs.frozen(kw_only=True)
class Culled:
    """What was left out of an image.

    Attributes
    ----------
    pairs, evaluated
        Pairs of a tile and an orientation (for each source), and those that were evaluated.
    bound
        Photons by which no pixel is further from the full sum than this.
    """

    pairs: int
    evaluated: int
    bound: float

    def skipped(self) -> float:
        """The part of the pairs that was left out."""
        return 1.0 - self.evaluated / self.pairs if self.pairs else 0.0


def cull_refusal(plan: Plan) -> str | None:
    """Why nothing can be left out of a plan's sum; None where it can."""
    if plan.differentiable():
        return "the full sum is needed for gradients"
    if plan.running_product:
        return "running-product goes through the terms one by one"
    if plan.interpolates or plan.reference_interpolates:
        return "every term tells whether there are neighbours to interpolate"
    if not isinstance(plan.shape, BoundedLatticeShape):
        return f"the lattice shape {plan.shape.name} has no bound"
    if not isinstance(plan.structure_factors, BoundedStructureFactors):
        return f"the structure factors {plan.structure_factors.name} have no bound"
    return None


@attrs.frozen(eq=False)
class _Functions:
    """Bounds and sums of tiles, compiled or not."""

    bounds: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], TileBounds]
    photons: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    pairs: int
    terms: int


def culled_photons(
    plan: Plan,
    panel: PanelPlan,
    tiles: Tiles,
    share: float,
    dtype: torch.dtype,
    engine: Engine,
    *,
    uncertain: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[torch.Tensor, Culled]:
    """Photons of the pixels (pixel,), none further from the full sum than `share` of the largest.

    Parameters
    ----------
    plan, panel
        A sum that `cull_refusal` has nothing against.
    tiles
        The pixels.
    share
        Between 0 and 1.
    dtype, engine
        Of the photons, and how they are summed.
    uncertain
        Number of a pixel that will be replaced; it cannot tell how high the peak is.
    progress
        Called after each block with the number of pixels it finished.
    """
    functions = _functions(plan, panel, tiles, engine)
    sources, orientations = plan.wavelengths.numel(), plan.cell_vectors.shape[:2].numel()
    values = torch.zeros(tiles.pixels.count, dtype=dtype, device=plan.device)
    size = max(1, functions.pairs // (sources * orientations))
    pieces = [(low, min(low + size, tiles.count)) for low in range(0, tiles.count, size)]
    one = torch.ones((), dtype=torch.float64, device=plan.device)

    def reach(piece: tuple[int, int]) -> torch.Tensor:
        with torch.no_grad():
            return functions.bounds(*tiles.coordinates(_numbers(piece, plan)), one).reach

    reaches = list(in_threads(reach, pieces, plan.device, engine.cores()))
    candidates = min(tiles.count, _MOST_CANDIDATES, max(1, tiles.count // _ONE_IN))
    brightest = torch.cat(reaches).topk(candidates).indices if reaches else torch.zeros(0, dtype=torch.int64)
    everything = torch.ones((sources, orientations), dtype=torch.bool, device=plan.device)

    def peak(piece: tuple[int, int]) -> float:
        with torch.no_grad():
            chosen = brightest[slice(*piece)]
            most = 0.0
            for part, photons in _summed(functions, tiles, chosen, everything.expand(len(chosen), -1, -1)):
                numbers = tiles.numbers_of(part)
                counted = (numbers >= 0) & (numbers != (-1 if uncertain is None else uncertain))
                most = max(most, float(torch.where(counted, photons, 0.0).max()))
            return most

    few = [(low, min(low + 8, candidates)) for low in range(0, candidates, 8)]
    limit = share * max(in_threads(peak, few, plan.device, engine.cores()), default=0.0) * one

    def fill(piece: tuple[int, int]) -> tuple[int, int, float]:
        with torch.no_grad():
            chosen = _numbers(piece, plan)
            kept, bound = everything.expand(len(chosen), -1, -1), 0.0
            if float(limit) > 0.0:
                found = functions.bounds(*tiles.coordinates(chosen), limit)
                kept, bound = found.kept.reshape(kept.shape), float(found.skipped.max())
            done = 0
            for part, photons in _summed(functions, tiles, chosen, kept):
                numbers = tiles.numbers_of(part)
                there = numbers >= 0
                values[numbers[there]] = photons[there].to(dtype)
                done += int(there.sum())
            return done, int(kept.sum()), bound

    evaluated, largest = 0, 0.0
    for done, number, bound in in_threads(fill, pieces, plan.device, engine.cores()):
        evaluated, largest = evaluated + number, max(largest, bound)
        if progress is not None:
            progress(done)
    return values, Culled(pairs=tiles.count * sources * orientations, evaluated=evaluated, bound=largest)


class CullingRenderer:
    """Renders all pixels of a panel for `openbragg.engine.sequence.render_in_order`.

    Attributes
    ----------
    culled
        What was left out, once they are rendered.
    """

    def __init__(
        self,
        panel: PanelPlan,
        pixels: Pixels,
        share: float,
        dtype: torch.dtype,
        engine: Engine,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._panel, self._pixels, self._share = panel, pixels, share
        self._dtype, self._engine, self._progress = dtype, engine, progress
        self.culled: Culled | None = None

    def __call__(self, plan: Plan, start: int, stop: int) -> Strip:
        """The pixels, which are always all: nothing is left out of a run in which the order matters further."""
        assert (start, stop) == (0, self._pixels.count)
        values, self.culled = culled_photons(
            plan,
            self._panel,
            _tiles(plan, self._panel, self._pixels),
            self._share,
            self._dtype,
            self._engine,
            uncertain=first_evaluated(plan, self._panel, self._pixels),
            progress=self._progress,
        )
        nothing = torch.zeros(stop, dtype=torch.bool, device=plan.device)
        return Strip(values, nothing, nothing)


def _tiles(plan: Plan, panel: PanelPlan, pixels: Pixels) -> Tiles:
    """Pixels in tiles that are small, and fill the vectors of a processor."""
    samples = panel.layer_depths.numel() * plan.oversample**2
    side = 1
    while side * side * samples < _TILE_SAMPLES:
        side *= 2
    return cut_into_tiles(pixels, side)


def _summed(
    functions: _Functions, tiles: Tiles, chosen: torch.Tensor, kept: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Some tiles after the other, with their photons (tile, pixel), from what is kept of each.

    `kept` is (tile, source, orientation). Tiles with lists of about one length are summed together.
    """
    counts = kept.sum(dim=2).amax(dim=1)
    counts, order = counts.sort(descending=True)
    start = 0
    samples = max(_TILE_SAMPLES, tiles.side**2) * kept.shape[1]
    while start < len(order):
        longest = int(counts[start])
        stop = start + max(1, functions.terms // (samples * max(1, longest)))
        part = order[start:stop]
        slow, fast = tiles.coordinates(chosen[part])
        yield chosen[part], functions.photons(slow, fast, _lists(kept[part], longest))
        start = stop


def _lists(kept: torch.Tensor, longest: int) -> torch.Tensor:
    """Numbers of the orientations that are kept, (number, tile, source), filled with -1."""
    tiles, sources, orientations = kept.shape
    rows, numbers = kept.reshape(-1, orientations).nonzero(as_tuple=True)
    counts = kept.sum(dim=2).reshape(-1)
    places = torch.arange(len(rows), device=kept.device) - (counts.cumsum(0) - counts)[rows]
    listed = torch.full((max(1, longest), tiles * sources), -1, dtype=torch.int64, device=kept.device)
    listed[places, rows] = numbers
    return listed.reshape(-1, tiles, sources)


def _numbers(piece: tuple[int, int], plan: Plan) -> torch.Tensor:
    return torch.arange(*piece, device=plan.device)


def _functions(plan: Plan, panel: PanelPlan, tiles: Tiles, engine: Engine) -> _Functions:
    assert isinstance(plan.structure_factors, BoundedStructureFactors)
    summing = block_plan(plan, panel)
    bounding = attrs.evolve(summing, tables=plan.structure_factors.neighbourhoods(plan.tables))
    columns = plan.cell_vectors.detach().reshape(-1, 9).T.contiguous()
    kernels = None
    if engine.name != "eager" and plan.device.type == "cpu" and tiles.count:
        kernels = _kernels(summing, bounding, tiles, engine)
    if kernels is None:

        def bounds(views: torch.Tensor, limit: torch.Tensor) -> TileBounds:
            return tile_bounds(bounding, views, columns, limit)

        def intensity(scattering: torch.Tensor, listed: torch.Tensor) -> torch.Tensor:
            return listed_intensity(summing, scattering, listed)

    else:
        of_bounds, of_sums = arguments_of(bounding), arguments_of(summing)

        def bounds(views: torch.Tensor, limit: torch.Tensor) -> TileBounds:
            return TileBounds(*kernels[0]([*of_bounds, views.contiguous(), columns, limit]))

        def intensity(scattering: torch.Tensor, listed: torch.Tensor) -> torch.Tensor:
            return kernels[1]([*of_sums, scattering, listed])[0]

    panel = summing.panels[0]
    return _Functions(
        bounds=lambda slow, fast, limit: bounds(views_of(summing, panel, slow, fast), limit),
        photons=lambda slow, fast, listed: listed_photons(summing, panel, slow, fast, listed, intensity),
        pairs=_EAGER_PAIRS if kernels is None else _COMPILED_PAIRS,
        terms=_EAGER_TERMS if kernels is None else _COMPILED_TERMS,
    )


def _kernels(
    summing: Plan, bounding: Plan, tiles: Tiles, engine: Engine
) -> tuple[Callable[..., list[torch.Tensor]], Callable[..., list[torch.Tensor]]] | None:
    from openbragg.engine.compilation import CompilationError

    seconds = tiles.pixels.count * summing.terms_per_pixel() * EAGER_SECONDS_PER_TERM / engine.cores()
    worth = engine.name == "compiled" or seconds > 2.0 * COMPILING_SECONDS
    try:
        bounds = load_kernel(bounding, BOUNDS, engine, compiling=worth)
        photons = load_kernel(summing, LISTED, engine, compiling=worth) if bounds is not None else None
    except (CompilationError, KernelError) as error:
        if worth:
            engine.notices(f"no compiled code, this takes longer: {error}")
        return None
    return None if bounds is None or photons is None else (bounds, photons)


def _bounds_function(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
    count = len(arguments_of(plan))

    def bounds(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
        views, columns, limit = tensors[count:]
        return tile_bounds(with_tensors(plan, tensors[:count]), views, columns, limit).tensors()

    return bounds


def _listed_function(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
    count = len(arguments_of(plan))

    def intensity(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
        scattering, listed = tensors[count:]
        return (listed_intensity(with_tensors(plan, tensors[:count]), scattering, listed),)

    return intensity


BOUNDS = Kind(
    name="bounds",
    further=3,
    function=_bounds_function,
    axes=(("tile", "source", 7), (9, "orientation"), ()),
)
LISTED = Kind(
    name="listed",
    further=2,
    function=_listed_function,
    axes=((3, "tile", "source", "sample"), ("listed", "tile", "source")),
    dtypes=(torch.float64, torch.int64),
)
