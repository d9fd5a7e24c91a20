"""The functions of a plan's block that can be compiled, as functions of tensors alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import torch

from openbragg.engine.compiled.block import block_sums, tensors_in, with_tensors
from openbragg.engine.compiled.grouped import group_sums
from openbragg.engine.compiled.kernel import PIXELS
from openbragg.engine.plan import Plan


@attrs.frozen(kw_only=True, eq=False)
class Kind:
    """A function of a plan's block that can be compiled.

    Attributes
    ----------
    name
        Of the kind, in the cache.
    title, seconds
        What it is called in a notice, and about how long compiling it takes.
    further
        How many tensors (pixel,) it takes after the plan's.
    function
        Makes it for a plan.
    axes, dtypes
        Names of the axes of the further tensors, see `openbragg.engine.compiled.compilation`, and their dtypes for a
        plan, where they are not (pixel,) of float64.
    differentiates
        Whether it takes derivatives.
    """

    name: str
    title: str
    seconds: float
    further: int
    function: Callable[[Plan], Callable[..., Sequence[torch.Tensor]]]
    axes: tuple[tuple[str | int, ...], ...] | None = None
    dtypes: Callable[[Plan], tuple[torch.dtype, ...]] | None = None
    differentiates: bool = False


def gradients_by(wanted: Sequence[str]) -> Kind:
    """The kind that differentiates the photons by tensors of these names."""

    def made(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
        from openbragg.engine.compiled.gradient import block_gradients

        count = len(arguments_of(plan))

        def gradients(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
            return block_gradients(plan, wanted, tensors[:count], *tensors[count:])

        return gradients

    return Kind(
        name=f"gradients {' '.join(wanted)}",
        title="gradient",
        seconds=40.0,
        further=3,
        function=made,
        differentiates=True,
    )


def slopes_by(within: Sequence[str], width: int) -> Kind:
    """The kind that differentiates sums, evaluation by evaluation, by tensors of these names among others.

    `width` is how many numbers a column has.
    """

    def made(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
        from openbragg.engine.compiled.slopes import block_slopes

        count = len(arguments_of(plan))

        def slopes(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
            slow, fast, directions = tensors[count:]
            found = block_slopes(plan, within, tensors[:count], slow, fast, directions)
            return found.intensity, found.by_scattering, found.along, found.within

        return slopes

    return Kind(
        name=f"slopes {' '.join(within)}",
        title="Jacobian",
        seconds=30.0,
        further=3,
        function=made,
        axes=((PIXELS,), (PIXELS,), ("column", width, "direction")),
        differentiates=True,
    )


def arguments_of(plan: Plan) -> list[torch.Tensor]:
    """A plan's tensors as compiled code takes them."""
    return [tensor.detach().contiguous() for _, tensor in tensors_in(plan)]


def _forward(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
    count = len(arguments_of(plan))

    def sums(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
        whole = with_tensors(plan, tensors[:count])
        return block_sums(whole, whole.panels[0], *tensors[count:]).tensors()

    return sums


def _grouped(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
    count = len(arguments_of(plan))

    def sums(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
        whole = with_tensors(plan, tensors[:count])
        return group_sums(whole, whole.panels[0], *tensors[count:])

    return sums


FORWARD = Kind(name="sums", title="sum", seconds=25.0, further=2, function=_forward)
#: The same for structure factors that gain by groups.
GROUPED = Kind(name="grouped sums", title="sum", seconds=60.0, further=2, function=_grouped)
