"""Groups of panels that move: shifted and turned as rigid bodies, each about its own middle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import torch

from openbragg import Detector, Panel, Simulation, UsageError
from openbragg_tools.refine.rotations import turns

Array = np.ndarray[Any, np.dtype[np.float64]]
#: What frees the detector as a whole, each panel, and groups that the user names.
WHOLE, EACH, NAMED = "detector", "panels", "groups"
PANEL_GROUPS = (WHOLE, EACH, NAMED)
#: How a group moves: along the detector's fast and slow axes and its normal, and about them.
MOTIONS = ("shift_fast", "shift_slow", "shift_normal", "tilt_fast", "tilt_slow", "tilt_normal")
#: The farthest that a step may shift a group, in pixels, and turn it, in radians.
_SHIFT, _TILT = 1.0, math.radians(0.2)


@attrs.frozen(eq=False)
class PanelGroups:
    """Groups of a detector's panels.

    Attributes
    ----------
    kind
        What they are freed by: ``detector``, ``panels`` or ``groups``.
    members
        Numbers of the panels of each group.
    middles
        Of each group, in the detector's axes, in metres, (groups, 3).
    pixel_size
        In metres.
    """

    kind: str
    members: tuple[tuple[int, ...], ...]
    middles: torch.Tensor
    pixel_size: float

    def numbers(self) -> list[tuple[str, float, str]]:
        """Six numbers a group: name, longest step and unit; shifts, then the vector that it is turned by."""
        made = []
        for number in range(len(self.members)):
            begins = WHOLE if self.kind == WHOLE else f"{self.kind[:-1]}_{number}"
            for motion in MOTIONS:
                step = (_SHIFT * self.pixel_size, "mm") if motion.startswith("shift") else (_TILT, "deg")
                made.append((f"{begins}_{motion}", *step))
        return made

    def moved(self, detector: Detector, values: torch.Tensor) -> Detector:
        """The detector with its groups moved; values (6 x groups,) keep their gradients."""
        panels = list(detector.panels())
        shifts, vectors = values.reshape(-1, 2, 3).unbind(1)
        owners = [group for group, members in enumerate(self.members) for _ in members]
        numbers = [number for members in self.members for number in members]
        rotations, middles = turns(vectors)[owners], self.middles[owners]
        offsets, axes = (_numbers([getattr(panels[number], name) for number in numbers]) for name in ("offset", "axes"))
        offsets = middles + torch.einsum("gij,gj->gi", rotations, offsets - middles) + shifts[owners]
        axes = torch.einsum("gij,gkj->gki", rotations, axes)
        for number, offset, own in zip(numbers, offsets.unbind(0), axes.unbind(0), strict=True):
            panels[number] = attrs.evolve(panels[number], offset=offset, axes=own)  # type: ignore[arg-type]
        return attrs.evolve(detector, layout=tuple(panels))

    def owners(self, panels: Sequence[Panel], slow: Any, fast: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The group of each pixel of the stored frame, -1 for none, (pixels,)."""
        made = np.full(len(slow), -1, dtype=np.int64)
        for group, members in enumerate(self.members):
            for rows, columns in ((panels[number].rows(), panels[number].columns()) for number in members):
                inside = (slow >= rows.start) & (slow < rows.stop) & (fast >= columns.start) & (fast < columns.stop)
                made[inside] = group
        return made


def panel_groups(detector: Detector, kind: str, named: Sequence[Sequence[int]] = ()) -> PanelGroups:
    """The groups that a word frees; those that the user names are given.

    Raises
    ------
    UsageError
        When there are none, one has a panel that does not exist, or two share one.
    """
    panels = detector.panels()
    every = range(len(panels))
    if kind == NAMED and not named:
        raise UsageError("free: groups are named by -groups")
    members = [tuple(every)] if kind == WHOLE else [(number,) for number in every] if kind == EACH else list(named)
    seen: set[int] = set()
    for group in members:
        for number in group:
            if number not in every:
                raise UsageError(f"-groups: there is no panel {number}, the detector has {len(panels)}, from 0 on")
            if number in seen:
                raise UsageError(f"-groups: panel {number} is in two groups")
            seen.add(number)
    middles = torch.stack([torch.stack([_middle(panels[number]) for number in group]).mean(dim=0) for group in members])
    return PanelGroups(kind, tuple(map(tuple, members)), middles, float(panels[0].pixel_size))


def named_groups(words: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Groups of panels by words such as ``0-3,4+6``: commas between groups, of each panels and ranges of them.

    Raises
    ------
    UsageError
        For a word that is none.
    """
    groups = []
    for word in (part for whole in words for part in whole.split(",")):
        numbers: list[int] = []
        for part in word.split("+"):
            first, _, last = part.partition("-")
            if not (first.isdecimal() and (last.isdecimal() or "-" not in part)):
                raise UsageError(f"-groups: expected panels such as 0-3 or 0+2, commas between groups, got {word!r}")
            numbers += range(int(first), int(last or first) + 1)
        if not numbers:
            raise UsageError(f"-groups: expected panels such as 0-3 or 0+2, commas between groups, got {word!r}")
        groups.append(tuple(numbers))
    return tuple(groups)


def detector_axes(simulation: Simulation) -> tuple[Array, Array]:
    """The detector's fast and slow axes and its normal in the laboratory, rows (3, 3), and its first corner, (3,)."""
    detector = simulation.layout().experiment.detector
    size = float(detector.panels()[0].pixel_size)
    # Two panels in the places that say it.
    probes = tuple(Panel(pixels=(1, 1), pixel_size=size, offset=(0.0, 0.0, height)) for height in (0.0, 1.0))
    probes = (probes[0], attrs.evolve(probes[1], slab=(1, 0)))
    bare = attrs.evolve(detector, layout=probes, gaps=(), mask=None)
    first, second = simulation.convention.place(bare).panels
    axes = torch.stack([first.fast, first.slow, second.origin - first.origin])
    return axes.detach().numpy(), first.origin.detach().numpy()


def plain_panels(detector: Detector) -> Detector:
    """The detector with plain numbers in its panels."""
    panels = tuple(
        attrs.evolve(panel, offset=_tuples(panel.offset), axes=_tuples(panel.axes)) for panel in detector.layout
    )
    return attrs.evolve(detector, layout=panels)


def _middle(panel: Panel) -> torch.Tensor:
    """Of a panel, in the detector's axes, in metres."""
    axes, size = _numbers(panel.axes), float(panel.pixel_size)
    return _numbers(panel.offset) + 0.5 * size * (panel.pixels[1] * axes[0] + panel.pixels[0] * axes[1])


def _numbers(values: Any) -> torch.Tensor:
    if isinstance(values, tuple | list):
        return torch.stack([_numbers(value) for value in values])
    return torch.as_tensor(values, dtype=torch.float64)


def _tuples(values: Any) -> Any:
    several = isinstance(values, tuple | list) or bool(getattr(values, "ndim", 0))
    return tuple(map(_tuples, values)) if several else float(values)
