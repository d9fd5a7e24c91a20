"""The sum of the terms above a level, of all pixels of a region: found in lots, and added where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import attrs
import numpy as np
import torch

from openbragg.engine.compiled.block import summed_plan
from openbragg.engine.compiled.engine import Engine
from openbragg.engine.compiled.kernel import Run
from openbragg.engine.compiled.kinds import arguments_of
from openbragg.engine.compiled.summers import padded
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.sparse.canvas import SIDE, Canvas, Lit
from openbragg.engine.sparse.crowded import Crowded
from openbragg.engine.sparse.limits import bounded_plan
from openbragg.engine.sparse.room import Room
from openbragg.engine.sparse.terms import (
    PHOTONS,
    TERMS,
    lanes,
    lanes_in,
    photons_of_sums,
    rows_of,
    visit_terms,
)
from openbragg.engine.sparse.visits import Search, Visits, directions, joined, make_search
from openbragg.engine.strips import advance, ranges
from openbragg.engine.threads import in_threads
from openbragg.roles import LimitedStructureFactors

#: Visits that are looked for before they are summed, in some hundred bytes each; there may be twice as many.
_MOST_VISITS = 1 << 16
#: Rows evaluated together by compiled code and without: what comes out stays in a core's cache.
_COMPILED_ROWS, _EAGER_ROWS = 1 << 11, 1 << 10
#: Pixels of squares, some of them dark, whose photons are worked out together.
_PHOTONS = 1 << 17
#: Strips of the region for each core, and pixels of visits for which one is made, at least.
_STRIPS, _OF_STRIP = 3, 1 << 14
#: About what an evaluation costs in seconds of one core, with compiled code and without; and what a visit costs beside.
_COMPILED_SECONDS, _EAGER_SECONDS, _VISIT_SECONDS = 1.2e-8, 1.2e-7, 5e-7
#: What a term of the full sum costs, likewise with compiled code; of some shapes it is half of that, of others twice.
_FULL_SECONDS = 2e-9
#: The part of the full sum's time that a search may take.
_SEARCHING = 0.1
#: A full sum is known to take at least so much longer before it is left.
_SURELY = 1.5
#: How many times as many lanes and visits the level has that follows on a high one, at least.
_MORE_LANES, _MORE_VISITS = 4.0, 2.0


def _taken(stream: Iterator[Visits], count: int) -> tuple[list[Visits], bool]:
    """About so many visits of a search that goes on, and whether it is over."""
    taken, number = [], 0
    for visits in stream:
        if len(visits.orientation):
            taken.append(visits)
            number += len(visits.orientation)
        if number >= count:
            return taken, False
    return taken, True


@attrs.frozen(eq=False)
class _Lot:
    """Visits, and which part of all there are is in this lot and those before it, about."""

    visits: Visits
    done: float


class SpotSum:
    """The sum of the terms above a level, of all pixels of a region."""

    def __init__(self, plan: Plan, panel: PanelPlan, pixels: Pixels, engine: Engine, *, keep: bool) -> None:
        # The visits of the last sum, where they are to be kept.
        self.keep = keep
        self.lots: list[Visits] = []
        self.plan, self.panel, self.pixels, self.engine = plan, panel, pixels, engine
        assert isinstance(plan.structure_factors, LimitedStructureFactors)
        self.bounded = bounded_plan(plan)
        with torch.no_grad():
            self.largest = float(plan.structure_factors.largest(self.bounded.tables))
        unused: dict[str, Any] = {"cell_vectors": None}
        self.summing = attrs.evolve(summed_plan(plan, panel), **unused)
        self.vectors = plan.cell_vectors.detach().reshape(-1, 9).contiguous()
        self.directions = directions(plan)
        self.canvas = Canvas(pixels)
        self.lit: list[tuple[Lit, torch.Tensor]] = []
        self._searched: dict[int, Search] = {}
        self.kernels: Sequence[Run] | None = None
        self.asked = False

    def add_all(self, level: float, *, probing: bool = False) -> int | None:
        """Sum all terms above a level; to probe, those alone where most spots lie on each other.

        How many pixels of visits there were; or None where the full sum does not surely take longer, that of the level
        which follows on the probe included.
        """
        more_lanes, more_visits = (_MORE_LANES, _MORE_VISITS) if probing else (1.0, 1.0)
        self.canvas = Canvas(self.pixels)
        self.lots = []
        # Code that did not pay for a high level may for the next.
        self.asked = self.kernels is not None
        evaluated = filled = visits = 0
        if not self._worth_a_search(level):
            return None
        for lot in self._lots(level):
            evaluated += lot.visits.pixels()
            filled += lanes_in(lot.visits)
            visits += len(lot.visits.orientation)
            if not self._pays(more_lanes * filled / lot.done, more_visits * visits / lot.done):
                return None
            if probing:
                # Wherever that is, no pixel is above the peak.
                self._add(Crowded.of(lot.visits, self.pixels).among(lot.visits))
                continue
            self._add(lot.visits)
            if self.keep:
                self.lots.append(lot.visits)
        self.lit = self._lit()
        return evaluated

    def peak(self, uncertain: int | None) -> float:
        """Photons of the brightest pixel that is reached, but for one of that number, which will be replaced."""
        brightest = 0.0
        for lit, photons in self.lit:
            counted = photons if uncertain is None else photons[lit.numbers != uncertain]
            brightest = max(brightest, float(counted.max())) if counted.numel() else brightest
        return brightest

    def photons(self, room: Room, progress: Callable[[int], None] | None) -> torch.Tensor:
        """Photons of the pixels, (pixel,), in a room of their number."""
        values = room.values()
        array = values.numpy()
        with torch.no_grad():
            if self.plan.water is not None:
                for numbers, slow, fast in self.canvas.unlit([lit for lit, _ in self.lit], _PHOTONS):
                    values[numbers] = self._photons(slow, fast, torch.zeros_like(slow)).to(values.dtype)

        def fill(piece: tuple[int, int]) -> None:
            lit, photons = self.lit[piece[0]]
            # Torch takes several times as long to put numbers at places.
            array[lit.numbers.numpy()] = photons.numpy()

        for _ in in_threads(fill, list(ranges(0, len(self.lit), 1)), self.pixels.device, self.engine.team()):
            pass
        advance(progress, self.pixels.count)
        return values

    def _lit(self) -> list[tuple[Lit, torch.Tensor]]:
        """The pixels that terms were added to, with their photons."""

        def photons(part: tuple[int, int]) -> tuple[Lit, torch.Tensor]:
            with torch.no_grad():
                lit = self.canvas.lit(part)
                return lit, self._photons(lit.slow, lit.fast, self.canvas.sums[lit.places])

        return list(in_threads(photons, self.canvas.parts(_PHOTONS), self.pixels.device, self.engine.team()))

    def _photons(self, *of_pixels: torch.Tensor) -> torch.Tensor:
        if not of_pixels[0].numel():
            return of_pixels[0]
        if self.kernels is None:
            return photons_of_sums(self.summing, self.summing.panels[0], *of_pixels)
        filled = [padded(each) for each in of_pixels]
        return self.kernels[1]([*self._arguments, *filled])[0][: of_pixels[0].numel()]

    @cached_property
    def _arguments(self) -> list[torch.Tensor]:
        """The plan's tensors."""
        return arguments_of(self.summing)

    def _worth_a_search(self, level: float) -> bool:
        """Whether looking for visits takes a small part of the full sum's time."""
        count = len(self.directions)
        middle = self._search(count // 2, level)
        cost = count * middle.cost() / self.engine.cores()
        return _SURELY * cost < _SEARCHING * self._full_seconds()

    def _search(self, direction: int, level: float) -> Search:
        """The search for visits of a direction."""
        known = self._searched.pop(direction, None)
        if known is not None and known.level == level:
            return known
        search = make_search(self.bounded, self.panel, self.pixels, self.directions[direction], (level, self.largest))
        # It is asked for once more at most, by what is decided from its cost.
        self._searched[direction] = search
        return search

    def _full_seconds(self) -> float:
        """About how long the full sum takes."""
        plan, count = self.plan, self.pixels.count
        eager = self.engine.eager_seconds(plan, count)
        if not self.engine.would_compile(plan, self.panel, eager):
            return eager
        return count * plan.terms_per_pixel() * _FULL_SECONDS / self.engine.cores()

    def _pays(self, filled: float, visits: float) -> bool:
        """Whether all terms surely take longer than so many visits with so many lanes, and with what code."""
        plan, cores = self.plan, self.engine.cores()
        per_pixel = self.panel.layer_depths.numel() * plan.oversample**2
        terms, full = filled * per_pixel, self._full_seconds()
        if not self.asked and self.engine.name != "eager":
            seconds = terms * _EAGER_SECONDS / cores
            self.kernels = self.engine.kernels([(self.summing, TERMS), (self.summing, PHOTONS)], seconds)
            self.asked = True
        each = _EAGER_SECONDS if self.kernels is None else _COMPILED_SECONDS
        return _SURELY * (terms * each + visits * _VISIT_SECONDS) / cores < full

    def _lots(self, level: float) -> Iterator[_Lot]:
        """The visits of all sources, in lots of a bounded size."""
        kept: list[Visits] = []
        done = 0.0
        for direction in range(len(self.directions)):
            search = self._search(direction, level).shared(self.engine.cores())
            count = len(search.groups)
            streams = [search.visits(number) for number in range(count)]
            while streams:
                # While a lot is summed no thread searches further: what it found would have to be kept.
                now = streams[: self.engine.cores()]

                def found(piece: tuple[int, int], now: list[Iterator[Visits]] = now) -> tuple[list[Visits], bool]:
                    with torch.no_grad():
                        return _taken(now[piece[0]], _MOST_VISITS // len(now))

                ended = []
                pieces = list(ranges(0, len(now), 1))
                for stream, (visits, is_over) in zip(
                    now, in_threads(found, pieces, self.pixels.device, self.engine.team()), strict=True
                ):
                    kept.extend(visits)
                    if is_over:
                        ended.append(stream)
                streams = [stream for stream in streams if stream not in ended]
                done += len(ended) / (count * len(self.directions))
                if sum(len(each.orientation) for each in kept) > _MOST_VISITS:
                    # Of what has begun and is not over half is done, as far as is known.
                    begun = 0.5 * (len(now) - len(ended)) / (count * len(self.directions))
                    yield _Lot(joined(kept), done + begun)
                    kept = []
        if kept:
            yield _Lot(joined(kept), 1.0)

    def _add(self, visits: Visits) -> None:
        """Add the terms of visits to the sums of pixels; each strip is one thread's."""
        pixels, canvas = self.pixels, self.canvas
        canvas.reach(visits.boxes)
        lane, grid = lanes(), canvas.grid()
        size = _EAGER_ROWS if self.kernels is None else _COMPILED_ROWS

        def add(strip: tuple[int, int]) -> None:
            chosen = np.flatnonzero((visits.boxes[:, 2] < strip[1]) & (visits.boxes[:, 3] >= strip[0]))
            rows = rows_of(visits.where(chosen), pixels.region[2], pixels.region[0], strip)
            for low, high in ranges(0, len(rows.rows), size):
                further = (rows.visits, rows.beams, rows.rows[low:high], self.vectors, lane, grid, canvas.numbers)
                with torch.no_grad():
                    terms, places = self._terms(*further)
                    canvas.sums.index_add_(0, places.reshape(-1), terms.reshape(-1))

        strips = min(_STRIPS * self.engine.cores(), -(-visits.pixels() // _OF_STRIP))
        # A square of sums is one strip's alone.
        height = -(-pixels.height // (SIDE * max(1, strips))) * SIDE
        for _ in in_threads(add, list(ranges(0, pixels.height, height)), pixels.device, self.engine.team()):
            pass

    def _terms(self, *further: torch.Tensor) -> Sequence[torch.Tensor]:
        """What evaluates rows, by compiled code or without."""
        if self.kernels is None:
            return visit_terms(self.summing, self.summing.panels[0], *further)
        return self.kernels[0]([*self._arguments, *further])
