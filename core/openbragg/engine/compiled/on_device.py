"""Compiled code for a GPU: made by torch when it is first called, and kept while the process lives."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import attrs
import torch

from openbragg.engine.compiled.block import tensors_in
from openbragg.engine.compiled.compilation import CompilationError, compile_for_device
from openbragg.engine.compiled.kernel import Run
from openbragg.engine.compiled.signature import ChangeableError, options_of, signature_of
from openbragg.engine.compiled.watching import watched
from openbragg.engine.plan import Plan

#: Models of which the code is kept.
_MOST_KEPT = 32


@attrs.frozen(eq=False)
class _Made:
    """Code, and the values of plugins' options for which it was made."""

    options: dict[str, str]
    run: Run


_kept: dict[str, list[_Made]] = {}


def device_kernel(
    plan: Plan,
    kind: str,
    function: Callable[[Plan], Callable[..., Sequence[torch.Tensor]]],
    further: Sequence[torch.Tensor],
    *,
    differentiates: bool,
) -> Run:
    """The code for a plan from `block_plan`, on the plan's device: that of an earlier call if it serves.

    Parameters
    ----------
    plan
        The sum.
    kind
        What the code computes.
    function
        Makes what is compiled for a plan: takes the plan's tensors and `further` ones (pixel,).
    further
        Examples of these.
    differentiates
        Whether derivatives are taken.

    Raises
    ------
    CompilationError
        When it cannot be compiled.
    """
    named = tensors_in(plan)
    try:
        # What is compiled for any length may still be made for a length of 1.
        key = json.dumps([signature_of(plan, kind), str(plan.device), [list(tensor.shape) for _, tensor in named]])
    except ChangeableError:
        key = None
    for made in _kept.get(key, ()) if key is not None else ():
        if all(options_of(plan, name) == value for name, value in made.options.items()):
            return made.run
    observed, read = watched(plan)
    run = compile_for_device(function(observed), named, further, differentiates=differentiates)
    values = {name: options_of(plan, name) for name in sorted(read)}
    unclear = [name for name, value in values.items() if value is None]
    if unclear:
        raise CompilationError(f"{unclear[0]} is neither a plain value nor a tensor")
    if key is not None:
        options = {name: value for name, value in values.items() if value is not None}
        _kept.setdefault(key, []).append(_Made(options, run))
        while len(_kept) > _MOST_KEPT:
            _kept.pop(next(iter(_kept)))
    return run
