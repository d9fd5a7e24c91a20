"""The sum from reflections to pixels: only of the terms that are near a lattice point.

Each term belongs to one reflection, the nearest to its h k l. Those whose F_cell^2 F_latt^2 is above a level are found
by their spots, and evaluated; the others add, all together, no more than the level times the number of terms. Twice
this is done: for a high level, whose image tells how large the peak is at least, and for the level that follows from
it. `docs/explanation/cull.md` has the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import torch

from openbragg.engine.compiled.block import summed_plan, tensors_in, with_tensors
from openbragg.engine.compiled.engine import Engine
from openbragg.engine.compiled.kernel import Run
from openbragg.engine.compiled.kinds import arguments_of
from openbragg.engine.compiled.summers import padded
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.sequence import first_evaluated
from openbragg.engine.sparse.culled import Culled
from openbragg.engine.sparse.derivatives import SpotTerms
from openbragg.engine.sparse.terms import (
    PHOTONS,
    TERMS,
    lanes,
    of_source,
    photons_of_sums,
    rows_of,
    visit_terms,
)
from openbragg.engine.sparse.visits import Search, Visits, joined, make_search
from openbragg.engine.strips import Strip, advance, ranges
from openbragg.engine.threads import in_threads
from openbragg.roles import LimitedStructureFactors, LocalLatticeShape, Miller

#: What `Culled.pairs` are of.
OF_SPOTS = "the terms, summed from reflections"

#: Visits of a source that are kept at once, in some hundred bytes each.
_MOST_VISITS = 1 << 20
#: Rows evaluated together by compiled code and without: what comes out stays in a core's cache.
_COMPILED_ROWS, _EAGER_ROWS = 1 << 11, 1 << 10
#: Pixels whose photons are worked out together, and among which those with any are looked for together, at least.
_PHOTONS, _PIXELS = 1 << 15, 1 << 18
#: Strips of the region for each core, and pixels of visits for which one is made, at least.
_STRIPS, _OF_STRIP = 6, 1 << 14
#: The first level as a part of the largest term there may be; how much lower the next is where nothing is above it, and
#: how often that is tried.
_FIRST_LEVEL, _LOWER, _ATTEMPTS = 0.03, 1e-3, 5
#: About what an evaluation costs in seconds of one core, with compiled code and without.
_COMPILED_SECONDS, _EAGER_SECONDS = 1.2e-8, 1.5e-7
#: What a term of the full sum costs, likewise with compiled code.
_FULL_SECONDS = 3e-9
#: Points along each side of a panel at which its distance is looked at.
_GRID = 33
#: Of numpy's numbers those of torch's.
_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
#: The part of the full sum's time that a search may take.
_SEARCHING = 0.1
#: A full sum is known to take at least so much longer before it is left.
_SURELY = 1.5
#: How much less the sum of a high level takes than the one that follows, at least; else neither pays.
_PROBING = 8.0
#: Sums of what is left out are larger by less than this part, for rounding.
_ROUNDING = 1.0 + 1e-9


def spots_refusal(plan: Plan) -> str | None:
    """Why a plan that `openbragg.engine.sparse.cull.cull_refusal` lets pass has no sum from reflections; else None."""
    if plan.device.type != "cpu":
        return "it is summed on a GPU"
    if plan.reference_rays:
        return "the order of operations matters"
    if plan.transformed() and torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch.func transforms all terms"
    if plan.curvature is not None:
        return "the detector is curved"
    if not isinstance(plan.shape, LocalLatticeShape):
        return f"spots of the lattice shape {plan.shape.name} have no end"
    if not isinstance(plan.structure_factors, LimitedStructureFactors):
        return f"the structure factors {plan.structure_factors.name} have no largest one"
    return None


@attrs.frozen(eq=False)
class _Lot:
    """Visits of one source, and which part of all there are is in this lot and those before it, about."""

    source: int
    visits: Visits
    done: float


class SpotRenderer:
    """Renders all pixels of a panel for `openbragg.engine.sequence.render_in_order`.

    Attributes
    ----------
    culled
        What was left out, once they are rendered.
    """

    def __init__(
        self,
        plan: Plan,
        panel: PanelPlan,
        pixels: Pixels,
        share: float,
        dtype: torch.dtype,
        engine: Engine,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """For a plan that `spots_refusal` has nothing against; other arguments as of `CullingRenderer`."""
        self._pixels, self._share = pixels, share
        self._dtype, self._engine, self._progress = dtype, engine, progress
        # What may carry derivatives is looked at without them, and evaluated again for them.
        self._carries = plan.differentiable() or plan.transformed()
        alone = attrs.evolve(plan, panels=(panel,))
        self._whole = alone
        if self._carries:
            self._whole = with_tensors(alone, [tensor.detach() for _, tensor in tensors_in(alone)])
        self._given, self._panel = panel, self._whole.panels[0]
        self._sum = _Sum(self._whole, self._panel, pixels, engine, keep=self._carries)
        self._values: torch.Tensor | None = None
        self.culled: Culled | None = None

    def pays(self) -> bool:
        """Sum, as long as that is expected to take less time than the full sum; whether it did."""
        plan, pixels = self._whole, self._pixels
        weight = _largest_weight(plan, self._panel, pixels)
        # Of a crystal that scatters nothing, as one with a -crystal_scale of 0, no part can be left out.
        if pixels.count == 0 or not weight:
            return False
        with torch.no_grad():
            uncertain = first_evaluated(plan, self._panel, pixels)
        level = _FIRST_LEVEL * _largest_term(plan, self._sum.largest)
        surely = _SURELY * _PROBING
        for _ in range(_ATTEMPTS):
            evaluated = self._sum.add_all(level, surely)
            if evaluated is None:
                return False
            peak = self._sum.peak(uncertain)
            # What more there is in the next image only makes its peak larger.
            allowed = self._share * peak / (weight * _ROUNDING)
            if 0.0 < level <= allowed:
                self._values = self._sum.photons(self._dtype, self._progress)
                pairs = pixels.count * plan.cell_vectors.shape[:2].numel() * plan.wavelengths.numel()
                self.culled = Culled(
                    pairs=pairs, evaluated=min(evaluated, pairs), bound=level * weight * _ROUNDING, of=OF_SPOTS
                )
                return True
            level, surely = (allowed / _ROUNDING, _SURELY) if peak > 0.0 else (level * _LOWER, surely)
        return False

    def __call__(self, plan: Plan, start: int, stop: int) -> Strip:
        """The pixels, which are always all: nothing is left out of a run in which the order matters further."""
        assert (start, stop) == (0, self._pixels.count) and self._values is not None
        values = self._values
        if self._carries:
            terms = SpotTerms(self._pixels, self._sum.lots, self._sum.total)
            if plan.transformed():
                values = terms.carried(plan, self._given, self._dtype)
            else:
                values = terms.with_gradient(plan, self._given, values)
        return Strip(values, torch.zeros(1, dtype=torch.uint8).expand(stop))


class _Sum:
    """The sum of the terms above a level, of all pixels of a region."""

    def __init__(self, plan: Plan, panel: PanelPlan, pixels: Pixels, engine: Engine, *, keep: bool) -> None:
        # The visits of the last sum, where they are to be kept, each with the number of the source.
        self.keep = keep
        self.lots: list[tuple[int, Visits]] = []
        self.plan, self.panel, self.pixels, self.engine = plan, panel, pixels, engine
        assert isinstance(plan.structure_factors, LimitedStructureFactors)
        with torch.no_grad():
            self.largest = float(plan.structure_factors.largest(plan.tables))
        unused: dict[str, Any] = {"cell_vectors": None}
        self.summing = attrs.evolve(summed_plan(plan, panel), **unused)
        self.vectors = plan.cell_vectors.detach().reshape(-1, 9).contiguous()
        # Of memory that nothing is written to, none is taken.
        self.total = np.zeros(0)
        self.kernels: Sequence[Run] | None = None
        self.asked = False

    def add_all(self, level: float, surely: float) -> int | None:
        """Sum all terms above a level.

        How many pixels of visits there were; or None where the full sum does not take `surely` times as long.
        """
        self.total = np.zeros(self.pixels.height * self.pixels.width)
        self.lots = []
        evaluated = 0
        if not self._worth_a_search(level):
            return None
        for lot in self._lots(level):
            count = lot.visits.pixels()
            if evaluated == 0 and not self._pays(count / lot.done, surely):
                return None
            evaluated += count
            self._add(lot)
            if self.keep:
                self.lots.append((lot.source, lot.visits))
        return evaluated

    def peak(self, uncertain: int | None) -> float:
        """Photons of the brightest pixel, but for one of that number, which will be replaced."""

        def largest(piece: tuple[int, int]) -> float:
            with torch.no_grad():
                numbers, photons = self._of_pixels(*piece)
                if uncertain is not None:
                    photons = photons[numbers != uncertain]
                return float(photons.max()) if photons.numel() else 0.0

        return max(in_threads(largest, self._pieces(), self.pixels.device, self.engine.team()), default=0.0)

    def photons(self, dtype: torch.dtype, progress: Callable[[int], None] | None) -> torch.Tensor:
        """Photons of the pixels, (pixel,)."""
        values = torch.from_numpy(np.zeros(self.pixels.count, dtype=_NUMPY[dtype]))

        def fill(piece: tuple[int, int]) -> int:
            with torch.no_grad():
                numbers, photons = self._of_pixels(*piece)
                values[numbers] = photons.to(dtype)
            return piece[1] - piece[0]

        for finished in in_threads(fill, self._pieces(), self.pixels.device, self.engine.team()):
            advance(progress, finished)
        return values

    def _pieces(self) -> list[tuple[int, int]]:
        """Pixels, by their numbers, in pieces."""
        size = max(_PIXELS, self.pixels.count // (4 * _STRIPS * self.engine.cores()))
        return list(ranges(0, self.pixels.count, size))

    def _of_pixels(self, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the pixels from a number up to another the numbers of those that have any photons, and these."""
        pixels = self.pixels
        sums = self.total[start:stop] if pixels.chosen is None else self.total[pixels.chosen[start:stop].numpy()]
        # Truths are searched several times as fast as numbers.
        there = np.arange(stop - start) if self.plan.water is not None else np.flatnonzero(sums != 0.0)
        numbers = torch.from_numpy(there + start)
        place = numbers if pixels.chosen is None else pixels.chosen[numbers]
        slow = (place // pixels.width + pixels.region[2]).to(torch.float64)
        fast = (place % pixels.width + pixels.region[0]).to(torch.float64)
        intensity = torch.from_numpy(sums[there])
        parts = [
            self._photons(slow[low:high], fast[low:high], intensity[low:high])
            for low, high in ranges(0, len(there), _PHOTONS)
        ]
        return numbers, torch.cat(parts) if parts else intensity

    def _photons(self, *of_pixels: torch.Tensor) -> torch.Tensor:
        if self.kernels is None:
            return photons_of_sums(self.summing, self.summing.panels[0], *of_pixels)
        filled = [padded(each) for each in of_pixels]
        return self.kernels[1]([*arguments_of(self.summing), *filled])[0][: of_pixels[0].numel()]

    def _worth_a_search(self, level: float) -> bool:
        """Whether looking for visits takes a small part of the full sum's time."""
        sources = self.plan.wavelengths.numel()
        middle = make_search(self.plan, self.panel, self.pixels, sources // 2, (level, self.largest))
        cost = sources * middle.cost() / self.engine.cores()
        return _SURELY * cost < _SEARCHING * self._full_seconds()

    def _full_seconds(self) -> float:
        """About how long the full sum takes."""
        plan, count = self.plan, self.pixels.count
        eager = self.engine.eager_seconds(plan, count)
        if not self.engine.would_compile(plan, self.panel, eager):
            return eager
        return count * plan.terms_per_pixel() * _FULL_SECONDS / self.engine.cores()

    def _pays(self, pixels: float, surely: float) -> bool:
        """Whether all terms take so many times as long as those of so many pixels of visits, and with what code."""
        plan, cores = self.plan, self.engine.cores()
        per_pixel = self.panel.layer_depths.numel() * plan.oversample**2
        terms, full = pixels * per_pixel, self._full_seconds()
        if not self.asked and self.engine.name != "eager":
            seconds = terms * _EAGER_SECONDS / cores
            self.kernels = self.engine.kernels([(of_source(self.summing, 0), TERMS), (self.summing, PHOTONS)], seconds)
            self.asked = True
        each = _EAGER_SECONDS if self.kernels is None else _COMPILED_SECONDS
        return surely * terms * each / cores < full

    def _lots(self, level: float) -> Iterator[_Lot]:
        """The visits of all sources, in lots of a bounded size."""
        sources = self.plan.wavelengths.numel()
        for source in range(sources):
            search = make_search(self.plan, self.panel, self.pixels, source, (level, self.largest))
            search = search.shared(self.engine.cores())
            pieces = len(search.groups)
            kept: list[Visits] = []

            def found(piece: tuple[int, int], search: Search = search) -> list[Visits]:
                with torch.no_grad():
                    return list(search.visits(piece[0]))

            numbers = [(number, number + 1) for number in range(pieces)]
            for number, visits in enumerate(in_threads(found, numbers, self.pixels.device, self.engine.team())):
                kept.extend(each for each in visits if len(each.orientation))
                if sum(len(each.orientation) for each in kept) > _MOST_VISITS:
                    yield _Lot(source, joined(kept), (source + (number + 1) / pieces) / sources)
                    kept = []
            if kept:
                yield _Lot(source, joined(kept), (source + 1) / sources)

    def _add(self, lot: _Lot) -> None:
        """Add the terms of visits to the sums of their pixels; each strip of these is one thread's."""
        pixels, width = self.pixels, self.pixels.width
        plan = of_source(self.summing, lot.source)
        arguments, lane = arguments_of(plan), lanes()
        across = torch.tensor(float(width), dtype=torch.float64)
        top, bottom = lot.visits.boxes[:, 2], lot.visits.boxes[:, 3]
        size = _EAGER_ROWS if self.kernels is None else _COMPILED_ROWS

        def add(strip: tuple[int, int]) -> None:
            chosen = np.flatnonzero((top < strip[1]) & (bottom >= strip[0]))
            rows = rows_of(lot.visits.where(chosen), pixels.region[2], pixels.region[0], strip, width)
            sums = torch.from_numpy(self.total[strip[0] * width : strip[1] * width])
            with torch.no_grad():
                for low, high in ranges(0, len(rows.rows), size):
                    further = (rows.visits, rows.orientation, rows.rows[low:high], self.vectors, lane, across)
                    if self.kernels is None:
                        terms, places = visit_terms(plan, plan.panels[0], *further)
                    else:
                        terms, places = self.kernels[0]([*arguments, *further])
                    sums.index_add_(0, places.reshape(-1), terms.reshape(-1))

        strips = min(_STRIPS * self.engine.cores(), -(-lot.visits.pixels() // _OF_STRIP))
        height = -(-pixels.height // max(1, strips))
        for _ in in_threads(add, list(ranges(0, pixels.height, height)), pixels.device, self.engine.team()):
            pass


def _largest_term(plan: Plan, largest: float) -> float:
    """The largest F_cell^2 F_latt^2 there may be, in squared electrons, with that F_cell."""
    zero = torch.zeros((), dtype=torch.float64)
    origin = Miller(zero, zero, zero)
    with torch.no_grad():
        amplitude = torch.as_tensor(largest, dtype=torch.float64)
        for factor in plan.shape.factors(origin, origin, plan.lattice):
            amplitude = amplitude * factor.to(torch.float64)
    return float(amplitude * amplitude)


def _largest_weight(plan: Plan, panel: PanelPlan, pixels: Pixels) -> float | None:
    """Photons that a pixel gets from one squared electron in each of its terms, at most.

    None where a pixel faces away from the crystal, or is where it stands.
    """
    depths = panel.layer_depths.detach()
    close = float(panel.close_distance)
    nearest = _nearest(panel, pixels)
    if not (close > 0.0 and nearest > 0.0):
        return None
    omega = 1.0 / nearest**2 if plan.point_pixel else float(panel.pixel_area) * close / nearest**3
    layers = float(depths.numel())
    if panel.absorbs and not plan.last_layer:
        # The parts of photons that the layers take add up to less than 1 along one ray, and a pixel's rays to its
        # layers differ in their slopes by no more than this.
        layers = min(layers, (1.0 + float(depths.abs().max()) / nearest) ** 3)
    phi, mosaic = plan.cell_vectors.shape[:2]
    # The weights of sources are 1 on average.
    terms = layers * plan.oversample**2 * plan.wavelengths.numel() * phi * mosaic
    return abs(float(plan.intensity_to_photons)) * omega * terms


def _nearest(panel: PanelPlan, pixels: Pixels) -> float:
    """How far from the crystal any place of the region is, at least, in metres."""
    first_fast, last_fast, first_slow, last_slow = pixels.region
    size = float(panel.pixel_size)
    fast, slow = ((vector.detach() * size) for vector in (panel.fast, panel.slow))
    shares = torch.linspace(0.0, 1.0, _GRID, dtype=torch.float64)
    along_fast = (first_fast + shares * (last_fast + 1 - first_fast)).reshape(-1, 1, 1)
    along_slow = (first_slow + shares * (last_slow + 1 - first_slow)).reshape(1, -1, 1)
    places = panel.origin.detach() + along_fast * fast + along_slow * slow
    # Any place is no farther from a point of the grid than half a diagonal of its meshes, the longer one.
    mesh_fast, mesh_slow = fast * (pixels.width / (_GRID - 1)), slow * (pixels.height / (_GRID - 1))
    diagonal = torch.maximum((mesh_fast + mesh_slow).norm(), (mesh_fast - mesh_slow).norm())
    front = float(places.norm(dim=-1).min()) - 0.5 * float(diagonal)
    # Deeper layers are beside it by the sensor's thickness. Nothing is nearer than the foot of the panel's plane.
    depths = panel.layer_depths.detach() * panel.normal.detach().norm()
    foot = float(panel.close_distance) - max(0.0, -float(depths.min()))
    return max(front - float(depths.abs().max()), foot)
