"""What tracers say of a pixel, as Python numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
import torch

from openbragg import PixelTrace, PluginError, TracedPixel, Tracer, UsageError
from openbragg_tracers.traces.model import STEP_AXES
from openbragg_tracers.traces.selection import Selection

Columns = Mapping[str, torch.Tensor | None]


def traced_pixel(
    trace: PixelTrace, pixel: tuple[int, int], tracers: Iterable[tuple[Tracer, str]], selection: Selection
) -> TracedPixel:
    """What tracers say of a pixel.

    Parameters
    ----------
    trace
        Its calculation.
    pixel
        The pixel of the stored frame, (slow, fast); the trace itself counts on the panel.
    tracers
        Each with the distribution that it is from.
    selection
        Which of its terms are shown.

    Raises
    ------
    UsageError
        When an axis of the sum has no such step.
    PluginError
        When a tracer fails, or says what is no number of this pixel; the message names it and its method.
    """
    chosen = _places(trace, selection)
    values: dict[str, float | list[float]] = {}
    columns: dict[str, list[float | None]] = {}
    for tracer, origin in tracers:
        said = _Said(tracer, origin, trace)
        values.update(said.values())
        columns.update(said.steps(chosen))
    steps = []
    if columns:
        places = [dict(zip(STEP_AXES, place, strict=True)) for place in chosen.tolist()]
        steps = [
            place | dict(zip(columns, numbers, strict=True))
            for place, numbers in zip(places, zip(*columns.values(), strict=True), strict=True)
        ]
    return TracedPixel(*pixel, values, steps)


@attrs.frozen
class _Said:
    """A tracer on a trace, held to its contract."""

    tracer: Tracer
    origin: str
    trace: PixelTrace

    def values(self) -> dict[str, float | list[float]]:
        """Numbers and vectors of the pixel."""
        return self._checked("values", self._value)

    def steps(self, places: torch.Tensor) -> dict[str, list[float | None]]:
        """Numbers of the terms at some places, (terms, 6), by name."""
        return self._checked("steps", lambda column: self._column(column, places))

    def _checked(self, method: str, plain: Callable[[Any], Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        place = ""
        try:
            for name, tensor in getattr(self.tracer, method)(self.trace).items():
                if not isinstance(name, str) or name.split() != [name]:
                    raise ValueError(f"expected a name without spaces, got {name!r}")
                place = f"{name}: "
                made[name] = plain(tensor)
        except MemoryError:
            raise
        except Exception as error:
            reason = f"{place}{type(error).__name__}: {' '.join(str(error).split())}"
            raise PluginError(f"the tracer {self.tracer.name} of {self.origin}: {method}(): {reason}") from error
        return made

    def _value(self, tensor: Any) -> float | list[float]:
        tensor = _real(tensor)
        if tensor.dim() > 1:
            raise ValueError(f"expected a number or a vector, got the shape {tuple(tensor.shape)}")
        self._refuse_nan(tensor)
        made: float | list[float] = tensor.tolist()
        return made

    def _column(self, tensor: Any, places: torch.Tensor) -> list[float | None]:
        if tensor is None:
            return [None] * len(places)
        shape = self.trace.terms.intensity.shape
        tensor = _real(tensor)
        try:
            tensor = tensor.expand(shape)
        except RuntimeError:
            raise ValueError(f"the shape {tuple(tensor.shape)} does not fit the terms, {tuple(shape)}") from None
        chosen = tensor[..., 0][tuple(places.unbind(1))]
        self._refuse_nan(chosen)
        made: list[float | None] = chosen.tolist()
        return made

    def _refuse_nan(self, tensor: torch.Tensor) -> None:
        """Of a pixel without NaN a tracer has no reason to say NaN; of another it shows where it came from."""
        trace = self.trace
        if bool(tensor.isnan().any()) and bool(trace.photons.isfinite() & ~trace.terms.intensity.isnan().any()):
            raise ValueError("expected a number, got nan")


def _real(tensor: Any) -> torch.Tensor:
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"expected a tensor, got an object of type {type(tensor).__name__}")
    if tensor.is_complex():
        raise TypeError("expected real numbers, got complex ones")
    return tensor.detach().cpu().to(torch.float64)


def _places(trace: PixelTrace, selection: Selection) -> torch.Tensor:
    """Places of the selected terms on the axes of the sum, (terms, 6)."""
    shape = trace.terms.intensity.shape
    chosen = [_steps_of(axis, step, shape[axis]) for axis, step in enumerate(selection.steps)]
    return torch.cartesian_prod(*(torch.tensor(steps) for steps in chosen)).reshape(-1, len(chosen))


def _steps_of(axis: int, step: int | None, length: int) -> list[int]:
    if step is None:
        return list(range(length))
    if step >= length:
        name = STEP_AXES[axis].removesuffix("_tic")
        raise UsageError(f"--select {name}={step}: the sum has {length} of that axis, counted from 0")
    return [step]
