"""Which code sums a plan's blocks: compiled if it is there or pays, else torch's own operations."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import torch

from openbragg.engine.block import block_plan, block_sums, lie_across, tensors_in, with_tensors
from openbragg.engine.cache import Cache
from openbragg.engine.grouped import Regrouped, group_sums, groups_pay
from openbragg.engine.kernel import PIXEL_MULTIPLE, Kernel, KernelError, Run, fits
from openbragg.engine.plan import PanelPlan, Plan

ENGINES = ("auto", "eager", "compiled")

#: What a term costs without compiled code, in seconds of one core, and what compiling costs in seconds; measured by
#: `benchmarks/`, and only to a factor of two the same on all machines.
EAGER_SECONDS_PER_TERM = 1e-7
COMPILING_SECONDS = 40.0
#: What a term costs on a GPU without compiled code: a guess, for none has been measured.
DEVICE_SECONDS_PER_TERM = 2e-9
#: Terms evaluated at once on a GPU, enough to fill it; and what a term takes at most, where nothing is fused.
_MOST_DEVICE_TERMS, _DEVICE_BYTES_PER_TERM = 1 << 24, 256
#: The same of evaluations where it is; and the terms of such a block, which keep it to a fraction of a second.
_MOST_DEVICE_EVALUATIONS, _DEVICE_BYTES_PER_EVALUATION, _DEVICE_BLOCK_TERMS = 1 << 22, 1024, 1 << 32
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
        from openbragg.engine.compilation import CompilationError

        kernels: list[Run] = []
        try:
            prepared = block_plan(plan, panel)
            for kind, size in kinds:
                kernel: Run | None
                if on_cpu:
                    kernel = load_kernel(prepared, kind, self, compiling=worth)
                else:
                    kernel = self._on_device(prepared, kind, size)
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
        from openbragg.engine.device import device_kernel

        further = [torch.zeros(size, dtype=torch.float64, device=plan.device)] * kind.further
        with _compiler_folder(self.cache), torch.no_grad():
            run = device_kernel(plan, kind.name, kind.function, further, differentiates=kind.differentiates)
            run([*arguments_of(plan), *further])
            finish(plan.device)
        return run


@attrs.frozen(eq=False)
class Summer:
    """Compiled code with a plan's tensors: sums blocks of pixels.

    Attributes
    ----------
    kernel, tensors
        The code, and all its arguments but the pixels' coordinates.
    pixels
        How many to give it at once.
    """

    kernel: Run
    tensors: list[torch.Tensor]
    pixels: int

    def __call__(self, slow: torch.Tensor, fast: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Photons (pixel,), float64, and where anything interpolates the marks `missing` and `complete`."""
        count = slow.numel()
        if count % PIXEL_MULTIPLE == 0:
            return tuple(self.kernel([*self.tensors, slow, fast]))
        outputs = self.kernel([*self.tensors, padded(slow), padded(fast)])
        return tuple(output[:count] for output in outputs)


@attrs.frozen(kw_only=True, eq=False)
class DifferentiableSummer:
    """Compiled code with a plan's tensors that carry gradients, and the code of the gradient.

    Attributes
    ----------
    summer
        The sums.
    gradient
        Takes the plan's tensors, the pixels' coordinates and what each pixel's photons are multiplied by; gives the
        derivative by each tensor that requires one.
    tensors
        The plan's.
    pixels
        How many to give the gradient at once.
    threads
        How many blocks to work on at a time.
    """

    summer: Summer
    gradient: Run
    tensors: list[torch.Tensor]
    pixels: int
    threads: int


@attrs.frozen(kw_only=True, eq=False)
class Kind:
    """A function of a plan's block that can be compiled.

    Attributes
    ----------
    name
        Of the kind, in the cache.
    further
        How many tensors (pixel,) it takes after the plan's.
    function
        Makes it for a plan.
    axes, dtypes
        Names of the axes of the further tensors, see `openbragg.engine.compilation`, and their dtypes for a plan,
        where they are not (pixel,) of float64.
    differentiates
        Whether it takes derivatives.
    """

    name: str
    further: int
    function: Callable[[Plan], Callable[..., Sequence[torch.Tensor]]]
    axes: tuple[tuple[str | int, ...], ...] | None = None
    dtypes: Callable[[Plan], tuple[torch.dtype, ...]] | None = None
    differentiates: bool = False


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


FORWARD = Kind(name="sums", further=2, function=_forward)
#: The same for structure factors that gain by groups.
GROUPED = Kind(name="grouped sums", further=2, function=_grouped)


def gradients_by(wanted: Sequence[str]) -> Kind:
    """The kind that differentiates the photons by tensors of these names."""

    def made(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
        from openbragg.engine.gradient import block_gradients

        count = len(arguments_of(plan))

        def gradients(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
            return block_gradients(plan, wanted, tensors[:count], *tensors[count:])

        return gradients

    return Kind(name=f"gradients {' '.join(wanted)}", further=3, function=made, differentiates=True)


def load_kernel(plan: Plan, kind: Kind, engine: Engine, *, compiling: bool) -> Kernel | None:
    """The code for a plan from `block_plan`: from the cache, or compiled and kept there; None where neither is to be.

    Raises
    ------
    CompilationError
        When it cannot be compiled.
    KernelError
        When it cannot be loaded.
    """
    from openbragg.engine.signature import ChangeableError, options_of, signature_of

    arguments = arguments_of(plan)
    try:
        signature: dict[str, Any] | None = signature_of(plan, kind.name)
    except ChangeableError as reason:
        if compiling:
            engine.notices(f"compiled code is not kept: {reason}")
        signature = None
    trusted = engine.cache.usable()
    if signature is not None and trusted is None:
        entry = engine.cache.find(signature, lambda name: options_of(plan, name))
        if entry is not None and fits(entry.shapes[: len(arguments)], entry.dtypes[: len(arguments)], arguments):
            return Kernel(entry.library, entry.shapes, entry.dtypes, entry.outputs, engine.cores())
    if not compiling:
        return None
    if trusted is not None:
        engine.notices(f"compiled code is not kept: {engine.cache.folder}: {trusted}")
        signature = None
    return _compile(plan, kind, engine, signature)


def _compile(plan: Plan, kind: Kind, engine: Engine, signature: dict[str, Any] | None) -> Kernel:
    from openbragg.engine.compilation import CompilationError, compile_function
    from openbragg.engine.signature import options_of
    from openbragg.engine.watching import watched

    began = time.monotonic()
    arguments = arguments_of(plan)
    observed, read = watched(plan)
    with tempfile.TemporaryDirectory() as scratch, _compiler_folder(engine.cache):
        dtypes = kind.dtypes(plan) if kind.dtypes is not None else (torch.float64,) * kind.further
        further = [torch.zeros(1, dtype=dtype, device=plan.device) for dtype in dtypes]
        made = compile_function(
            kind.function(observed),
            list(tensors_in(plan)),
            further,
            Path(scratch),
            kind.axes,
            differentiates=kind.differentiates,
        )
        values = {name: options_of(plan, name) for name in sorted(read)}
        unclear = [name for name, value in values.items() if value is None]
        if unclear:
            raise CompilationError(f"{unclear[0]} is neither a plain value nor a tensor")
        described = {
            "shapes": made.shapes,
            "dtypes": made.dtypes,
            "outputs": made.outputs,
            "seconds": time.monotonic() - began,
        }
        library = made.library
        if signature is not None:
            try:
                library = engine.cache.keep(
                    signature, {name: value for name, value in values.items() if value is not None}, library, described
                ).library
            except OSError as error:
                engine.notices(f"compiled code is not kept: {engine.cache.folder}: {error.strerror}")
        # Once loaded, a library may lose its file.
        kernel = Kernel(library, made.shapes, made.dtypes, made.outputs, engine.cores())
    if kind.axes is None:
        kernel.check([*arguments, *[torch.zeros(PIXEL_MULTIPLE, dtype=torch.float64)] * kind.further])
    return kernel


@contextmanager
def _compiler_folder(cache: Cache) -> Iterator[None]:
    """Let torch's compiler keep its headers, which are its own and the user's, where our code is kept."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    if before is None and cache.usable() is None:
        try:
            cache.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.environ[name] = str(cache.compiler_folder())
        except OSError:
            pass
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)


def device_terms(device: torch.device) -> int:
    """Terms to evaluate at once on a GPU: as many as fill it, in half of the memory that is free there."""
    return max(1, min(_MOST_DEVICE_TERMS, _free(device) // 2 // _DEVICE_BYTES_PER_TERM))


def device_evaluations(device: torch.device) -> int:
    """The same of evaluations by compiled code, in which terms do not pass through memory."""
    return max(1, min(_MOST_DEVICE_EVALUATIONS, _free(device) // 2 // _DEVICE_BYTES_PER_EVALUATION))


def finish(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _free(device: torch.device) -> int:
    """Bytes of a GPU's memory that nobody uses."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 1 << 34


def default_threads() -> int:
    """Cores to use when nobody says: all that this process may use, one in a worker of another process.

    What OMP_NUM_THREADS or `torch.set_num_threads` allow is an upper limit.
    """
    from multiprocessing import parent_process

    if parent_process() is not None:
        return 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), allowed))


def padded(values: torch.Tensor) -> torch.Tensor:
    """Values (pixel,) with the last repeated up to the multiple of pixels that compiled code works on."""
    missing = -values.numel() % PIXEL_MULTIPLE
    return values if missing == 0 else torch.cat([values, values[-1:].expand(missing)])


def arguments_of(plan: Plan) -> list[torch.Tensor]:
    """A plan's tensors as compiled code takes them."""
    return [tensor.detach().contiguous() for _, tensor in tensors_in(plan)]


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
