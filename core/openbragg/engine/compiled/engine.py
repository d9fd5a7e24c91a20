"""Which code sums a plan's blocks: compiled if it is there or pays, else torch's own operations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import attrs
import torch

from openbragg.engine.compiled.block import block_plan, lie_across, tensors_in
from openbragg.engine.compiled.cache import Cache
from openbragg.engine.compiled.grouped import Regrouped, groups_pay
from openbragg.engine.compiled.kernel import PIXEL_MULTIPLE, Kernel, KernelError, Run
from openbragg.engine.compiled.kinds import FORWARD, GROUPED, Kind, arguments_of, gradients_by
from openbragg.engine.compiled.loading import Store, compiler_folder
from openbragg.engine.compiled.summers import DifferentiableSummer, Summer
from openbragg.engine.devices import device_evaluations, device_terms, finish
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.threads import default_threads

ENGINES = ("auto", "eager", "compiled")

#: What a term costs without compiled code, in seconds of one core, and what compiling costs in seconds; measured by
#: `benchmarks/`, and only to a factor of two the same on all machines.
EAGER_SECONDS_PER_TERM = 1e-7
COMPILING_SECONDS = 40.0
#: What a term costs on a GPU without compiled code: a guess, for none has been measured.
DEVICE_SECONDS_PER_TERM = 2e-9
#: Terms of a block on a GPU, which keep it to a fraction of a second.
_DEVICE_BLOCK_TERMS = 1 << 32
#: Evaluations of a block (pixels x layers x subpixels, and x sources where these lie down): so many that what a call
#: costs is lost among them, in a few megabytes.
_BLOCK_EVALUATIONS = 65536
#: Terms of a block, which keeps it to a fraction of a second, where fewer pixels can.
_BLOCK_TERMS = 1 << 24
#: Both of a block in groups, of whose terms some numbers pass through memory.
_GROUPED_TERMS = 1 << 16
#: Terms of a block of which the gradient is taken: the derivatives of all its terms pass through memory.
_GRADIENT_TERMS = 1 << 18
#: With more evaluations in a pixel, even the smallest block would take too much memory.
_MOST_EVALUATIONS = 1 << 17


@attrs.define
class Use:
    """What an engine has done: seconds spent on making and loading code, if such code summed, and what failed."""

    preparing: float = 0.0
    compiled: bool = False
    failed: set[str] = attrs.field(factory=set)


@attrs.frozen(kw_only=True)
class Engine:
    """How sums are computed.

    Attributes
    ----------
    name
        ``eager``: by torch, operation by operation; ``compiled``: by code made for this model, in one go; ``auto``:
        compiled where such code is in the cache, or where compiling costs less than it saves.
    threads
        Cores to use; what `default_threads` says if None.
    notices
        Where a line goes that the user should know.
    cache
        Where compiled code is kept.
    use
        What was done so far.
    images
        For how many images of a model code would be compiled.
    """

    name: str = "auto"
    threads: int | None = None
    notices: Callable[[str], None] = attrs.field(default=lambda line: None)
    cache: Cache = attrs.field(factory=Cache)
    use: Use = attrs.field(factory=Use)
    images: int = 1

    def pays(self, terms: int, programs: int = 1, *, on_cpu: bool = True) -> bool:
        """Whether to compile so many programs for the terms of an image: where it was asked for, or saves time."""
        each = EAGER_SECONDS_PER_TERM / self.cores() if on_cpu else DEVICE_SECONDS_PER_TERM
        return self.name == "compiled" or self.images * terms * each > programs * COMPILING_SECONDS

    def cores(self) -> int:
        """The number of cores."""
        return self.threads or default_threads()

    def load(self, plan: Plan, kind: Kind, *, compiling: bool) -> Kernel | None:
        """See `openbragg.engine.compiled.loading.Store.load`."""
        store = Store(cache=self.cache, threads=self.cores(), notices=self.notices)
        return store.load(plan, kind, compiling=compiling)

    def summer(self, plan: Plan, panel: PanelPlan, pixels: int) -> Summer | None:
        """The compiled code for some pixels of a panel, or None where torch's own operations do.

        Compiles it where that is asked for or pays.
        """
        grouped = self.name != "eager" and plan.device.type == "cpu" and pixels > 0
        grouped = grouped and groups_pay(block_plan(plan, panel), panel)
        limits = (_GROUPED_TERMS, _GROUPED_TERMS) if grouped else (_BLOCK_EVALUATIONS, _BLOCK_TERMS)
        size = self._block_pixels(plan, panel, pixels, *limits)
        kernels = self._kernels(plan, panel, pixels, [(GROUPED if grouped else FORWARD, size)])
        if kernels is None:
            return None
        return Summer(Regrouped(kernels[0]) if grouped else kernels[0], arguments_of(block_plan(plan, panel)), size)

    def differentiable_summer(self, plan: Plan, panel: PanelPlan, pixels: int) -> DifferentiableSummer | None:
        """The same for a plan that carries gradients."""
        named = list(tensors_in(block_plan(plan, panel)))
        wanted = [name for name, tensor in named if tensor.requires_grad]
        size = self._block_pixels(plan, panel, pixels, _BLOCK_EVALUATIONS, _BLOCK_TERMS)
        most = _GRADIENT_TERMS if plan.device.type == "cpu" else device_terms(plan.device)
        fewer = max(1, min(size, most // plan.terms_per_pixel()) // PIXEL_MULTIPLE) * PIXEL_MULTIPLE
        kernels = self._kernels(plan, panel, pixels, [(FORWARD, size), (gradients_by(wanted), fewer)])
        if kernels is None:
            return None
        return DifferentiableSummer(
            summer=Summer(kernels[0], arguments_of(block_plan(plan, panel)), size),
            gradient=kernels[1],
            tensors=[tensor for _, tensor in named],
            pixels=fewer,
            threads=self.cores(),
        )

    def _block_pixels(self, plan: Plan, panel: PanelPlan, pixels: int, evaluations: int, terms: int) -> int:
        """Pixels of a block of so many evaluations and terms on a CPU: a few blocks a core at least.

        It is a multiple of what compiled code works on.
        """
        each = _evaluations(plan, panel)
        if plan.device.type == "cpu":
            most = min(evaluations // each, terms // plan.terms_per_pixel(), pixels // (4 * self.cores()))
        else:
            most = min(device_evaluations(plan.device) // each, _DEVICE_BLOCK_TERMS // plan.terms_per_pixel())
            most = min(most, pixels + PIXEL_MULTIPLE - 1)
        return max(1, most // PIXEL_MULTIPLE) * PIXEL_MULTIPLE

    def _unfit(self, plan: Plan, panel: PanelPlan) -> bool:
        """Whether a plan's sum is one that cannot be compiled; says why where that was asked for."""
        reason = _unfit(plan, panel)
        if reason is not None and self.name == "compiled":
            self.notices(f"no compiled code for this run: {reason}")
        return reason is not None

    def _kernels(
        self, plan: Plan, panel: PanelPlan, pixels: int, kinds: Sequence[tuple[Kind, int]]
    ) -> list[Run] | None:
        """Compiled code of some kinds, or None where there is none.

        With each kind comes how many pixels its blocks will have: on a GPU torch makes code for blocks of that size.
        """
        if self.name == "eager" or pixels == 0 or self._unfit(plan, panel):
            return None
        on_cpu = plan.device.type == "cpu"
        worth = self.pays(pixels * plan.terms_per_pixel(), on_cpu=on_cpu)
        if not (on_cpu or worth):
            return None
        began = time.monotonic()
        from openbragg.engine.compiled.compilation import CompilationError

        kernels: list[Run] = []
        try:
            prepared = block_plan(plan, panel)
            for kind, size in kinds:
                if not on_cpu:
                    kernels.append(self._on_device(prepared, kind, size))
                    continue
                kernel = self.load(prepared, kind, compiling=worth)
                if kernel is None:
                    return None
                kernels.append(kernel)
        except (CompilationError, KernelError) as error:
            if worth and str(error) not in self.use.failed:
                self.use.failed.add(str(error))
                self.notices(f"no compiled code, this takes longer: {error}")
            return None
        finally:
            self.use.preparing += time.monotonic() - began
        self.use.compiled = True
        return kernels

    def _on_device(self, plan: Plan, kind: Kind, size: int) -> Run:
        """Code that has been run once, on a block of the size that is to come: that is when torch makes it."""
        from openbragg.engine.compiled.on_device import device_kernel

        further = [torch.zeros(size, dtype=torch.float64, device=plan.device)] * kind.further
        with compiler_folder(self.cache), torch.no_grad():
            run = device_kernel(plan, kind.name, kind.function, further, differentiates=kind.differentiates)
            run([*arguments_of(plan), *further])
            finish(plan.device)
        return run


def _unfit(plan: Plan, panel: PanelPlan) -> str | None:
    """Why a plan's sum is not one that can be compiled; None where it is."""
    if plan.running_product:
        return "running-product goes through the terms one by one"
    if _evaluations(plan, panel) > _MOST_EVALUATIONS:
        return "a pixel has too many subpixels, layers and sources to be taken apart"
    return None


def _evaluations(plan: Plan, panel: PanelPlan) -> int:
    sources = 1 if lie_across(plan) else plan.wavelengths.numel()
    return panel.layer_depths.numel() * plan.oversample**2 * sources
