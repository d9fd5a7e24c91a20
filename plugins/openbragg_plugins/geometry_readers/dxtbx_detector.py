"""The detector of a DIALS experiment list: panels, in groups within groups."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import attrs

from openbragg import InputError, PanelGeometry, described_panel, unit, unit_vector
from openbragg_plugins.geometry_readers.values import Node
from openbragg_plugins.geometry_readers.vectors import IDENTITY, Matrix, Vector, combined, cross

_MM = unit("mm").to_si
#: Groups in groups; no detector has so many.
_DEEPEST = 32

#: An origin in mm and the three axes, in the laboratory.
Frame = tuple[Vector, Matrix]
_LABORATORY: Frame = ((0.0, 0.0, 0.0), IDENTITY)


def panels_of(detector: Node) -> dict[str, Any]:
    """What a detector's panels say together: fields of a `openbragg.Geometry`.

    Raises
    ------
    InputError
        When they cannot be used.
    """
    nodes = [detector.node("panels", number) for number in range(len(detector.elements("panels")))]
    parents = dict.fromkeys(range(len(nodes)), _LABORATORY)
    if detector.has("hierarchy"):
        parents |= dict(_parents(detector.node("hierarchy"), _LABORATORY, len(nodes), 0))
    panels = tuple(_panel(node, number, parents[number]) for number, node in enumerate(nodes))
    if not panels:
        raise InputError(f"{detector.path}: {detector.where} has no panels")
    if len(panels) > 1 and len({panel.slab for panel in panels}) == 1:
        # Without offsets, as of images that keep each panel in an array of its own; masks stay with their panels.
        rows = accumulate((panel.pixels[0] for panel in panels), initial=0)
        panels = tuple(attrs.evolve(panel, slab=(row, 0)) for panel, row in zip(panels, rows, strict=False))
    first = nodes[0]
    thickness, absorption = _sensor(first)
    trusted = first.numbers("trusted_range", 2) if first.has("trusted_range") else [0.0, 0.0]
    return {
        "panels": panels,
        "gaps": tuple(gap for node, panel in zip(nodes, panels, strict=True) for gap in _masked(node, panel)),
        "sensor_thickness": _MM(thickness) if thickness else None,
        "sensor_material": first.word("material")[:20],
        "attenuation_length": _MM(1.0 / absorption) if absorption and absorption > 0.0 else None,
        "saturation": trusted[1] if trusted[1] > 0.0 else None,
    }


def _sensor(panel: Node) -> tuple[float | None, float | None]:
    """Thickness in mm and absorption per mm of a panel's sensor.

    Old lists have them with the correction of the parallax, where dxtbx still looks first.
    """
    strategy = panel.node("px_mm_strategy") if panel.has("px_mm_strategy") else None
    if strategy is not None and strategy.has("mu") and strategy.has("t0"):
        return strategy.number("t0"), strategy.number("mu")
    return panel.number("thickness"), panel.number("mu")


def _parents(group: Node, outside: Frame, count: int, depth: int) -> Iterator[tuple[int, Frame]]:
    """The frame that each panel of a group, and of the groups in it, is placed in."""
    if depth > _DEEPEST:
        raise InputError(f"{group.path}: {group.where[:40]}: groups of panels are nested too deeply")
    inside = _frame(group, outside)
    for number in range(len(group.elements("children"))):
        child = group.node("children", number)
        if not child.has("panel"):
            yield from _parents(child, inside, count, depth + 1)
            continue
        panel = child.number("panel")
        assert panel is not None
        if not panel.is_integer() or not 0 <= panel < count:
            raise child.wrong("the number of a panel", panel, "panel")
        yield int(panel), inside


def _frame(node: Node, outside: Frame) -> Frame:
    """A local frame in the laboratory; of a group that has none, that around it."""
    if not node.has("fast_axis"):
        return outside
    where = f"{node.path}: {node.where}"
    fast = unit_vector(where, node.numbers("fast_axis", 3), "fast_axis")
    slow = unit_vector(where, node.numbers("slow_axis", 3), "slow_axis")
    origin, axes = outside
    placed = [combined(*zip(axis, axes, strict=True)) for axis in (fast, slow, cross(fast, slow))]
    shift = combined(*zip(node.numbers("origin", 3), axes, strict=True))
    return combined((1.0, origin), (1.0, shift)), (placed[0], placed[1], placed[2])


def _panel(node: Node, number: int, outside: Frame) -> PanelGeometry:
    if not node.has("fast_axis"):
        raise node.wrong("3 finite numbers", None, "fast_axis")
    origin, (fast, slow, _) = _frame(node, outside)
    wide, high = node.whole("image_size", 2)
    side_fast, side_slow = node.numbers("pixel_size", 2)
    offset = node.whole("raw_image_offset", 2) if node.has("raw_image_offset") else [0, 0]
    return described_panel(
        str(node.path),
        name=node.word("name") or f"panel {number}",
        pixels=(high, wide),
        sides=(_MM(side_slow), _MM(side_fast)),
        origin=[_MM(value) for value in origin],
        fast=fast,
        slow=slow,
        slab=(offset[1], offset[0]),
    )


def _masked(node: Node, panel: PanelGeometry) -> Iterator[tuple[int, int, int, int]]:
    """Masked rectangles in the image; DIALS' end is the pixel after the last one."""
    slow, fast = panel.pixels
    first_slow, first_fast = panel.slab or (0, 0)
    for place in range(len(node.elements("mask"))):
        rectangle = Node(node.path, node.where, {"mask": node.elements("mask")[place]})
        x0, y0, x1, y1 = rectangle.whole("mask", 4)
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(fast, x1), min(slow, y1)
        if x0 < x1 and y0 < y1:
            yield first_fast + x0, first_fast + x1 - 1, first_slow + y0, first_slow + y1 - 1
