"""Where the code for a plan comes from: the cache, or the compiler."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.block import tensors_in
from openbragg.engine.compiled.cache import Cache
from openbragg.engine.compiled.kernel import PIXEL_MULTIPLE, Kernel, fits
from openbragg.engine.compiled.kinds import Kind, arguments_of
from openbragg.engine.plan import Plan


@attrs.frozen(kw_only=True)
class Store:
    """Where code is kept, and whom to tell.

    Attributes
    ----------
    cache
        Code of earlier runs.
    threads
        How many calls of one kernel may be under way at once.
    notices
        Where a line goes that the user should know.
    """

    cache: Cache
    threads: int
    notices: Callable[[str], None]

    def load(self, plan: Plan, kind: Kind, *, compiling: bool) -> Kernel | None:
        """The code for a plan from `block_plan`: kept, or compiled and then kept; None where neither is to be.

        A kernel that the process has loaded before is found without looking at any file.

        Raises
        ------
        CompilationError
            When it cannot be compiled.
        KernelError
            When it cannot be loaded.
        """
        from openbragg.engine.compiled.resident import RESIDENTS, structure_of

        structure = structure_of(plan, kind.name)
        key = (structure.key, str(self.cache.folder), self.threads)
        arguments = arguments_of(plan)
        kernel = RESIDENTS.find(key, plan, arguments)
        if kernel is not None:
            return kernel
        state = self.cache.state()
        if not compiling and RESIDENTS.known_absent(key, state):
            return None
        made = self._kept_or_compiled(plan, kind, arguments, compiling=compiling)
        if made is None:
            RESIDENTS.note_absent(key, state)
            return None
        RESIDENTS.keep(key, made.kernel, made.options, structure.pinned)
        return made.kernel

    def _kept_or_compiled(
        self, plan: Plan, kind: Kind, arguments: list[torch.Tensor], *, compiling: bool
    ) -> _Made | None:
        from openbragg.engine.compiled.signature import ChangeableError, options_of, signature_of

        reason = self.cache.usable()
        reason = None if reason is None else f"{self.cache.folder}: {reason}"
        signature: dict[str, Any] | None = None
        try:
            signature = signature_of(plan, kind.name)
        except ChangeableError as error:
            reason = f"{error}"
        if signature is not None and reason is None:
            entry = self.cache.find(signature, lambda name: options_of(plan, name))
            if entry is not None and fits(entry.shapes[: len(arguments)], entry.dtypes[: len(arguments)], arguments):
                kernel = Kernel(entry.library, entry.shapes, entry.dtypes, entry.outputs, self.threads)
                return _Made(kernel, entry.options)
        if not compiling:
            return None
        kept = "kept for the next run" if reason is None else "not kept for the next run"
        self.notices(f"compiling this model's {kind.title}, about {kind.seconds:.0f} s the first time; it is {kept}")
        if reason is not None:
            self.notices(f"compiled code is not kept between runs: {reason}")
        return self._compile(plan, kind, None if reason is not None else signature)

    def _compile(self, plan: Plan, kind: Kind, signature: dict[str, Any] | None) -> _Made:
        from openbragg.engine.compiled.compilation import CompilationError, compile_function
        from openbragg.engine.compiled.signature import options_of
        from openbragg.engine.compiled.watching import watched

        began = time.monotonic()
        arguments = arguments_of(plan)
        observed, read = watched(plan)
        with tempfile.TemporaryDirectory() as scratch, compiler_folder(self.cache):
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
            options = {name: value for name, value in values.items() if value is not None}
            if signature is not None:
                try:
                    library = self.cache.keep(signature, options, library, described).library
                except OSError as error:
                    self.notices(f"compiled code is not kept between runs: {self.cache.folder}: {error.strerror}")
            # Once loaded, a library may lose its file.
            kernel = Kernel(library, made.shapes, made.dtypes, made.outputs, self.threads)
        if kind.axes is None:
            kernel.check([*arguments, *[torch.zeros(PIXEL_MULTIPLE, dtype=torch.float64)] * kind.further])
        return _Made(kernel, options)


@attrs.frozen(eq=False)
class _Made:
    """A kernel, and the values of plugins' options that it was made with."""

    kernel: Kernel
    options: dict[str, str]


@contextmanager
def compiler_folder(cache: Cache) -> Iterator[None]:
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
