"""How a property is tried on many examples, and how its failure is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

#: Examples a property is tried on.
EXAMPLES = 25


def for_all(property_: Callable[..., None], *strategies: SearchStrategy[Any], examples: int = EXAMPLES) -> None:
    """Try a property on drawn examples, the simplest failing one of which is reported.

    The draws are the same on every run, nothing is written to disk, and a slow machine is no failure.
    """
    chosen = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    chosen(given(*strategies)(property_))()


def require(holds: bool, sentence: str) -> None:
    """Fail with a sentence unless something holds; unlike the statement, also under ``python -O``."""
    if not holds:
        raise AssertionError(sentence)


def require_close(found: Any, wanted: Any, sentence: str, *, absolute: float = 0.0, relative: float = 0.0) -> None:
    """Fail unless numbers or tensors agree within ``absolute + relative * |wanted|``; NaN agrees with nothing.

    The message is the sentence, the pair that differs most, by how much, and what was allowed.
    """
    first, second = _plain(found), _plain(wanted)
    difference = (first - second).abs()
    allowed = (absolute + relative * second.abs()).expand_as(difference)
    good = (difference <= allowed) | (first == second)
    if bool(good.all()):
        return
    excess = torch.where(good, -torch.inf, (difference - allowed).nan_to_num(torch.inf)).reshape(-1)
    worst = int(excess.argmax())
    pair = [float(values.expand_as(difference).reshape(-1)[worst]) for values in (first, second, difference, allowed)]
    raise AssertionError(
        f"{sentence}: got {pair[0]!r}, expected {pair[1]!r}; the difference {pair[2]:.3g} exceeds {pair[3]:.3g}"
    )


def _plain(values: Any) -> torch.Tensor:
    tensor = values.detach() if isinstance(values, torch.Tensor) else torch.as_tensor(values, dtype=torch.float64)
    return tensor.to("cpu", torch.float64)
