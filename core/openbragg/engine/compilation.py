"""Making compiled code of a block's sum."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from openbragg.engine.kernel import PIXEL_MULTIPLE

#: Lengths that the compiler is told to expect of the axes of a plan; any other is as right.
_EXPECTED = {"layer": 2, "subpixel": 2, "source": 3, "phi": 10, "mosaic": 25}
#: The same of tensors that come beside a plan's, where they are not (pixel,).
_EXPECTED_BESIDE = {"tile": 96, "row": 288, "sample": 16, "listed": 60, "orientation": 250}
#: Names of axes by the plan's fields.
_AXES: dict[str, tuple[str | None, ...]] = {
    "subpixels": ("subpixel",),
    "incident": ("source", None),
    "wavelengths": ("source",),
    "source_weights": ("source",),
    "cell_vectors": ("phi", "mosaic", None, None),
    "panels.0.layer_depths": ("layer",),
}
#: Of the compiler.
SETTINGS = {
    # Cores share blocks; each block is one thread's.
    "cpp.threads": 1,
    "cpp.enable_floating_point_contract_flag": "fast",
    # The wrapper is called once a block: time spent on making it fast is lost.
    "aot_inductor.compile_wrapper_opt_level": "O0",
    "compile_threads": 1,
}


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
        Names of the axes of each of the further tensors: those of a plan, ``tile``, ``row``, ``sample``, ``listed`` and
        ``orientation``; the
        length of one that has always the same.

    Raises
    ------
    CompilationError
        When torch cannot make one program of the function, or no C++ compiler is there.
    """
    pixels = torch.export.Dim("pixel_groups", min=1, max=1 << 24) * PIXEL_MULTIPLE
    dimensions = {name: torch.export.Dim(name, min=1, max=1 << 24) for name in _EXPECTED}
    examples, dynamic = [], []
    for name, tensor in named:
        example, shape = _example(name, tensor, dimensions)
        examples.append(example)
        dynamic.append(shape)
    # A plugin's table may have any length, unless the plugin cares.
    if axes is None:
        examples += [tensor.new_zeros(64 * PIXEL_MULTIPLE) for tensor in further]
        dynamic += [{0: pixels}] * len(further)
    else:
        dimensions |= {name: torch.export.Dim(name, min=1, max=1 << 24) for name in _EXPECTED_BESIDE}
        lengths = _EXPECTED | _EXPECTED_BESIDE
        for tensor, names in zip(further, axes, strict=True):
            examples.append(tensor.new_zeros([name if isinstance(name, int) else lengths[name] for name in names]))
            dynamic.append({place: dimensions[name] for place, name in enumerate(names) if isinstance(name, str)})
    try:
        with _quietly(), torch.no_grad():
            program = torch.export.export(
                _AsModule(function), tuple(examples), dynamic_shapes=(tuple(dynamic),), strict=False
            )
            return _packaged(program, folder)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CompilationError(f"{type(error).__name__}: {reason[0][:200]}") from error


class _AsModule(torch.nn.Module):
    def __init__(self, function: Callable[..., Sequence[torch.Tensor]]) -> None:
        super().__init__()
        self._function = function

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self._function(*tensors))


def _example(name: str, tensor: torch.Tensor, dimensions: dict[str, Any]) -> tuple[torch.Tensor, dict[int, Any]]:
    """A tensor like one of the plan's of the lengths to expect, and which of its axes may have any."""
    tensor = tensor.detach()
    if name.startswith("tables."):
        return tensor, dict.fromkeys(range(tensor.dim()), torch.export.Dim.AUTO)
    lengths, axes = list(tensor.shape), {}
    for place, axis in enumerate(_AXES.get(name, ())):
        if axis is not None:
            lengths[place] = _EXPECTED[axis]
            axes[place] = dimensions[axis]
    return tensor.new_ones(lengths) if axes else tensor, axes


def _packaged(program: torch.export.ExportedProgram, folder: Path) -> Compiled:
    from torch._inductor import aoti_compile_and_package

    shapes, dtypes = [], []
    for node in program.graph.nodes:
        if node.op == "placeholder":
            value = node.meta["val"]
            shapes.append([length if isinstance(length, int) else str(length) for length in value.shape])
            dtypes.append(str(value.dtype))
    outputs = sum(1 for _ in program.graph_signature.output_specs)
    with tempfile.TemporaryDirectory() as scratch:
        package = aoti_compile_and_package(
            program, package_path=str(Path(scratch) / "kernel.pt2"), inductor_configs=dict(SETTINGS)
        )
        with zipfile.ZipFile(package) as archive:
            (name,) = [each for each in archive.namelist() if each.endswith(".so")]
            library = folder / "kernel.so"
            library.write_bytes(archive.read(name))
    return Compiled(library=library, shapes=shapes, dtypes=dtypes, outputs=outputs)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep the compiler's words to itself: what matters is in the error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
