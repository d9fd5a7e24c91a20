"""Where the code for a plan comes from: the cache, or the compiler."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.block import tensors_in
from openbragg.engine.compiled.cache import COMPILER_VARIABLE, Cache, Entry
from openbragg.engine.compiled.kernel import PIXEL_MULTIPLE, Kernel, KernelError, fits
from openbragg.engine.compiled.kinds import Kind, arguments_of
from openbragg.engine.compiled.resident import RESIDENTS, Codes, Occasion, Structure, structure_of
from openbragg.engine.compiled.signature import ChangeableError, options_of, signature_of
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
    codes
        What this store has found out about the code of plugins.
    """

    cache: Cache
    threads: int
    notices: Callable[[str], None]
    codes: Codes = attrs.field(factory=Codes)

    def wanted(self, plan: Plan, kind: Kind) -> Wanted:
        """The code for a plan from `block_plan`, which is neither looked for nor made yet."""
        structure = structure_of(plan, kind.name, self.codes)
        return Wanted(store=self, plan=plan, kind=kind, arguments=arguments_of(plan), structure=structure)


@attrs.frozen(kw_only=True, eq=False)
class Wanted:
    """Code that is wanted for a plan.

    Attributes
    ----------
    store, plan, kind
        What is wanted, and from where.
    arguments
        The plan's tensors.
    structure
        On what the code depends.
    """

    store: Store
    plan: Plan
    kind: Kind
    arguments: list[torch.Tensor]
    structure: Structure

    @property
    def key(self) -> Hashable:
        """Equal for all plans of a structure, whatever the plugins' options are and the lengths they care about."""
        return self.structure.key, str(self.store.cache.folder), self.store.threads

    @property
    def occasion(self) -> Occasion:
        """The key with the very plugins, and the shapes of all tensors."""
        plugins = self.plan.plugins
        shapes = tuple(argument.shape for argument in self.arguments)
        return Occasion((self.key, tuple(map(id, plugins)), shapes), plugins)

    def found(self) -> Kernel | None:
        """The code, if it is there: in this process, without a look at any file, or in the cache.

        Raises
        ------
        KernelError
            When it cannot be loaded.
        """
        kernel = RESIDENTS.find(self.key, self.plan, self.arguments)
        state = self.store.cache.state()
        if kernel is not None or RESIDENTS.known_absent(self.occasion, state):
            return kernel
        signature, reason = self._signature()
        entry = None
        if reason is None and signature is not None:
            entry = self.store.cache.find(signature, lambda name: options_of(self.plan, name), self._fits)
        if entry is None:
            RESIDENTS.note_absent(self.occasion, state)
            return None
        try:
            kernel = Kernel(entry.library, entry.shapes, entry.dtypes, entry.outputs, self.store.threads)
        except KernelError as error:
            raise KernelError(
                f"kept code cannot be loaded; after `openbragg cache --clear` it is made anew: {error}"
            ) from None
        RESIDENTS.keep(self.key, kernel, entry.options, self.structure.pinned)
        return kernel

    def compiled(self) -> Kernel:
        """The code, compiled and then kept; what another process is compiling is waited for.

        Raises
        ------
        CompilationError
            When it cannot be compiled.
        KernelError
            When it cannot be loaded.
        """
        signature, reason = self._signature()
        if signature is None or reason is not None:
            return self._made(signature, reason)
        with self.store.cache.alone(signature):
            # Somebody else may have compiled it since it was looked for.
            return self.found() or self._made(signature, reason)

    def _made(self, signature: dict[str, Any] | None, reason: str | None) -> Kernel:
        notices = self.store.notices
        kept = "kept for the next run" if reason is None else "not kept for the next run"
        title, seconds = self.kind.title, self.kind.seconds
        notices(f"compiling this model's {title}, about {seconds:.0f} s the first time; it is {kept}")
        if reason is not None:
            notices(f"compiled code is not kept between runs: {reason}")
        kernel, options = self._compile(None if reason is not None else signature)
        RESIDENTS.keep(self.key, kernel, options, self.structure.pinned)
        return kernel

    def _signature(self) -> tuple[dict[str, Any] | None, str | None]:
        """The signature in the cache, and why there is none or the cache is not to be used."""
        trusted = self.store.cache.usable()
        try:
            signature = signature_of(self.plan, self.kind.name)
        except ChangeableError as error:
            return None, str(error)
        return signature, None if trusted is None else f"{self.store.cache.folder}: {trusted}"

    def _fits(self, entry: Entry) -> bool:
        count = len(self.arguments)
        return fits(entry.shapes[:count], entry.dtypes[:count], self.arguments)

    def _compile(self, signature: dict[str, Any] | None) -> tuple[Kernel, dict[str, str]]:
        """A kernel, and the values of plugins' options that it was made with."""
        from openbragg.engine.compiled.compilation import CompilationError, compile_function
        from openbragg.engine.compiled.watching import watched

        began = time.monotonic()
        plan, kind, cache = self.plan, self.kind, self.store.cache
        observed, read = watched(plan)
        with tempfile.TemporaryDirectory() as scratch, compiler_folder(cache):
            dtypes = kind.dtypes(plan) if kind.dtypes is not None else (torch.float64,) * kind.further
            further = [torch.zeros(1, dtype=dtype, device=plan.device) for dtype in dtypes]
            made = compile_function(
                kind.function(observed),
                tensors_in(plan),
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
                    library = cache.keep(signature, options, library, described).library
                except OSError as error:
                    self.store.notices(f"compiled code is not kept between runs: {cache.folder}: {error.strerror}")
            # Once loaded, a library may lose its file.
            kernel = Kernel(library, made.shapes, made.dtypes, made.outputs, self.store.threads)
        if kind.axes is None:
            kernel.check([*self.arguments, *[torch.zeros(PIXEL_MULTIPLE, dtype=torch.float64)] * kind.further])
        return kernel, options


@contextmanager
def compiler_folder(cache: Cache) -> Iterator[None]:
    """Let torch's compiler keep its headers, which are its own and the user's, where our code is kept.

    A user who has told torch where is heeded.
    """
    name = COMPILER_VARIABLE
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
