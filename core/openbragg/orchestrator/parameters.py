"""Parameters of an experiment and of its scene by name, and the derivatives of the photons by them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import attrs
import torch
from torch.autograd import forward_ad

from openbragg.errors import UsageError
from openbragg.model import Beam, Crystal, Detector, Scan
from openbragg.model.scalars import is_tensor
from openbragg.options import options_of
from openbragg.orchestrator.renders import Renders

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
    """What `Simulation.jacobian` returns: forward derivatives, one pass for each number of a parameter.

    Torch's own operations carry them, so that they are computed eagerly whatever the simulation's engine is.
    """
    # In one thread: several would make the derivatives of one image at once.
    eager = simulation.evolve(engine="eager", threads=1)
    eager.layout()
    found: dict[str, torch.Tensor] = {}
    for name in names:
        asked = parameter(name, eager)
        value = asked.value(eager)
        columns = [_derivative(eager, asked, value, place, pixels) for place in range(max(1, value.numel()))]
        found[name] = columns[0] if value.dim() == 0 else torch.stack(columns, dim=-1)
    return found


def _derivative(
    simulation: Renders, asked: Parameter, value: torch.Tensor, place: int, pixels: tuple[Any, Any] | None
) -> torch.Tensor:
    """The derivative by one number of a parameter."""
    direction = torch.zeros_like(value)
    direction.view(-1)[place] = 1.0
    with forward_ad.dual_level(), torch.no_grad():
        dual = forward_ad.make_dual(value, direction)  # type: ignore[no-untyped-call]
        moved = asked.set(simulation, dual)
        photons = moved.photons() if pixels is None else moved.pixels(*pixels)
        primal, tangent = forward_ad.unpack_dual(photons)  # type: ignore[no-untyped-call]
        return torch.zeros_like(primal) if tangent is None else tangent.clone()


def _continuous(cls: type) -> list[str]:
    """The fields of a class that hold continuous numbers."""
    return [field for field, spec in options_of(cls) if spec.type is float]
