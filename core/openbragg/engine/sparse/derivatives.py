"""Derivatives of the sum from reflections: its terms are evaluated again, operation by operation.

Which terms there are is found, and their sum is made, without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import torch

from openbragg.engine.compiled.block import summed_plan, tensors_in, with_tensors
from openbragg.engine.compiled.summers import Summed
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.sparse.canvas import Canvas
from openbragg.engine.sparse.terms import lanes, photons_of_sums, rows_of, visit_terms
from openbragg.engine.sparse.visits import Visits
from openbragg.engine.strips import ranges

#: Rows of terms, and pixels, that are differentiated together.
_ROWS, _PIXELS = 1 << 11, 1 << 15


@attrs.frozen(eq=False)
class SpotTerms:
    """The terms that were summed, to be evaluated again.

    Attributes
    ----------
    pixels
        Of the panel.
    lots
        The visits.
    canvas
        Their sums.
    """

    pixels: Pixels
    lots: list[Visits]
    canvas: Canvas

    def with_gradient(self, plan: Plan, panel: PanelPlan, values: torch.Tensor) -> torch.Tensor:
        """Photons (pixel,) that are already there, such that gradients flow from them to the plan's tensors."""
        whole = summed_plan(plan, panel)
        tensors = [tensor for _, tensor in tensors_in(whole)]

        def backward(cotangent: torch.Tensor) -> list[torch.Tensor]:
            return self._gradients(whole, tensors, cotangent.to(torch.float64))

        summed: torch.Tensor = Summed.apply(lambda: values, backward, *tensors)  # type: ignore[no-untyped-call]
        return summed

    def carried(self, plan: Plan, panel: PanelPlan, dtype: torch.dtype) -> torch.Tensor:
        """Photons (pixel,) with the forward derivatives that the plan's tensors carry."""
        whole = summed_plan(plan, panel)
        total = torch.zeros_like(self.canvas.sums)
        for terms, places in self._terms(whole):
            total = total.index_add(0, places, terms)
        values = torch.zeros(self.pixels.count, dtype=dtype)
        for numbers, lit, slow, fast in self._seen(whole):
            sums = torch.zeros_like(slow) if lit is None else total[lit]
            photons = photons_of_sums(whole, whole.panels[0], slow, fast, sums)
            values = values.index_put((numbers,), photons.to(dtype))
        return values

    def _gradients(self, whole: Plan, tensors: Sequence[torch.Tensor], cotangent: torch.Tensor) -> list[torch.Tensor]:
        with torch.enable_grad():
            leaves = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in tensors]
            wanted = [leaf for leaf in leaves if leaf.requires_grad]
            again = with_tensors(whole, leaves)
            totals = [torch.zeros_like(leaf) for leaf in wanted]
            share = torch.zeros_like(self.canvas.sums)
            for numbers, lit, slow, fast in self._seen(whole):
                sums = (torch.zeros_like(slow) if lit is None else self.canvas.sums[lit]).requires_grad_()
                photons = (photons_of_sums(again, again.panels[0], slow, fast, sums) * cotangent[numbers]).sum()
                by_sums = _add(totals, photons, wanted, sums)
                if by_sums is not None and lit is not None:
                    share[lit] = by_sums
            for terms, places in self._terms(again):
                _add(totals, (terms * share[places]).sum(), wanted)
        return totals

    def _terms(self, plan: Plan) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All terms with the places of their pixels, (term,) each, some at a time."""
        pixels, grid = self.pixels, self.canvas.grid()
        vectors = plan.cell_vectors.reshape(-1, 9)
        for visits in self.lots:
            rows = rows_of(visits, pixels.region[2], pixels.region[0], (0, pixels.height))
            for low, high in ranges(0, len(rows.rows), _ROWS):
                further = (rows.visits, rows.beams, rows.rows[low:high], vectors, lanes())
                terms, places = visit_terms(plan, plan.panels[0], *further, grid, self.canvas.numbers)
                yield terms.reshape(-1), places.reshape(-1)

    def _seen(self, plan: Plan) -> Iterator[tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor]]:
        """Pixels that have photons, some at a time: numbers, places of sums if any, slow and fast indices."""
        lit = [self.canvas.lit(part) for part in self.canvas.parts(_PIXELS)]
        for part in lit:
            yield part.numbers, part.places, part.slow, part.fast
        if plan.water is not None:
            for numbers, slow, fast in self.canvas.unlit(lit, _PIXELS):
                yield numbers, None, slow, fast


def _add(
    totals: list[torch.Tensor], number: torch.Tensor, wanted: Sequence[torch.Tensor], beside: torch.Tensor | None = None
) -> torch.Tensor | None:
    """Add the derivatives of a number to totals; that by a further tensor, or None."""
    if not number.requires_grad:
        return None
    by = [*wanted, *([] if beside is None else [beside])]
    found = torch.autograd.grad(number, by, allow_unused=True)
    for total, part in zip(totals, found, strict=False):
        if part is not None:
            total += part
    return found[-1] if beside is not None else None
