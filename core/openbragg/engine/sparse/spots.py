"""The sum from reflections to pixels: only of the terms that are near a lattice point.

Each term belongs to one reflection, the nearest to its h k l. Those whose F_cell^2 F_latt^2 is above a level are found
by their spots, and evaluated; the others add, all together, no more than the level times the number of terms. Twice
they are found: for a high level, of which a few pixels tell how large the peak is at least, and for the level that
follows from it. `docs/explanation/cull.md` has the proof.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

import attrs
import torch

from openbragg.engine.compiled.block import tensors_in, with_tensors
from openbragg.engine.compiled.engine import Engine
from openbragg.engine.pixels import Pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.sequence import first_evaluated
from openbragg.engine.sparse.culled import OF_SPOTS, Culled
from openbragg.engine.sparse.derivatives import SpotTerms
from openbragg.engine.sparse.limits import largest_term, largest_weight
from openbragg.engine.sparse.room import Room
from openbragg.engine.sparse.spot_sum import SpotSum
from openbragg.engine.strips import Strip
from openbragg.roles import LimitedSpectralStructureFactors, LimitedStructureFactors, LocalLatticeShape

#: The first level as a part of the largest term there may be; how much lower the next is where nothing is above it, and
#: how often that is tried.
_FIRST_LEVEL, _LOWER, _ATTEMPTS = 0.1, 1e-3, 5
_TAKES_LONGER = "all terms are expected to take less time than those near reflections"
#: Sums of what is left out are larger by less than this part, for rounding.
_ROUNDING = 1.0 + 1e-9


def spots_refusal(plan: Plan) -> str | None:
    """Why a plan that `openbragg.engine.sparse.cull.cull_refusal` lets pass has no sum from reflections; else None."""
    if plan.device.type != "cpu":
        return "it is summed on a GPU"
    if plan.reference_rays:
        return "the order of operations matters"
    if plan.transformed() and torch._C._functorch.peek_interpreter_stack() is not None:
        return "torch.func transforms all terms"
    if plan.curvature is not None:
        return "the detector is curved"
    if not isinstance(plan.shape, LocalLatticeShape):
        return f"spots of the lattice shape {plan.shape.name} have no end"
    if not isinstance(plan.structure_factors, LimitedStructureFactors):
        return f"the structure factors {plan.structure_factors.name} have no largest one"
    if plan.spectral is not None and not isinstance(plan.structure_factors, LimitedSpectralStructureFactors):
        return f"the structure factors {plan.structure_factors.name} have no bound at each wavelength"
    return None


class SpotRenderer:
    """Renders all pixels of a panel for `openbragg.engine.sequence.render_in_order`.

    Attributes
    ----------
    culled
        What was left out, once they are rendered.
    """

    def __init__(
        self,
        plan: Plan,
        panel: PanelPlan,
        pixels: Pixels,
        share: float,
        dtype: torch.dtype,
        engine: Engine,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """For a plan that `spots_refusal` has nothing against; other arguments as of `CullingRenderer`."""
        self._pixels, self._share = pixels, share
        self._dtype, self._engine, self._progress = dtype, engine, progress
        # What may carry derivatives is looked at without them, and evaluated again for them.
        self._carries = plan.differentiable() or plan.transformed()
        alone = attrs.evolve(plan, panels=(panel,))
        self._whole = alone
        if self._carries:
            self._whole = with_tensors(alone, [tensor.detach() for _, tensor in tensors_in(alone)])
        self._given, self._panel = panel, self._whole.panels[0]
        self._sum = SpotSum(self._whole, self._panel, pixels, engine, keep=self._carries)
        self._values: torch.Tensor | None = None
        self.culled: Culled | None = None

    def objection(self) -> str | None:
        """Sum, as long as that is expected to take less time than the full sum; why it was given up, None if not."""
        plan, pixels = self._whole, self._pixels
        weight = largest_weight(plan, self._panel, pixels)
        if weight is None:
            return "the panel does not face the crystal"
        # As one with a -crystal_scale of 0: of nothing no part can be left out.
        if weight == 0.0:
            return "the crystal scatters nothing"
        if not isfinite(self._sum.largest):
            return f"the structure factors {plan.structure_factors.name} have no largest one"
        with torch.no_grad():
            uncertain = first_evaluated(plan, self._panel, pixels)
        room = Room(pixels.count, self._dtype, self._engine.team())
        level = _FIRST_LEVEL * largest_term(plan, self._sum.largest)
        for _ in range(_ATTEMPTS):
            if self._sum.add_all(level, probing=True) is None:
                return _TAKES_LONGER
            peak = self._sum.peak(uncertain)
            if peak > 0.0:
                break
            level *= _LOWER
        else:
            return "no pixel near a reflection has photons"
        # What more there is in the image only makes its peak larger.
        level = min(level, self._share * peak / (weight * _ROUNDING**2))
        evaluated = self._sum.add_all(level) if level > 0.0 else None
        if evaluated is None:
            return _TAKES_LONGER
        self._values = self._sum.photons(room, self._progress)
        pairs = pixels.count * plan.cell_vectors.shape[:2].numel() * plan.wavelengths.numel()
        self.culled = Culled(
            pairs=pairs,
            evaluated=min(evaluated, pairs),
            bound=level * weight * _ROUNDING,
            of=OF_SPOTS,
            level=level,
        )
        return None

    def __call__(self, plan: Plan, start: int, stop: int) -> Strip:
        """The pixels, which are always all: nothing is left out of a run in which the order matters further."""
        assert (start, stop) == (0, self._pixels.count) and self._values is not None
        values = self._values
        if self._carries:
            terms = SpotTerms(self._pixels, self._sum.lots, self._sum.canvas)
            if plan.transformed():
                values = terms.carried(plan, self._given, self._dtype)
            else:
                values = terms.with_gradient(plan, self._given, values)
        return Strip(values, torch.zeros(1, dtype=torch.uint8).expand(stop))
