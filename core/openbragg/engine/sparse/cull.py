"""Leaving out of the sum what cannot matter: orientations that add next to nothing to the pixels of a tile.

Twice the bounds of all tiles are worked out. The first time they tell where the peak of the image may be; there some
tiles are evaluated in full, and the largest of their pixels is a bound of the peak from below. The second time they
tell, with what may be left out of a pixel, which orientations need be evaluated. `docs/explanation/cull.md` says why
the error is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs
import torch

from openbragg.engine.compiled.block import evaluations_of, summed_plan
from openbragg.engine.compiled.engine import Engine
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.sequence import first_evaluated
from openbragg.engine.sparse.bounds import TileBounds, by_tile, columns_for_bounds, tile_bounds, views_of
from openbragg.engine.sparse.culled import Culled
from openbragg.engine.sparse.listed import Lists, listed_intensity, lists_of, tile_photons
from openbragg.engine.sparse.spots import spots_refusal
from openbragg.engine.sparse.tiles import Tiles, cut_into_tiles
from openbragg.engine.strips import Strip
from openbragg.engine.threads import in_threads
from openbragg.roles import (
    BoundedLatticeShape,
    BoundedStructureFactors,
    LimitedSpectralStructureFactors,
    LocalLatticeShape,
)

#: Samples of a tile that fill the vectors of a processor; the fewer there are, the more orientations can be left out.
_TILE_SAMPLES = 16
#: Pairs of a tile and an orientation whose bounds are worked out together: they stay in a core's cache.
_PAIRS = 1 << 16
#: Terms evaluated together, likewise.
_TERMS = 1 << 16
#: Pairs and samples that a thread goes through before it comes back: what is done once for many takes little time.
_PIECE_PAIRS, _PIECE_SAMPLES = 1 << 20, 1 << 16
#: Tiles in which the peak is searched; of many tiles, one in so many is looked at.
_CANDIDATES, _MANY, _ONE_IN = 32, 4096, 7


def cull_refusal(plan: Plan) -> str | None:
    """Why nothing can be left out of a plan's sum; None where it can."""
    if (plan.differentiable() or plan.transformed()) and spots_refusal(plan) is not None:
        return "the full sum is needed for gradients"
    if plan.diffuse is not None:
        return f"the diffuse scattering {plan.diffuse.name} has no bound"
    if plan.spectral is not None and not isinstance(plan.structure_factors, LimitedSpectralStructureFactors):
        return f"the structure factors {plan.structure_factors.name} have no bound at each wavelength"
    if plan.running_product:
        return "running-product goes through the terms one by one"
    if plan.interpolates or plan.reference_interpolates:
        return "every term tells whether there are neighbours to interpolate"
    if not isinstance(plan.shape, BoundedLatticeShape | LocalLatticeShape):
        return f"the lattice shape {plan.shape.name} has no bound"
    if not isinstance(plan.structure_factors, BoundedStructureFactors):
        return f"the structure factors {plan.structure_factors.name} have no bound"
    if plan.spectral is not None:
        why = spots_refusal(plan)
        return None if why is None else f"{why}, and tiles know of one amplitude at all wavelengths"
    return None


@attrs.frozen(eq=False)
class _Sum:
    """The sum of a panel; of `bounding` the amplitudes are those of neighbourhoods."""

    plan: Plan
    panel: PanelPlan
    tiles: Tiles
    bounding: Plan
    columns: torch.Tensor
    vectors: torch.Tensor

    @property
    def lists(self) -> tuple[int, int]:
        """Sources and orientations."""
        return self.plan.wavelengths.numel(), self.plan.cell_vectors.shape[:2].numel()

    def views(self, chosen: torch.Tensor) -> torch.Tensor:
        """See `views_of`, of some tiles."""
        slow, fast = self.tiles.coordinates(chosen)
        evaluations = evaluations_of(self.plan, self.panel, slow.reshape(-1), fast.reshape(-1))
        return views_of(self.plan, self.panel, slow, fast, evaluations)

    def bounds_of(self, views: torch.Tensor, limit: torch.Tensor) -> Iterator[TileBounds]:
        """The bounds of tiles, some after the other: their arrays stay in a core's cache."""
        sources, orientations = self.lists
        size = max(1, _PAIRS // (sources * orientations))
        for low in range(0, len(views), size):
            yield tile_bounds(self.bounding, views[low : low + size], self.columns, limit)

    def photons(self, chosen: torch.Tensor, limit: torch.Tensor | None) -> tuple[torch.Tensor, int, float]:
        """Photons of the pixels of tiles (tile, pixel), the pairs that were evaluated, and the most that is missing."""
        slow, fast = self.tiles.coordinates(chosen)
        evaluations = evaluations_of(self.plan, self.panel, slow.reshape(-1), fast.reshape(-1))
        sources, orientations = self.lists
        missing = 0.0
        if limit is None:
            kept = torch.ones((len(chosen) * sources, orientations), dtype=torch.bool, device=slow.device)
        else:
            views = views_of(self.plan, self.panel, slow, fast, evaluations)
            parts = list(self.bounds_of(views, limit))
            kept = torch.cat([bounds.kept() for bounds in parts])
            missing = float(torch.cat([bounds.skipped for bounds in parts]).max())
        lists = lists_of(kept)
        samples = [by_tile(component, slow.shape[1]).flatten(0, 1) for component in evaluations.scattering]
        intensity = self._summed(samples, lists)
        photons = tile_photons(self.plan, self.panel, slow, fast, evaluations, intensity)
        return photons, len(lists.kept), missing

    def kept(self, chosen: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
        """Which orientations of tiles must be evaluated, booleans (tile x source, orientation)."""
        return torch.cat([bounds.kept() for bounds in self.bounds_of(self.views(chosen), limit)])

    def _summed(self, samples: Sequence[torch.Tensor], lists: Lists) -> torch.Tensor:
        """Intensities of samples (row, sample), summed over lists: those of about one length together."""
        lengths, order = lists.rows[:, 1].sort(descending=True)
        # Nothing is summed where a list is empty.
        longest, rows = lengths.tolist(), order[lengths > 0]
        ordered, of_lists = [each[rows] for each in samples], lists.rows[rows]
        parts, start = [], 0
        while start < len(rows):
            part = slice(start, start + max(1, _TERMS // (samples[0].shape[1] * longest[start])))
            of_part = [each[part] for each in ordered]
            parts.append(listed_intensity(self.plan, of_part, self.vectors, lists.kept, of_lists[part]))
            start = part.stop
        intensity = torch.zeros_like(samples[0])
        if parts:
            intensity[rows] = torch.cat(parts)
        return intensity


def _culled_photons(
    whole: _Sum,
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
    whole
        The sum of a plan that `cull_refusal` has nothing against.
    share
        Between 0 and 1.
    dtype, engine
        Of the photons, and whose threads sum them: operation by operation, whatever its name.
    uncertain
        Number of a pixel that will be replaced; it cannot tell how high the peak is.
    progress
        Called after each block with the number of pixels it finished.
    """
    plan, tiles = whole.plan, whole.tiles
    values = torch.zeros(tiles.pixels.count, dtype=dtype, device=plan.device)
    limit = _limit(share * _peak(whole, engine, uncertain), plan)

    def fill(piece: tuple[int, int]) -> tuple[int, int, float]:
        with torch.no_grad():
            chosen = torch.arange(*piece, device=plan.device)
            photons, evaluated, missing = whole.photons(chosen, limit if float(limit) > 0.0 else None)
            numbers = tiles.numbers_of(chosen)
            there = numbers >= 0
            values[numbers[there]] = photons[there].to(dtype)
            return int(there.sum()), evaluated, missing

    evaluated, largest = 0, 0.0
    for done, number, missing in in_threads(fill, _pieces(whole, tiles.count, engine), plan.device, engine.team()):
        evaluated, largest = evaluated + number, max(largest, missing)
        if progress is not None:
            progress(done)
    pairs = tiles.count * whole.lists[0] * whole.lists[1]
    return values, Culled(pairs=pairs, evaluated=evaluated, bound=largest, level=float(limit))


def _limit(photons: float, plan: Plan) -> torch.Tensor:
    """Photons that may be left out, as `tile_bounds` takes them: float64, ()."""
    return torch.tensor(photons, dtype=torch.float64, device=plan.device)


def _peak(whole: _Sum, engine: Engine, uncertain: int | None) -> float:
    """Photons of the brightest pixel that is found: a bound of the peak from below."""
    tiles, device = whole.tiles, whole.plan.device
    # Spots are larger than tiles: some tiles of many tell where they are.
    some = torch.arange(0, tiles.count, 1 if tiles.count < _MANY else _ONE_IN, device=device)
    one = _limit(1.0, whole.plan)

    def reach(piece: tuple[int, int]) -> torch.Tensor:
        with torch.no_grad():
            views = whole.views(some[slice(*piece)])
            return torch.cat([bounds.reach for bounds in whole.bounds_of(views, one)])

    reaches = list(in_threads(reach, _pieces(whole, len(some), engine), device, engine.team()))
    if not reaches:
        return 0.0
    found = some[torch.cat(reaches).topk(min(len(some), _CANDIDATES)).indices]
    # Those that lie beside them were perhaps not looked at.
    beside = torch.arange(1 - _ONE_IN, _ONE_IN, device=device)
    candidates = torch.unique((found.unsqueeze(1) + beside).clamp(0, tiles.count - 1))

    def peak(piece: tuple[int, int]) -> float:
        with torch.no_grad():
            chosen = candidates[slice(*piece)]
            numbers = tiles.numbers_of(chosen)
            counted = (numbers >= 0) & (numbers != (-1 if uncertain is None else uncertain))
            return float(torch.where(counted, whole.photons(chosen, None)[0], 0.0).max())

    few = [(low, min(low + _CANDIDATES, len(candidates))) for low in range(0, len(candidates), _CANDIDATES)]
    return max(in_threads(peak, few, device, engine.team()))


def _pieces(whole: _Sum, count: int, engine: Engine) -> list[tuple[int, int]]:
    """Tiles to go through together: a few pieces for each core, no larger than memory allows."""
    sources, orientations = whole.lists
    samples = whole.panel.layer_depths.numel() * whole.plan.oversample**2 * whole.tiles.side**2
    most = min(_PIECE_PAIRS // (sources * orientations), _PIECE_SAMPLES // (sources * samples), count // engine.cores())
    size = max(1, most)
    return [(low, min(low + size, count)) for low in range(0, count, size)]


def kept_orientations(
    plan: Plan, panel: PanelPlan, pixels: Pixels, pixel: tuple[int, int], photons: float
) -> torch.Tensor:
    """Which orientations a pixel (slow, fast) was summed from, booleans (source, orientation).

    `photons` are those that might be left out; of none, nothing is.
    """
    tiles = _tiles(plan, panel, pixels)
    whole = _sum(plan, panel, tiles)
    if not photons > 0.0:
        return torch.ones(whole.lists, dtype=torch.bool, device=plan.device)
    down, along = pixel[0] - pixels.region[2], pixel[1] - pixels.region[0]
    place = down // tiles.side * -(-pixels.width // tiles.side) + along // tiles.side
    return whole.kept((tiles.places == place).nonzero().reshape(-1), _limit(photons, plan))


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
        values, self.culled = _culled_photons(
            _sum(plan, self._panel, _tiles(plan, self._panel, self._pixels)),
            self._share,
            self._dtype,
            self._engine,
            uncertain=first_evaluated(plan, self._panel, self._pixels),
            progress=self._progress,
        )
        return Strip(values, torch.zeros(stop, dtype=torch.uint8, device=plan.device))


def _tiles(plan: Plan, panel: PanelPlan, pixels: Pixels) -> Tiles:
    """Pixels in tiles that are small, and fill the vectors of a processor."""
    samples = panel.layer_depths.numel() * plan.oversample**2
    side = 1
    while side * side * samples < _TILE_SAMPLES:
        side *= 2
    return cut_into_tiles(pixels, side)


def _sum(plan: Plan, panel: PanelPlan, tiles: Tiles) -> _Sum:
    assert isinstance(plan.structure_factors, BoundedStructureFactors)
    summing = summed_plan(plan, panel)
    bounding = attrs.evolve(summing, tables=plan.structure_factors.neighbourhoods(plan.tables))
    return _Sum(
        plan=summing,
        panel=summing.panels[0],
        tiles=tiles,
        bounding=bounding,
        columns=columns_for_bounds(plan),
        vectors=plan.cell_vectors.detach().reshape(-1, 9).contiguous(),
    )
