"""Conversions in registers give the numbers of conversions one by one, and give way to torch's own."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assembly import OBJDUMP, loops
from openbragg.engine.compiled import compilation
from openbragg.engine.compiled.compilation import CompilationError, Compiled, compile_function
from openbragg.engine.compiled.conversions import HEADER

COMPILER = os.environ.get("CXX") or "g++"
on_x86 = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or shutil.which(COMPILER) is None,
    reason="needs a C++ compiler for x86-64",
)

#: What each of torch's capabilities is compiled with. Halves of vectors are what GCC prefers for processors of Intel.
AVX512 = (
    "-DCPU_CAPABILITY_AVX512",
    *"-mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma -mprefer-vector-width=256".split(),
)
AVX2 = ("-DCPU_CAPABILITY_AVX2", "-mavx2", "-mfma", "-mf16c")
FLAGS = {"AVX512": AVX512, "AVX2": AVX2}
#: From which type to which, with the number of vectors of each.
PAIRS = [
    ("double", 2, "float", 1),
    ("float", 1, "double", 2),
    ("double", 2, "int32_t", 1),
    ("int32_t", 1, "double", 2),
    *(("double", n, "int64_t", n) for n in (1, 2)),
    *(("int64_t", n, "double", n) for n in (1, 2)),
]
TYPES = {"double": np.float64, "float": np.float32, "int32_t": np.int32, "int64_t": np.int64}
CONVERTED = """
extern "C" void converted_{name}(const {source}* from, {target}* to, int64_t count) {{
  for (int64_t i = 0; i < count; i += 16) {{
    for (int64_t j = i; j < i + 16; j += at::vec::VectorizedN<{source}, {m}>::size()) {{
      const auto part = at::vec::VectorizedN<{source}, {m}>::loadu(from + j);
      at::vec::convert<{target}, {n}, {source}, {m}>(part).store(to + j);
    }}
  }}
}}
"""
TORCH_S = """
namespace at::vec { inline namespace CPU_CAPABILITY {
template <> struct VecConvert<float, 1, double, 2> {
  static constexpr bool torch_s = true;
  static inline VectorizedN<float, 1> apply(const VectorizedN<double, 2>&) { return VectorizedN<float, 1>(); }
}; } }
"""


def name_of(source: str, m: int, target: str, n: int) -> str:
    return f"{source}_{m}_{target}_{n}"


def compiled(text: str, folder: Path, *flags: str) -> Path:
    code, library = folder / "code.cpp", folder / "code.so"
    code.write_text(text)
    include = Path(torch.__file__).parent / "include"
    command = [
        COMPILER,
        "-std=c++20",
        "-O2",
        "-w",
        "-fPIC",
        "-shared",
        *flags,
        f"-I{include}",
        str(code),
        "-o",
        str(library),
    ]
    subprocess.run(command, check=True)
    return library


def numbers(source: str) -> np.ndarray[Any, Any]:
    """Numbers of all sizes, halves between two that the other type has, and the ends of both types."""
    generator = np.random.default_rng(1)
    if source in ("double", "float"):
        whole = generator.integers(-(2**52), 2**52, 512) * 2.0 ** generator.integers(-1200, 100, 512)
        single = generator.standard_normal(480).astype(np.float32)
        between = (single.astype(np.float64) + np.nextafter(single, np.float32(np.inf)).astype(np.float64)) / 2.0
        ends = [
            0.0,
            -0.0,
            np.inf,
            -np.inf,
            np.nan,
            1e-46,
            3.5e38,
            2.0**-149,
            2.0**-150,
            0.5,
            -0.5,
            1.5,
            -1.5,
            1e308,
            1.0,
            -1.0,
        ]
        with np.errstate(over="ignore"):
            return np.concatenate([whole, between, ends, np.linspace(-9.0, 9.0, 16)]).astype(TYPES[source])
    limits = np.iinfo(TYPES[source])
    sizes = generator.integers(0, limits.bits - 1, 1008)
    ends = [limits.min, limits.max, limits.min + 1, limits.max - 1, 0, 1, -1, 2**24 + 1] * 2
    return np.concatenate([generator.integers(limits.min, limits.max, 1008) >> sizes, ends]).astype(TYPES[source])


@on_x86
@pytest.mark.parametrize("capability", FLAGS)
def test_vectors_are_converted_like_single_numbers_and_never_through_memory(tmp_path: Path, capability: str) -> None:
    able = torch.backends.cpu.get_cpu_capability()
    if able not in FLAGS or (capability, able) == ("AVX512", "AVX2"):
        pytest.skip(f"this processor lacks {capability}")
    functions = [
        CONVERTED.format(name=name_of(*pair), source=pair[0], m=pair[1], target=pair[2], n=pair[3]) for pair in PAIRS
    ]
    text = "\n".join(["#include <ATen/cpu/vec/vec.h>", HEADER.read_text(), *functions])
    library = compiled(text, tmp_path, *FLAGS[capability])
    loaded = ctypes.CDLL(str(library))
    for source, m, target, n in PAIRS:
        values = numbers(source)
        if target in ("int32_t", "int64_t"):
            # What a conversion makes of any other number is not defined.
            values = np.where(np.abs(values) < float(np.iinfo(TYPES[target]).max), values, 7.75)
        found = np.empty(values.shape, TYPES[target])
        getattr(loaded, f"converted_{name_of(source, m, target, n)}")(
            values.ctypes.data_as(ctypes.c_void_p), found.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(len(values))
        )
        with np.errstate(over="ignore"):
            assert found.tobytes() == values.astype(TYPES[target]).tobytes(), (source, target)
    if OBJDUMP is not None:
        found_loops = loops(library, "converted_")
        assert len(found_loops) >= len(PAIRS)
        assert not [text for loop in found_loops for text in loop.instructions if "[rsp" in text or "[rbp" in text]


@on_x86
def test_a_conversion_of_torch_s_own_comes_first(tmp_path: Path) -> None:
    used = "static_assert(at::vec::VecConvert<float, 1, double, 2>::torch_s);"
    text = "\n".join(["#include <ATen/cpu/vec/vec.h>", TORCH_S, HEADER.read_text(), used])
    compiled(text, tmp_path, "-fsyntax-only", *AVX512)


def refusing(said: str) -> Callable[[], Callable[[list[Any]], list[Any]]]:
    """Conversions that the C++ compiler refuses with these words."""
    from torch._inductor.exc import CppCompileError

    def passed(nodes: list[Any]) -> list[Any]:
        raise CppCompileError(["g++"], said)

    return lambda: passed


def test_code_is_made_without_conversions_that_the_compiler_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Compiled(library=tmp_path / "kernel.so", shapes=[], dtypes=[], outputs=1)

    def packaged(program: Any, folder: Path, settings: dict[str, Any]) -> Compiled:
        settings["_pre_fusion_custom_pass"]([])
        return made

    monkeypatch.setattr(compilation, "_packaged", packaged)
    pixels = torch.zeros(16, dtype=torch.float64)
    monkeypatch.setattr(compilation, "conversions_included", refusing(f"{HEADER.name}:12:1: error: of another kind"))
    assert compile_function(lambda slow: [slow + 1.0], [], [pixels], tmp_path) is made
    # What is wrong elsewhere stays wrong.
    monkeypatch.setattr(compilation, "conversions_included", refusing("kernel.cpp:12:1: error: of another kind"))
    with pytest.raises(CompilationError):
        compile_function(lambda slow: [slow + 1.0], [], [pixels], tmp_path)
