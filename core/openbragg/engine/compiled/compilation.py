"""Making compiled code of a block's sum."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import attrs
import torch

from openbragg.engine.compiled.conversions import conversions_included, conversions_refused
from openbragg.engine.compiled.fusion import loops_apart
from openbragg.engine.compiled.haste import (
    compiler_refused,
    cycles_left,
    hastened,
    hasty_settings,
    probing_again,
)
from openbragg.engine.compiled.kernel import PIXEL_MULTIPLE, PIXELS, Run

#: Lengths that the compiler is told to expect of the axes of a plan; any other is as right. They differ from each other
#: and from other lengths, so that none is taken for the same.
_EXPECTED = {"layer": 5, "subpixel": 7, "source": 13, "phi": 17, "mosaic": 29, "column": 377}
_EXPECTED_PIXELS = 64 * PIXEL_MULTIPLE
#: The same of tensors that come beside a plan's, where they are not (pixel,).
_EXPECTED_BESIDE = {
    **{"tile": 96, "row": 288, "sample": 16, "place": 60, "kept": 9001, "orientation": 251, "square": 7001},
    **{"direction": 19, "visit": 1013},
}
#: Names of axes by the plan's fields.
_AXES: dict[str, tuple[str | None, ...]] = {
    "subpixels": ("subpixel",),
    "incident": ("source", None),
    "wavelengths": ("source",),
    "source_weights": ("source",),
    "cell_vectors": ("phi", "mosaic", None, None),
    "columns": ("column", None),
    "domain_weights": ("mosaic",),
    "spectral": ("source", None),
    "panels.0.layer_depths": ("layer",),
}
#: Tensors whose lengths are a plugin's affair.
_OF_PLUGINS = ("tables.", "shape.", "structure_factors.", "lattice.parameters.", "diffuse.", "diffuse_parameters.")
#: Lengths that torch takes for granted of any axis that may change, and no limit at all.
_LEAST, _NO_LIMIT = 2, 1 << 31
#: Of the compiler.
SETTINGS = {
    # Cores share blocks; each block is one thread's.
    "cpp.threads": 1,
    "cpp.enable_floating_point_contract_flag": "fast",
    # The wrapper is called once a block: time spent on making it fast is lost.
    "aot_inductor.compile_wrapper_opt_level": "O0",
    "compile_threads": 1,
}
#: Operations that may be fused in a gradient: all of them.
_LARGEST_NEST = 4096


@attrs.frozen(kw_only=True)
class Compiled:
    """A library and what a `Kernel` must know of it."""

    library: Path
    shapes: list[list[int | str]]
    dtypes: list[str]
    outputs: int


class CompilationError(Exception):
    """The model cannot be compiled; the message says why in one line."""


def compile_function(
    function: Callable[..., Sequence[torch.Tensor]],
    named: Sequence[tuple[str, torch.Tensor]],
    further: Sequence[torch.Tensor],
    folder: Path,
    axes: Sequence[tuple[str | int, ...]] | None = None,
    *,
    differentiates: bool = False,
) -> Compiled:
    """Compile a function of a plan's tensors and of pixels' coordinates.

    Parameters
    ----------
    function
        Takes the plan's tensors and then `further` ones; returns tensors.
    named
        The plan's tensors with their names; only dtypes, shapes and names matter.
    further
        Tensors (pixel,), or of the axes below.
    folder
        Where the library is left.
    axes
        Names of the axes of each of the further tensors: those of a plan, ``pixel``, ``tile``, ``row``, ``sample``,
        ``place``, ``kept``, ``square``, ``orientation`` and ``direction``; the length of one that has always the same.
    differentiates
        Whether the function takes derivatives of what it computes.

    Raises
    ------
    CompilationError
        When torch cannot make one program of the function, or no C++ compiler is there.
    """
    try:
        with _quietly(), torch.no_grad(), cycles_left():
            _require_compiler()
            program = _exported(function, named, further, axes, differentiates=differentiates)
            return _made(program, folder, differentiates)
    except CompilationError:
        raise
    except Exception as error:
        raise CompilationError(_reason(error)) from error


def compile_for_device(
    function: Callable[..., Sequence[torch.Tensor]],
    named: Sequence[tuple[str, torch.Tensor]],
    further: Sequence[torch.Tensor],
    *,
    differentiates: bool = False,
) -> Run:
    """The same for the device on which the tensors are; nothing is kept but what torch keeps.

    Returns
    -------
    What takes all tensors together. It is compiled when it is first called, which raises a `CompilationError` where
    torch cannot do it.

    Raises
    ------
    CompilationError
        When torch cannot make one program of the function.
    """
    try:
        with _quietly(), torch.no_grad():
            program = _exported(function, named, further, None, differentiates=differentiates)
            compiled = torch.compile(program.module(), dynamic=True)
    except Exception as error:
        raise CompilationError(_reason(error)) from error
    ready = False

    def run(tensors: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        nonlocal ready
        if ready:
            outputs: Sequence[torch.Tensor] = compiled(*tensors)
            return outputs
        try:
            with _quietly():
                outputs = compiled(*tensors)
        except Exception as error:  # of a compiler for which torch has many names
            raise CompilationError(_reason(error)) from error
        ready = True
        return outputs

    return run


def _require_compiler() -> None:
    """Fail at once where there is no C++ compiler, not after the operations were found."""
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except (RuntimeError, OSError) as error:
        named = os.environ.get("CXX")
        raise CompilationError(
            f"{named}, which CXX names, is no C++ compiler" if named else "there is no C++ compiler; CXX may name one"
        ) from error


def _exported(
    function: Callable[..., Sequence[torch.Tensor]],
    named: Sequence[tuple[str, torch.Tensor]],
    further: Sequence[torch.Tensor],
    axes: Sequence[tuple[str | int, ...]] | None,
    *,
    differentiates: bool,
) -> torch.export.ExportedProgram:
    """The operations of a function, for all lengths that its tensors may have."""
    pixels = torch.export.Dim("pixel_groups", min=1, max=1 << 24) * PIXEL_MULTIPLE
    dimensions = {name: torch.export.Dim(name, min=1, max=1 << 24) for name in _EXPECTED}
    examples, dynamic = [], []
    for name, tensor in named:
        example, shape = _example(name, tensor, dimensions, fixed=differentiates)
        examples.append(example)
        dynamic.append(shape)
    if axes is None:
        examples += [tensor.new_ones(_EXPECTED_PIXELS) for tensor in further]
        dynamic += [{0: pixels}] * len(further)
    else:
        dimensions |= {name: torch.export.Dim(name, min=1, max=1 << 24) for name in _EXPECTED_BESIDE}
        dimensions[PIXELS] = pixels
        lengths = _EXPECTED | _EXPECTED_BESIDE | {PIXELS: _EXPECTED_PIXELS}
        for tensor, names in zip(further, axes, strict=True):
            examples.append(tensor.new_zeros([name if isinstance(name, int) else lengths[name] for name in names]))
            dynamic.append({place: dimensions[name] for place, name in enumerate(names) if isinstance(name, str)})
    if differentiates:
        function = _flattened(function, examples)
    return torch.export.export(_AsModule(function), tuple(examples), dynamic_shapes=(tuple(dynamic),), strict=False)


def _made(program: torch.export.ExportedProgram, folder: Path, differentiates: bool) -> Compiled:
    """A library of operations, with as much of what is our own about the compiler as it accepts."""
    conversions = hasty = True
    while True:
        try:
            with hastened() if hasty else contextlib.nullcontext():
                return _packaged(program, folder, _settings(differentiates, conversions, hasty))
        except Exception as error:
            if conversions and conversions_refused(error):
                # A torch whose vectors are others: its own conversions, slow or not, are right.
                conversions = False
            elif hasty and compiler_refused(error):
                hasty = False
                probing_again()
            else:
                raise


def _settings(differentiates: bool, conversions: bool, hasty: bool) -> dict[str, Any]:
    """Settings of the compiler for a function, with our own conversions in its code or with torch's."""
    settings = SETTINGS | (hasty_settings() if hasty else {})
    passes = [each for each in (loops_apart(), conversions_included() if conversions else None) if each is not None]
    settings["_pre_fusion_custom_pass"] = lambda nodes: reduce(lambda known, each: each(known), passes, nodes)
    if differentiates:
        settings["max_fusion_size"] = _LARGEST_NEST
    return settings


def _reason(error: Exception) -> str:
    """What went wrong, in one line."""
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return f"{type(error).__name__}: {reason[0][:200]}"


class _AsModule(torch.nn.Module):
    def __init__(self, function: Callable[..., Sequence[torch.Tensor]]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self._function(*tensors))


def _example(
    name: str, tensor: torch.Tensor, dimensions: dict[str, Any], fixed: bool
) -> tuple[torch.Tensor, dict[int, Any]]:
    """A tensor like one of the plan's of the lengths to expect, and which of its axes may have any.

    What is a plugin's may have any lengths that the plugin treats alike, or with `fixed` only those that it has: what
    plugins decide by a length is not seen while derivatives are taken.
    """
    tensor = tensor.detach()
    if name.startswith(_OF_PLUGINS):
        return tensor, {} if fixed else dict.fromkeys(range(tensor.dim()), torch.export.Dim.AUTO)
    lengths, axes = list(tensor.shape), {}
    for place, axis in enumerate(_AXES.get(name, ())):
        if axis is not None:
            lengths[place] = _EXPECTED[axis]
            axes[place] = dimensions[axis]
    return tensor.new_ones(lengths) if axes else tensor, axes


def _flattened(
    function: Callable[..., Sequence[torch.Tensor]], examples: Sequence[torch.Tensor]
) -> Callable[..., Sequence[torch.Tensor]]:
    """The operations of a function, those of its derivatives among them."""
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(function, tracing_mode="symbolic")(*examples)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return lambda *tensors: graph(*tensors)


def _packaged(program: torch.export.ExportedProgram, folder: Path, settings: dict[str, Any]) -> Compiled:
    from torch._inductor import aoti_compile_and_package

    shapes, dtypes = [], []
    for node in program.graph.nodes:
        if node.op == "placeholder":
            value = node.meta["val"]
            shapes.append([_length(length, program.range_constraints) for length in value.shape])
            dtypes.append(str(value.dtype))
    outputs = sum(1 for _ in program.graph_signature.output_specs)
    with tempfile.TemporaryDirectory() as scratch:
        package = aoti_compile_and_package(
            program, package_path=str(Path(scratch) / "kernel.pt2"), inductor_configs=settings
        )
        with zipfile.ZipFile(package) as archive:
            (name,) = [each for each in archive.namelist() if each.endswith(".so")]
            library = folder / "kernel.so"
            library.write_bytes(archive.read(name))
    return Compiled(library=library, shapes=shapes, dtypes=dtypes, outputs=outputs)


def _length(length: Any, limits: Any) -> int | str:
    """A length as a `Kernel` wants it: a number, or what any length is called, with the limits that it has."""
    text = str(length)
    if text.isdecimal():
        return int(text)
    found = limits.get(length.node.expr)
    if found is None:
        return text
    low = f"{int(found.lower)}<=" if found.lower > _LEAST else ""
    high = f"<={int(found.upper)}" if found.upper < _NO_LIMIT else ""
    return f"{low}{text}{high}"


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep the compiler's words to itself: what matters is in the error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    silent = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
