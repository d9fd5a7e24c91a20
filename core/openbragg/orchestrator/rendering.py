"""Rendering: the images of a layout's panels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.engine import Engine, Use
from openbragg.engine.devices import finish
from openbragg.engine.rendering import RenderedPanel, empty_panel, render_panel
from openbragg.engine.sparse.culled import Culled, together
from openbragg.errors import InputError
from openbragg.model.geometry import PanelFrame
from openbragg.orchestrator.finding.answers import refuse_odd_pixel
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.outputs.stopwatch import Stopwatch
from openbragg.orchestrator.resolving.faint import faint_notice
from openbragg.orchestrator.resolving.frame import Shown, assembled
from openbragg.orchestrator.resolving.quirks import notice
from openbragg.roles import GeometryConvention

Progress = Callable[[int, int], None]


@attrs.frozen(kw_only=True, eq=False)
class Rendering(Layout):
    """A rendered experiment.

    Attributes
    ----------
    images
        Expected photons of each panel, (slow, fast).
    use
        Whether compiled code summed them, and what preparing it took.
    culled
        What was left out of each panel that was not summed in full.
    left_out
        The same of each crystal, and of each panel; None where it was summed in full.
    """

    images: tuple[torch.Tensor, ...]
    use: Use = attrs.field(factory=Use)
    culled: tuple[Culled, ...] = ()
    left_out: tuple[tuple[Culled | None, ...], ...] = ()

    def frame(self) -> torch.Tensor:
        """Expected photons of all panels in the stored frame, (slow, fast), 0 between them; see `Panel.slab`."""
        return assembled(self.images, self.panels)


def render_layout(
    layout: Layout,
    engine: Engine,
    *,
    cull: float | None = None,
    progress: Progress | None = None,
    stopwatch: Stopwatch | None = None,
) -> Rendering:
    """Render every panel of a layout; what is to be said is added to its notices.

    `progress` is called with the number of pixels done and the number of all; `stopwatch` takes the time of the sum.
    """
    stopwatch = stopwatch or Stopwatch()
    before = engine.use.preparing
    with stopwatch.stage("render"):
        panels = render_lattices(layout, layout.shown, engine, progress, cull)
        images = layout.backgrounds.added_to(tuple(panel.image for panel in panels))
        finish(layout.plan.device)
    stopwatch.move(engine.use.preparing - before, "render", "compile")
    if not any(each.plan.transformed() for each in layout.lattices()):
        line = faint_notice(layout.plan, layout.shown, [panel.image for panel in panels], images)
        if line:
            _say(layout, line)
    if not layout.plan.interpolation_latch and any(panel.interpolated_otherwise for panel in panels):
        layout.choices.notices.append(notice("interpolation-latch"))
    return Rendering(
        images=images,
        use=engine.use,
        culled=tuple(panel.culled for panel in panels if panel.culled is not None),
        left_out=tuple(zip(*(panel.left_out for panel in panels), strict=True)),
        **_fields(layout),
    )


def refuse_turned_away(layout: Layout, convention: GeometryConvention) -> None:
    """Refuse, before the work begins, a detector of which a part that is rendered has its back to the crystal.

    Raises
    ------
    InputError
        With what helps, where turning the detector about the crystal does.
    """
    if layout.plan.point_pixel:
        return
    panels = zip(layout.laboratory.panels, layout.shown, strict=True)
    if not any(part.region is not None and _faces_away(frame) for frame, part in panels):
        return
    line = "the detector stands with its back to the crystal: its solid angle is negative"
    detector = layout.experiment.detector
    if layout.laboratory.pivot != "sample":
        turned = convention.place(attrs.evolve(detector, pivot="sample", implied_pivot="sample"))
        if not any(map(_faces_away, turned.panels)):
            line += "; -pivot sample turns it about the crystal, which it then faces"
    raise InputError(line)


def _faces_away(frame: PanelFrame) -> bool:
    return float(frame.close_distance()) < 0.0


def refuse_impossible(rendering: Rendering) -> None:
    """Refuse photons that cannot be, before a file is written of them; of an image without any, a word is said.

    Raises
    ------
    OpenBraggError
        With what to look at, or with the plugin that gave what is no number.
    """
    extremes = [tuple(map(float, image.aminmax())) for image in rendering.images]
    lowest, highest = min(low for low, _ in extremes), max(high for _, high in extremes)
    if not all(math.isfinite(value) for pair in extremes for value in pair):
        refuse_odd_answers(rendering)
        raise InputError("the image has pixels beyond single precision: check the fluence, amplitudes and distances")
    if lowest < 0.0:
        raise InputError("the image has pixels with less than no photons: a detector's solid angle is negative")
    if highest == 0.0:
        rendering.choices.notices.append("the image is empty: no pixel has a photon to expect")


def refuse_odd_answers(rendering: Rendering) -> None:
    """Refuse what plugins say of the first pixel that has no finite number of photons.

    Raises
    ------
    PluginError
        With the plugin that gave what is no number; photons that are too many for the precision are nobody's fault.
    """
    for number, (part, image) in enumerate(zip(rendering.shown, rendering.images, strict=True)):
        # Nothing that is no number, nor infinite, leaves a sum finite.
        if math.isfinite(float(image.detach().sum())):
            continue
        odd = (~image.detach().isfinite()).nonzero()
        if len(odd) and part.region is not None:
            slow, fast = odd[0].tolist()
            for plan in (layout.plan for layout in rendering.lattices()):
                refuse_odd_pixel(plan, plan.panels[number], (slow, fast), part.region, part.mask)
            return


@attrs.frozen(eq=False)
class SummedPanel:
    """A panel with the photons of all crystals, see `RenderedPanel`.

    What was left out is `culled` of all together, `left_out` of each.
    """

    image: torch.Tensor
    interpolated_otherwise: bool
    culled: Culled | None
    left_out: tuple[Culled | None, ...]


def render_lattices(
    layout: Layout,
    parts: tuple[Shown, ...],
    engine: Engine,
    progress: Progress | None = None,
    cull: float | None = None,
) -> tuple[SummedPanel, ...]:
    """The panels of a layout, of each the part that is to be shown, with all crystals and without backgrounds.

    A notice says why nothing is culled, where that was asked for in vain.
    """
    lattices = layout.lattices()
    reason = None if cull is None else _refusal(layout)
    if reason is not None:
        _say(layout, f"nothing is culled: {reason}")
        cull = None
    # Peaks of several crystals need not meet: the largest pixel of all is no less than the mean of theirs.
    share = None if cull is None else cull / len(lattices)
    rendered = []
    for place, each in enumerate(lattices):

        def advance(done: int, total: int, place: int = place) -> None:
            if progress is not None:
                progress(place * total + done, len(lattices) * total)

        rendered.append(_render_panels(each, parts, engine, advance, share))
    _say_what_is_in_full(layout, [panel for panels in rendered for panel in panels])
    return tuple(
        SummedPanel(
            image=reduce(add, (panel.image for panel in of_panel)),
            interpolated_otherwise=any(panel.interpolated_otherwise for panel in of_panel),
            culled=together([panel.culled for panel in of_panel if panel.culled is not None]),
            left_out=tuple(panel.culled for panel in of_panel),
        )
        for of_panel in zip(*rendered, strict=True)
    )


def _render_panels(
    layout: Layout,
    parts: tuple[Shown, ...],
    engine: Engine,
    progress: Progress | None = None,
    cull: float | None = None,
) -> tuple[RenderedPanel, ...]:
    """The same of the layout's own crystal alone."""
    plan, dtype = layout.plan, layout.dtype
    engine = engine.for_alike()
    total = sum(part.count() for part in parts)
    done = 0

    def advance(pixels: int) -> None:
        nonlocal done
        done += pixels
        if progress is not None:
            progress(min(done, total), total)

    return tuple(
        render_panel(
            plan,
            panel,
            dtype=dtype,
            region=part.region,
            mask=part.mask,
            progress=advance,
            engine=engine,
            cull=cull,
        )
        if part.region is not None
        else empty_panel(plan, panel, dtype=dtype)
        for panel, part in zip(plan.panels, parts, strict=True)
    )


def _say_what_is_in_full(layout: Layout, panels: list[RenderedPanel]) -> None:
    """Notices of panels of which something was to be left out, and nothing was; one for each reason."""
    asked = sum(panel.culled is not None or panel.in_full is not None for panel in panels)
    for reason, count in Counter(panel.in_full for panel in panels if panel.in_full is not None).items():
        of = "" if count == asked else f" of {count} of {asked} images of a panel and a crystal"
        _say(layout, f"nothing is culled{of}: {reason}")


def _say(layout: Layout, line: str) -> None:
    if line not in layout.choices.notices:
        layout.choices.notices.append(line)


def _fields(layout: Layout) -> dict[str, Any]:
    return {attribute.name: getattr(layout, attribute.name) for attribute in attrs.fields(Layout)}


def _refusal(layout: Layout) -> str | None:
    # Few runs ask.
    from openbragg.engine.sparse.cull import cull_refusal

    return next(filter(None, (cull_refusal(each.plan) for each in layout.lattices())), None)
