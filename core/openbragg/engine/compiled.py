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

from openbragg.engine.block import block_plan, block_sums, tensors_in, with_tensors
from openbragg.engine.cache import Cache
from openbragg.engine.kernel import PIXEL_MULTIPLE, Kernel, KernelError, fits
from openbragg.engine.plan import PanelPlan, Plan

ENGINES = ("auto", "eager", "compiled")

#: What a term costs without compiled code, in seconds of one core, and what compiling costs in seconds; measured by
#: `benchmarks/`, and only to a factor of two the same on all machines.
EAGER_SECONDS_PER_TERM = 1e-7
COMPILING_SECONDS = 40.0
#: Evaluations (pixels x layers x subpixels x sources) of a block: q and its like stay in a core's cache.
_BLOCK_EVALUATIONS = 8192
#: Terms of a block, which keeps it to a fraction of a second, where fewer pixels can.
_BLOCK_TERMS = 1 << 24
#: With more evaluations in a pixel, even the smallest block would take too much memory.
_MOST_EVALUATIONS = 1 << 17


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
    """

    name: str = "auto"
    threads: int | None = None
    notices: Callable[[str], None] = attrs.field(default=lambda line: None)
    cache: Cache = attrs.field(factory=Cache)

    def cores(self) -> int:
        """The number of cores."""
        return self.threads or default_threads()

    def summer(self, plan: Plan, panel: PanelPlan, pixels: int) -> Summer | None:
        """The compiled code for some pixels of a panel, or None where torch's own operations do.

        Compiles it where that is asked for or pays.
        """
        if self.name == "eager" or plan.device.type != "cpu" or pixels == 0:
            return None
        reason = _unfit(plan, panel)
        if reason is not None:
            self._refuse(reason)
            return None
        worth = self.name == "compiled" or (
            pixels * plan.terms_per_pixel() * EAGER_SECONDS_PER_TERM / self.cores() > COMPILING_SECONDS
        )
        from openbragg.engine.compilation import CompilationError

        try:
            prepared = block_plan(plan, panel)
            kernel = load_kernel(prepared, FORWARD, self, compiling=worth)
        except (CompilationError, KernelError) as error:
            if worth:
                self.notices(f"no compiled code, this takes longer: {error}")
            return None
        if kernel is None:
            return None
        return Summer(kernel, arguments_of(prepared), _block_pixels(plan, panel, pixels, self.cores()), plan)

    def _refuse(self, reason: str) -> None:
        if self.name == "compiled":
            self.notices(f"no compiled code for this run: {reason}")


@attrs.frozen(eq=False)
class Summer:
    """Compiled code with a plan's tensors: sums blocks of pixels.

    Attributes
    ----------
    kernel, tensors
        The code, and all its arguments but the pixels' coordinates.
    pixels
        How many to give it at once.
    plan
        What it sums.
    """

    kernel: Kernel
    tensors: list[torch.Tensor]
    pixels: int
    plan: Plan

    def __call__(self, slow: torch.Tensor, fast: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Photons (pixel,), float64, and where anything interpolates the marks `missing` and `complete`."""
        count = slow.numel()
        outputs = self.kernel([*self.tensors, padded(slow), padded(fast)])
        return tuple(output[:count] for output in outputs)


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
    """

    name: str
    further: int
    function: Callable[[Plan], Callable[..., Sequence[torch.Tensor]]]
    axes: tuple[tuple[str | int, ...], ...] | None = None
    dtypes: Callable[[Plan], tuple[torch.dtype, ...]] | None = None


def _forward(plan: Plan) -> Callable[..., Sequence[torch.Tensor]]:
    count = len(arguments_of(plan))

    def sums(*tensors: torch.Tensor) -> Sequence[torch.Tensor]:
        whole = with_tensors(plan, tensors[:count])
        return block_sums(whole, whole.panels[0], *tensors[count:]).tensors()

    return sums


FORWARD = Kind(name="sums", further=2, function=_forward)


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
        made = compile_function(kind.function(observed), list(tensors_in(plan)), further, Path(scratch), kind.axes)
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
        return "a pixel has too many subpixels, layers and sources"
    return None


def _evaluations(plan: Plan, panel: PanelPlan) -> int:
    return panel.layer_depths.numel() * plan.oversample**2 * plan.wavelengths.numel()


def _block_pixels(plan: Plan, panel: PanelPlan, pixels: int, threads: int) -> int:
    """Pixels of a block: a few blocks a core at least, a multiple of what compiled code works on."""
    evaluations = _evaluations(plan, panel)
    most = min(_BLOCK_EVALUATIONS // evaluations, _BLOCK_TERMS // plan.terms_per_pixel(), pixels // (4 * threads))
    return max(1, most // PIXEL_MULTIPLE) * PIXEL_MULTIPLE
