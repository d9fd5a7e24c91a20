"""Parameters of an experiment and of its scene by name, and the derivatives of the photons by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import attrs
import torch
from torch.autograd import forward_ad

from openbragg.engine.compiled.block import block_plan, lie_across, with_panel
from openbragg.engine.compiled.jacobian import Motion, Seen, jacobian_of_panels, motion_of, motions_of
from openbragg.engine.pixels import choose_pixels
from openbragg.errors import UsageError
from openbragg.model import Beam, Crystal, Detector, Scan
from openbragg.model.scalars import is_tensor
from openbragg.options import options_of
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.pixels import depends_on_others, wanted_parts
from openbragg.orchestrator.renders import Renders
from openbragg.orchestrator.resolving.frame import Shown, assembled

_Simulation = TypeVar("_Simulation", bound=Renders)

#: The parts of an experiment that have continuous parameters.
_PARTS: dict[str, type] = {"crystal": Crystal, "beam": Beam, "detector": Detector, "scan": Scan}
#: The plugins that have some, too.
_PLUGINS = ("scene",)
#: Fields of which None says that nothing is turned: so many angles of 0.
_UNTURNED = {"misset": 3}


@attrs.frozen
class Parameter:
    """A field of a part of an experiment, or of a plugin, that can be differentiated by.

    Attributes
    ----------
    name
        As it was asked for.
    part, field
        The part's name in the experiment, or the plugin's in the simulation, and the field's in the part.
    """

    name: str
    part: str
    field: str

    def value(self, simulation: Renders) -> torch.Tensor:
        """Its value in SI units and radians: float64, () or (n,).

        Raises
        ------
        UsageError
            When it has none.
        """
        held = getattr(self._holder(simulation), self.field)
        if held is None and self.field in _UNTURNED:
            return torch.zeros(_UNTURNED[self.field], dtype=torch.float64)
        if is_tensor(held):
            return torch.as_tensor(held, dtype=torch.float64).detach()
        numbers = list(held) if isinstance(held, tuple | list) else [held]
        if held is None or any(number is None or isinstance(number, str) for number in numbers):
            raise UsageError(f"{self.name}: has no value to differentiate by; give it one")
        values = torch.stack([torch.as_tensor(number, dtype=torch.float64).detach() for number in numbers])
        return values if isinstance(held, tuple | list) else values[0]

    def set(self, simulation: _Simulation, value: torch.Tensor) -> _Simulation:
        """The simulation with another value."""
        held: Any = value if value.dim() == 0 else tuple(value.unbind(0))
        part = attrs.evolve(self._holder(simulation), **{self.field: held})
        return simulation.evolve(**{self.part: part})

    def _holder(self, simulation: Renders) -> Any:
        return getattr(simulation if self.part in _PLUGINS else simulation.experiment, self.part)


def parameter(name: str, simulation: Renders) -> Parameter:
    """The parameter of a name such as ``misset``, ``beam.size`` or ``scene.fraction``.

    Raises
    ------
    UsageError
        When there is none, or more than one.
    """
    asked_part, _, field = name.rpartition(".")
    parts = _PARTS | {each: type(getattr(simulation, each)) for each in _PLUGINS}
    found = [
        Parameter(name, part, field)
        for part, cls in parts.items()
        if asked_part in ("", part) and field in _continuous(cls)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{name}: expected one of {', '.join(f'{each.part}.{field}' for each in found)}")
    known = [known for cls in parts.values() for known in _continuous(cls)]
    raise UsageError(f"{name}: expected a continuous parameter of the experiment: {', '.join(dict.fromkeys(known))}")


def derivatives(simulation: Renders, names: Iterable[str], pixels: tuple[Any, Any] | None) -> dict[str, torch.Tensor]:
    """What `Simulation.jacobian` returns: forward derivatives, by compiled code where there is any or it pays.

    Else torch's own operations carry them, in one pass for each number of a parameter.
    """
    asked = [parameter(name, simulation) for name in names]
    values = [each.value(simulation) for each in asked]
    ways = [
        partial(_moved, asked=each, value=value, place=place)
        for each, value in zip(asked, values, strict=True)
        for place in _places(value)
    ]

    def together() -> tuple[Renders, list[torch.Tensor]]:
        moved, leaves = simulation, []
        for each, value in zip(asked, values, strict=True):
            leaves.append(value.clone().requires_grad_())
            moved = each.set(moved, leaves[-1])
        return moved, leaves

    columns = _columns(simulation, ways, together, pixels)
    found: dict[str, torch.Tensor] = {}
    start = 0
    for each, value in zip(asked, values, strict=True):
        own = columns[start : start + len(_places(value))]
        found[each.name] = own[0] if value.dim() == 0 else torch.stack(own, dim=-1)
        start += len(own)
    return found


def derivatives_along(
    simulation: Renders,
    change: Callable[[Renders, torch.Tensor], Renders],
    values: torch.Tensor,
    pixels: tuple[Any, Any] | None,
) -> torch.Tensor:
    """What `Simulation.derivatives` returns, (..., n)."""

    def along(renders: Renders, place: int) -> Renders:
        return change(renders, _dual(values, place))

    def together() -> tuple[Renders, list[torch.Tensor]]:
        leaf = values.clone().requires_grad_()
        return change(simulation, leaf), [leaf]

    held = change(simulation, values)
    ways = [partial(along, place=place) for place in range(len(values))]
    columns = _columns(held, ways, together, pixels)
    return torch.stack(columns, dim=-1)


#: From a simulation the same with a tangent at the current level of forward differentiation.
Way = Callable[[Renders], Renders]
#: Gives a simulation that carries gradients from the numbers of all ways, and these.
Together = Callable[[], tuple[Renders, list[torch.Tensor]]]


def _columns(
    simulation: Renders, ways: Sequence[Way], together: Together, pixels: tuple[Any, Any] | None
) -> list[torch.Tensor]:
    """The derivatives of the photons along ways to move."""
    columns = _compiled(simulation, ways, together, pixels)
    if columns is None:
        # In one thread: several would make the derivatives of one image at once.
        eager = simulation.evolve(engine="eager", threads=1)
        eager.layout()
        columns = [_derivative(eager, way, pixels) for way in ways]
    return columns


def _places(value: torch.Tensor) -> range:
    return range(max(1, value.numel()))


def _compiled(
    simulation: Renders, ways: Sequence[Way], together: Together, pixels: tuple[Any, Any] | None
) -> list[torch.Tensor] | None:
    """Derivatives along ways to move, by compiled code; None where there is none."""
    layout = simulation.layout()
    plans = [each.plan for each in layout.lattices()]
    if depends_on_others(layout) or any(plan.running_product or plan.differentiable() for plan in plans):
        return None
    if pixels is None:
        lengths = (torch.arange(length) for length in layout.experiment.detector.frame_shape())
        slow, fast = torch.meshgrid(*lengths, indexing="ij")
    else:
        slow, fast = (torch.as_tensor(places) for places in pixels)
    parts, where = wanted_parts(layout, slow, fast), (slow.reshape(-1), fast.reshape(-1))
    # Of each crystal and panel, how the sum moves with each number.
    motions = None if layout.backgrounds.plugins else _motions_together(layout, together)
    behind: list[Any] = [0.0 for _ in ways]
    if motions is None:
        motions = [[[] for _ in plan.panels] for plan in plans]
        for number, way in enumerate(ways):
            with forward_ad.dual_level(), torch.no_grad():
                moved = way(simulation).layout()
                for of_crystal, each in zip(motions, moved.lattices(), strict=True):
                    for of_panel, panel, part in zip(of_crystal, each.plan.panels, parts, strict=True):
                        if part.region is not None:
                            of_panel.append(motion_of(each.plan, panel))
                background = _background(moved, parts)
                if background is not None:
                    behind[number] = assembled(background, layout.panels)[where]
    # Derivatives of the pixels of all panels, one after the other, behind those of what is not rendered; and where each
    # pixel's stand. Frames have one number a pixel, whatever the number of parameters.
    numbers, count, chosen = [], 1, {}
    for place, part in enumerate(parts):
        shape = layout.plan.panels[place].pixels
        if part.region is None:
            numbers.append(torch.zeros(shape, dtype=torch.int64))
            continue
        chosen[place] = choose_pixels(shape, part.region, part.mask, layout.plan.device)
        numbers.append(chosen[place].image(torch.arange(count, count + chosen[place].count)))
        count += chosen[place].count
    total = torch.zeros((count, len(ways)), dtype=torch.float64)
    for plan, of_crystal in zip(plans, motions, strict=True):
        seen = [Seen(plan.panels[place], pixels, of_crystal[place]) for place, pixels in chosen.items()]
        found = jacobian_of_panels(plan, seen, simulation.compiling())
        if found is None:
            return None
        total[1:] += torch.cat([total[:0], *found])
    derivatives = total[assembled(numbers, layout.panels)[where]]
    return [
        (column + background).reshape(slow.shape).to(layout.dtype)
        for column, background in zip(derivatives.unbind(1), behind, strict=True)
    ]


def _motions_together(layout: Layout, together: Together) -> list[list[list[Motion]]] | None:
    """Of each crystal and panel, how the sum moves with each number, found for all numbers at once; None if it is not.

    Sources lie as they do in the sum that stays.
    """
    with torch.enable_grad():
        moved, leaves = together()
        lattices = moved.layout().lattices()
        prepared = []
        for held, each in zip(layout.lattices(), lattices, strict=True):
            first = block_plan(each.plan, each.plan.panels[0], across=lie_across(held.plan))
            prepared += [with_panel(first, panel) for panel in each.plan.panels]
        found = motions_of(prepared, leaves)
    if found is None:
        return None
    panels = len(layout.plan.panels)
    return [found[start : start + panels] for start in range(0, len(found), panels)]


def _background(layout: Layout, parts: tuple[Shown, ...]) -> tuple[torch.Tensor, ...] | None:
    """The tangent of the photons that do not come from the crystal; None where there are none."""
    if not layout.backgrounds.plugins:
        return None
    dark = tuple(torch.zeros(panel.pixels, dtype=torch.float64) for panel in layout.plan.panels)
    images = layout.backgrounds.added_to_parts(dark, parts)
    tangents = [forward_ad.unpack_dual(image).tangent for image in images]  # type: ignore[no-untyped-call]
    return tuple(
        torch.zeros_like(image) if tangent is None else tangent.clone()
        for image, tangent in zip(dark, tangents, strict=True)
    )


def _moved(simulation: Renders, asked: Parameter, value: torch.Tensor, place: int) -> Renders:
    """The simulation with a tangent in one number of a parameter."""
    return asked.set(simulation, _dual(value, place))


def _dual(value: torch.Tensor, place: int) -> torch.Tensor:
    """Numbers with a tangent along one of them."""
    direction = torch.zeros_like(value)
    direction.view(-1)[place] = 1.0
    made: torch.Tensor = forward_ad.make_dual(value, direction)  # type: ignore[no-untyped-call]
    return made


def _derivative(simulation: Renders, way: Way, pixels: tuple[Any, Any] | None) -> torch.Tensor:
    """The derivative along a way to move."""
    with forward_ad.dual_level(), torch.no_grad():
        moved = way(simulation)
        photons = moved.photons() if pixels is None else moved.pixels(*pixels)
        primal, tangent = forward_ad.unpack_dual(photons)  # type: ignore[no-untyped-call]
        return torch.zeros_like(primal) if tangent is None else tangent.clone()


def _continuous(cls: type) -> list[str]:
    """The fields of a class that hold continuous numbers."""
    return [field for field, spec in options_of(cls) if spec.type is float]
