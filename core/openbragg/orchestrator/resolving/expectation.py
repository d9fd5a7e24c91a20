"""How long a rendering will take, from a sample of its pixels on this machine."""

from __future__ import annotations

import math
import time

import attrs

from openbragg.engine.compiled.engine import Engine, Use
from openbragg.engine.compiled.kinds import FORWARD
from openbragg.engine.pixels import Region
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.rendering import render_panel
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.resolving.frame import Shown

#: Work that is not worth measuring, in seconds without compiled code.
_SHORT = 1.0
#: Seconds of a sample that tell enough, and that one may take; the part of all pixels that it may have.
_ENOUGH, _MOST, _PART = 0.03, 0.3, 0.05
#: About how much faster compiled code is, where none is there yet to be measured.
_GAIN = 8.0


@attrs.frozen
class Expectation:
    """About how long a rendering will take, in seconds: compiling for it, and the sum itself.

    The sum's are what a sample took on this machine, where there is compiled code already or none is to be made. With
    `at_most` they are those of the full sum, of which most is going to be left out.
    """

    compiling: float
    rendering: float
    at_most: bool = False

    def text(self) -> str:
        """The times for people."""
        rendering = _shown(self.rendering)
        if self.at_most and self.rendering >= 1.0:
            rendering = f"at most {rendering}"
        return f"{rendering}, after {_shown(self.compiling)} for compiling" if self.compiling else rendering


def expected_time(layout: Layout, engine: Engine, images: int = 1, cull: float | None = None) -> Expectation:
    """About how long so many images like that of a layout take; `cull` is that of the simulation.

    A part of the pixels is rendered, if all of them take long and what they take tells about the others.
    """
    # Each crystal of a scene takes about as long.
    plan, images = layout.plan, images * len(layout.lattices())
    eager = sum(engine.eager_seconds(plan, part.count()) for part in layout.shown)
    if images * eager < _SHORT or plan.device.type != "cpu" or plan.differentiable():
        return Expectation(0.0, images * eager)
    if cull is not None and _sums_spots(plan):
        compiled = engine.would_compile(plan, plan.panels[0], eager)
        return Expectation(0.0, images * eager / (_GAIN if compiled else 1.0), at_most=True)
    panel, part = max(zip(plan.panels, layout.shown, strict=True), key=lambda pair: pair[1].count())
    # Code that is there is used; nothing is compiled, noticed or counted for a sample.
    tried = attrs.evolve(
        engine, name="eager" if engine.name == "eager" else "auto", use=Use(), notices=_unheard, images=1
    )
    share = _measured(plan, panel, part, tried, layout)
    pixels = sum(each.count() for each in layout.shown)
    measured = pixels * share if share is not None else eager
    if tried.use.compiled or engine.name == "eager" or not engine.would_compile(plan, panel, images * eager):
        return Expectation(0.0, images * measured)
    return Expectation(FORWARD.seconds, images * measured / _GAIN)


def _sums_spots(plan: Plan) -> bool:
    # Few runs ask.
    from openbragg.engine.sparse.cull import cull_refusal
    from openbragg.engine.sparse.spots import spots_refusal

    return cull_refusal(plan) is None and spots_refusal(plan) is None


def _measured(plan: Plan, panel: PanelPlan, part: Shown, engine: Engine, layout: Layout) -> float | None:
    """Seconds that a pixel takes, from a few of them; None where even one takes long."""
    each = engine.eager_seconds(plan, 1)
    if part.region is None or each > _MOST:
        return None
    most = int(_PART * part.count())
    count, seconds = max(1, min(int(_ENOUGH / each), most)), math.inf
    for again in (False, True, True, True):
        region = _middle(part.region, count)
        began, worked = time.perf_counter(), time.process_time()
        render_panel(plan, panel, dtype=layout.dtype, region=region, engine=engine)
        # While others have the processor the clock goes on, and a sample of few pixels would make minutes hours.
        spent = min(time.perf_counter() - began, time.process_time() - worked)
        number = (region[1] - region[0] + 1) * (region[3] - region[2] + 1)
        # The first also loads code and starts threads, and few pixels have more of what a call takes.
        seconds = min(seconds, spent / number)
        if spent > _MOST or (again and (spent > _ENOUGH or count >= most)):
            break
        if spent < _ENOUGH:
            count = max(1, min(8 * count, most))
    return seconds


def _middle(region: Region, count: int) -> Region:
    """About so many pixels in the middle of a region."""
    width, height = region[1] - region[0] + 1, region[3] - region[2] + 1
    across = min(width, count)
    rows = max(1, min(height, count // across))
    fast, slow = region[0] + (width - across) // 2, region[2] + (height - rows) // 2
    return fast, fast + across - 1, slow, slow + rows - 1


def _unheard(line: str) -> None:
    """Nobody is told."""


def _shown(seconds: float) -> str:
    if seconds < 1.0:
        return "less than a second"
    if seconds < 100.0:
        return f"about {seconds:.2g} s"
    if seconds < 6000.0:
        return f"about {seconds / 60:.2g} min"
    return f"about {seconds / 3600:.3g} h"
