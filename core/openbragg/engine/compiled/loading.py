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

        Raises
        ------
        CompilationError
            When it cannot be compiled.
        KernelError
            When it cannot be loaded.
        """
        from openbragg.engine.compiled.signature import ChangeableError, options_of, signature_of

        arguments = arguments_of(plan)
        try:
            signature: dict[str, Any] | None = signature_of(plan, kind.name)
        except ChangeableError as reason:
            if compiling:
                self.notices(f"compiled code is not kept: {reason}")
            signature = None
        trusted = self.cache.usable()
        if signature is not None and trusted is None:
            entry = self.cache.find(signature, lambda name: options_of(plan, name))
            if entry is not None and fits(entry.shapes[: len(arguments)], entry.dtypes[: len(arguments)], arguments):
                return Kernel(entry.library, entry.shapes, entry.dtypes, entry.outputs, self.threads)
        if not compiling:
            return None
        if trusted is not None:
            self.notices(f"compiled code is not kept: {self.cache.folder}: {trusted}")
            signature = None
        return self._compile(plan, kind, signature)

    def _compile(self, plan: Plan, kind: Kind, signature: dict[str, Any] | None) -> Kernel:
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
            if signature is not None:
                options = {name: value for name, value in values.items() if value is not None}
                try:
                    library = self.cache.keep(signature, options, library, described).library
                except OSError as error:
                    self.notices(f"compiled code is not kept: {self.cache.folder}: {error.strerror}")
            # Once loaded, a library may lose its file.
            kernel = Kernel(library, made.shapes, made.dtypes, made.outputs, self.threads)
        if kind.axes is None:
            kernel.check([*arguments, *[torch.zeros(PIXEL_MULTIPLE, dtype=torch.float64)] * kind.further])
        return kernel


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
