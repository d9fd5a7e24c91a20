"""Which code sums a plan's blocks: compiled if it is there or pays, else torch's own operations."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence

import attrs
import torch

from openbragg.engine.compiled.alike import Alike
from openbragg.engine.compiled.block import block_plan, lie_across, tensors_in
from openbragg.engine.compiled.cache import Cache
from openbragg.engine.compiled.grouped import Regrouped, groups_gain, groups_pay
from openbragg.engine.compiled.kernel import PIXEL_MULTIPLE, Kernel, KernelError, Run
from openbragg.engine.compiled.kinds import FORWARD, GROUPED, Kind, arguments_of, gradients_by, slopes_by
from openbragg.engine.compiled.loading import Store, compiler_folder
from openbragg.engine.compiled.resident import Occasion, structure_of
from openbragg.engine.compiled.summers import DifferentiableSummer, Summer
from openbragg.engine.devices import device_evaluations, device_terms, finish
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.threads import Team, Workers, default_threads, operations_in_one_thread
from openbragg.errors import UsageError

ENGINES = ("auto", "eager", "compiled")

#: What a term costs without compiled code, in seconds of one core; measured by `benchmarks/`, and only to a factor of
#: two the same on all machines. What compiling costs stands in `Kind`.
EAGER_SECONDS_PER_TERM = 1e-7
#: The same with its gradient, in seconds: torch shares single operations among cores, to little avail. From 2e-7 on
#: a machine that does nothing else to 1e-6 on one whose cores are taken.
EAGER_GRADIENT_SECONDS_PER_TERM = 7.5e-7
#: The same on a GPU: guesses, for none has been measured.
DEVICE_SECONDS_PER_TERM, DEVICE_GRADIENT_SECONDS_PER_TERM = 2e-9, 2e-8
#: Who has asked again and again will go on, and code is kept: this part of what compiling costs may be spent before.
_SPENT_BEFORE = 0.25
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
    """What an engine has done.

    Attributes
    ----------
    preparing
        Seconds spent on making and loading code.
    compiled
        Whether such code summed.
    spent
        About how many seconds work took that code could have done, by the code's key.
    failed
        Occasions on which code could not be made, by their keys, and why.
    gain
        The tables that were looked at last, and whether their sums gain by groups.
    """

    preparing: float = 0.0
    compiled: bool = False
    spent: dict[Hashable, float] = attrs.field(factory=dict)
    failed: dict[Hashable, tuple[Occasion, str]] = attrs.field(factory=dict)
    gain: tuple[tuple[torch.Tensor, ...], bool] | None = None


@attrs.frozen(kw_only=True)
class Engine:
    """How sums are computed: an object to hold on to, for it knows what was done before.

    Attributes
    ----------
    name
        ``eager``: by torch, operation by operation; ``compiled``: by code made for this model, in one go; ``auto``:
        compiled where such code is in the cache, or where compiling costs less than it saves. What this engine has
        computed eagerly so far counts, and gradients count as what they take.
    threads
        Cores to use; what `default_threads` says if None.
    notices
        Where a line goes that the user should know: before anything is compiled, what it is and how long it may take.
    cache
        Where compiled code is kept.
    use
        What was done so far.
    workers
        The threads that share blocks; they wait for the next sum.
    images
        How many images of a model are foreseen.
    alike
        What is known of panels that are alike, in an engine for one use of a plan; None in one that is kept.
    """

    name: str = "auto"
    threads: int | None = None
    notices: Callable[[str], None] = attrs.field(default=lambda line: None)
    cache: Cache = attrs.field(factory=Cache)
    use: Use = attrs.field(factory=Use)
    workers: Workers = attrs.field(factory=Workers)
    images: int = 1
    alike: Alike | None = None

    def for_alike(self) -> Engine:
        """The same engine for one use of plans: what serves one panel serves those like it without another look."""
        return attrs.evolve(self, alike=Alike())

    def prepared(self, plan: Plan, panel: PanelPlan) -> Plan:
        """What `block_plan` makes of a plan and a panel."""
        return block_plan(plan, panel) if self.alike is None else self.alike.prepared(plan, panel)

    def arguments(self, plan: Plan, panel: PanelPlan) -> list[torch.Tensor]:
        """What `arguments_of` has of that."""
        if self.alike is None:
            return arguments_of(block_plan(plan, panel))
        return [tensor.detach().contiguous() for _, tensor in self.alike.tensors(plan, panel)]

    def cores(self) -> int:
        """The number of cores."""
        return self.threads or default_threads()

    def team(self) -> Team:
        """The threads that share blocks, as many as there are cores."""
        return Team(self.cores(), self.workers)

    def summer(self, plan: Plan, panel: PanelPlan, pixels: int) -> Summer | None:
        """The compiled code for some pixels of a panel, or None where torch's own operations do.

        Compiles it where that is asked for or pays.

        Raises
        ------
        UsageError
            When compiled code is asked for while torch transforms what is computed.
        """
        if not self._may_compile(plan, panel, pixels):
            return None
        prepared = self.prepared(plan, panel)
        grouped = plan.device.type == "cpu" and self._groups_pay(prepared, panel)
        limits = (_GROUPED_TERMS, _GROUPED_TERMS) if grouped else (_BLOCK_EVALUATIONS, _BLOCK_TERMS)
        size = self._block_pixels(plan, panel, pixels, *limits)
        seconds = self.eager_seconds(plan, pixels)
        kind = GROUPED if grouped else FORWARD
        runs = self._known(plan, panel, kind, lambda: self._runs(prepared, [(kind, size)], seconds))
        if runs is None:
            return None
        return Summer(Regrouped(runs[0]) if grouped else runs[0], self.arguments(plan, panel), size)

    def differentiable_summer(self, plan: Plan, panel: PanelPlan, pixels: int) -> DifferentiableSummer | None:
        """The same for a plan that carries gradients."""
        if not self._may_compile(plan, panel, pixels) or (plan.spectral is not None and not lie_across(plan)):
            return None
        prepared = block_plan(plan, panel)
        named = tensors_in(prepared)
        wanted = [name for name, tensor in named if tensor.requires_grad]
        size = self._block_pixels(plan, panel, pixels, _BLOCK_EVALUATIONS, _BLOCK_TERMS)
        most = _GRADIENT_TERMS if plan.device.type == "cpu" else device_terms(plan.device)
        fewer = max(1, min(size, most // plan.terms_per_pixel()) // PIXEL_MULTIPLE) * PIXEL_MULTIPLE
        seconds = self.eager_seconds(plan, pixels, differentiating=True)
        runs = self._runs(prepared, [(FORWARD, size), (gradients_by(wanted), fewer)], seconds)
        if runs is None:
            return None
        return DifferentiableSummer(
            summer=Summer(runs[0], arguments_of(prepared), size),
            gradient=runs[1],
            tensors=[tensor for _, tensor in named],
            pixels=fewer,
            team=self.team(),
        )

    def jacobian(
        self, plan: Plan, panel: PanelPlan, pixels: int, directions: int, within: Sequence[str]
    ) -> tuple[Run, int] | None:
        """The compiled code of `openbragg.engine.compiled.slopes` for some pixels, and how many to give it at once.

        Parameters
        ----------
        plan, panel, pixels
            What is differentiated.
        directions
            In how many directions columns move.
        within
            Names of the tensors within terms by which to differentiate.

        Returns
        -------
        None where torch's own operations do.
        """
        if self.name == "eager" or not pixels or plan.device.type != "cpu" or _unfit(plan, panel) is not None:
            return None
        if plan.spectral is not None and not lie_across(plan):
            return None
        prepared = self.prepared(plan, panel)
        assert prepared.columns is not None
        kind = slopes_by(within, prepared.columns.shape[1])
        # Torch's own operations go through all terms once for each direction.
        seconds = self.eager_seconds(plan, pixels, differentiating=True) * max(1, directions) / 2.0
        runs = self._known(plan, panel, kind, lambda: self.kernels([(prepared, kind)], seconds))
        fewer = max(1, _GRADIENT_TERMS // plan.terms_per_pixel() // PIXEL_MULTIPLE) * PIXEL_MULTIPLE
        return None if runs is None else (runs[0], fewer)

    def _known(
        self, plan: Plan, panel: PanelPlan, kind: Kind, look: Callable[[], Sequence[Run] | None]
    ) -> Sequence[Run] | None:
        """The code that was found for a panel like this one, or what a look finds; on a GPU it is of one size alone."""
        if self.alike is None or plan.device.type != "cpu":
            return look()
        found: Sequence[Run] | None = self.alike.code(plan, panel, kind.name)
        if found is None:
            found = look()
            if found is not None:
                self.alike.keep(plan, panel, kind.name, found)
        return found

    def kernels(self, wanted: Sequence[tuple[Plan, Kind]], seconds: float) -> list[Kernel] | None:
        """The code for plans from `block_plan`, or None where it is not all there and is not to be compiled.

        Parameters
        ----------
        wanted
            What is needed together.
        seconds
            About how long the work takes without it, which is counted when there is none.
        """
        from openbragg.engine.compiled.compilation import CompilationError

        began = time.monotonic()
        store = Store(cache=self.cache, threads=self.cores(), notices=self.notices)
        asked = [store.wanted(plan, kind) for plan, kind in wanted]
        occasion = asked[-1].occasion
        try:
            found = [each.found() for each in asked]
            missing = [each.kind for each, kernel in zip(asked, found, strict=True) if kernel is None]
            if missing:
                if occasion.key in self.use.failed:
                    return None
                if not self._worth(asked[-1].key, sum(kind.seconds for kind in missing), seconds):
                    return None
            kernels = [kernel or each.compiled() for each, kernel in zip(asked, found, strict=True)]
        except (CompilationError, KernelError) as error:
            self._failed(occasion, str(error))
            return None
        finally:
            self.use.preparing += time.monotonic() - began
        self.use.compiled = True
        return kernels

    def eager_seconds(self, plan: Plan, pixels: int, *, differentiating: bool = False) -> float:
        """About how long so many pixels take without compiled code."""
        if plan.device.type == "cpu":
            each = EAGER_GRADIENT_SECONDS_PER_TERM if differentiating else EAGER_SECONDS_PER_TERM / self.cores()
        else:
            each = DEVICE_GRADIENT_SECONDS_PER_TERM if differentiating else DEVICE_SECONDS_PER_TERM
        return pixels * plan.terms_per_pixel() * each

    def would_compile(self, plan: Plan, panel: PanelPlan, seconds: float) -> bool:
        """Whether code that is not there would be compiled for work that takes so many seconds without."""
        if self.name == "eager" or plan.transformed() or self.use.failed or _unfit(plan, panel) is not None:
            return False
        return self.name == "compiled" or seconds > FORWARD.seconds

    def _worth(self, key: Hashable, cost: float, seconds: float) -> bool:
        """Whether to compile at a cost what would do work of so many seconds; if not, these are counted as spent."""
        spent = self.use.spent.get(key, 0.0)
        if self.name == "compiled" or self.images * seconds > cost or spent > _SPENT_BEFORE * cost:
            return True
        self.use.spent[key] = spent + seconds
        return False

    def _failed(self, occasion: Occasion, reason: str) -> None:
        """Note why code could not be made, and say so once."""
        if reason not in (known for _, known in self.use.failed.values()):
            self.notices(f"no compiled code, this takes longer: {reason}")
        self.use.failed[occasion.key] = (occasion, reason)

    def _groups_pay(self, prepared: Plan, panel: PanelPlan) -> bool:
        """Whether a panel's sum is to be taken in groups; whether tables gain by it is remembered of the last ones."""
        known = self.use.gain
        if known is None or known[0] is not prepared.tables:
            known = self.use.gain = (prepared.tables, groups_gain(prepared))
        with operations_in_one_thread():
            return known[1] and groups_pay(prepared, panel)

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

    def _may_compile(self, plan: Plan, panel: PanelPlan, pixels: int) -> bool:
        """Whether a plan's sum may be compiled; says why not where that was asked for."""
        if self.name == "eager" or pixels == 0:
            return False
        if plan.transformed():
            if self.name == "compiled":
                raise UsageError("compiled code has gradients by backward() alone; for torch.func, use engine='eager'")
            return False
        reason = _unfit(plan, panel)
        if reason is not None and self.name == "compiled":
            self.notices(f"no compiled code for this run: {reason}")
        return reason is None

    def _runs(self, prepared: Plan, kinds: Sequence[tuple[Kind, int]], seconds: float) -> Sequence[Run] | None:
        """Compiled code of some kinds, or None where there is none.

        With each kind comes how many pixels its blocks will have: on a GPU torch makes code for blocks of that size.
        """
        if prepared.device.type == "cpu":
            return self.kernels([(prepared, kind) for kind, _ in kinds], seconds)
        structure = structure_of(prepared, " ".join(kind.name for kind, _ in kinds))
        occasion = Occasion(structure.key, structure.pinned)
        if occasion.key in self.use.failed:
            return None
        if not self._worth(occasion.key, sum(kind.seconds for kind, _ in kinds), seconds):
            return None
        from openbragg.engine.compiled.compilation import CompilationError

        began = time.monotonic()
        try:
            runs = [self._on_device(prepared, kind, size) for kind, size in kinds]
        except (CompilationError, KernelError) as error:
            self._failed(occasion, str(error))
            return None
        finally:
            self.use.preparing += time.monotonic() - began
        self.use.compiled = True
        return runs

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
    if plan.reference_rays:
        return "sphere-cancellation hangs on the order of every rounding"
    if _evaluations(plan, panel) > _MOST_EVALUATIONS:
        return "a pixel has too many subpixels, layers and sources to be taken apart"
    return None


def _evaluations(plan: Plan, panel: PanelPlan) -> int:
    sources = 1 if lie_across(plan) else plan.wavelengths.numel()
    return panel.layer_depths.numel() * plan.oversample**2 * sources
