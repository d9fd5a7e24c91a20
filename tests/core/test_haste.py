"""What spares torch's compiler work gives way where it is refused, and leaves no trace in what others compile."""

from __future__ import annotations

import gc
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from test_conversions import COMPILER, on_x86

from openbragg.engine.compiled import compilation, haste
from openbragg.engine.compiled.compilation import CompilationError, Compiled, compile_function

#: The worker that compiles has loaded torch's compiler already.
pytestmark = pytest.mark.xdist_group("compiled")

NAMES = haste.HEADER.with_name("device_names.h")
#: Torch's own use of what is renamed, and what it makes of names.
READING = """
#define regex openbragg_device_pattern
#define smatch openbragg_device_name
#define regex_match openbragg_device_match
bool holds(const std::string& name, bool valid, const std::string& device, const std::string& number) {
  std::regex re("(cpu|cuda|xpu|mps)(:([0-9]+))?");
  std::smatch sm;
  if (std::regex_match(name, sm, re) != valid) return false;
  return sm[1].str() == device && sm[3].str() == number && sm[3].matched == !number.empty();
}
int main() {
  return !(holds("cpu", true, "cpu", "") && holds("cuda:12", true, "cuda", "12") && holds("xpu:0", true, "xpu", "0") &&
      holds("mps", true, "mps", "") && holds("cpus", false, "", "") && holds("", false, "", "") &&
      holds("cpu:", false, "", "") && holds("cpu:1a", false, "", "") && holds("cpu:1:2", false, "", ""));
}
"""


@on_x86
def test_names_of_devices_are_read_as_the_pattern_says(tmp_path: Path) -> None:
    source, program = tmp_path / "names.cpp", tmp_path / "names"
    source.write_text(f'#include "{NAMES}"\n{READING}')
    subprocess.run([COMPILER, "-std=c++20", "-O0", str(source), "-o", str(program)], check=True)
    assert subprocess.run([program], check=False).returncode == 0


@on_x86
def test_another_pattern_is_not_compiled(tmp_path: Path) -> None:
    source = tmp_path / "names.cpp"
    source.write_text(f'#include "{NAMES}"\n{READING.replace("|mps", "|mtia")}')
    said = subprocess.run(
        [COMPILER, "-std=c++20", "-fsyntax-only", str(source)], check=False, capture_output=True, text=True
    )
    assert said.returncode != 0
    assert "openbragg_device_pattern" in said.stderr


def compiled_by(packaged: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    monkeypatch.setattr(compilation, "_packaged", packaged)
    return compile_function(lambda slow: [slow + 1.0], [], [torch.zeros(16, dtype=torch.float64)], folder)


def test_code_is_made_as_torch_makes_it_where_the_compiler_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import codecache, config
    from torch._inductor.cpu_vec_isa import valid_vec_isa_list
    from torch._inductor.exc import CppCompileError

    monkeypatch.setattr(config.cpp, "vec_isa_ok", None)
    made = Compiled(library=tmp_path / "kernel.so", shapes=[], dtypes=[], outputs=1)
    seen = []

    def packaged(program: Any, folder: Path, settings: dict[str, Any]) -> Compiled:
        header = codecache._get_cpp_wrapper_header("cpu", aot_mode=True)
        known = valid_vec_isa_list.cache_info().currsize
        seen.append((settings.get("cpp.vec_isa_ok"), header == str(haste.HEADER), known, gc.isenabled()))
        if len(seen) == 1:
            with config.patch({"cpp.vec_isa_ok": True}):
                valid_vec_isa_list()
            raise CppCompileError(["g++"], "unrecognized command-line option '-mavx512vnni'")
        return made

    assert compiled_by(packaged, tmp_path, monkeypatch) is made
    assert [(ok, ours, enabled) for ok, ours, _, enabled in seen] == [(True, True, False), (None, False, False)]
    # What was taken for granted of the compiler is asked anew.
    assert seen[1][2] == 0
    assert gc.isenabled()
    assert codecache._get_cpp_wrapper_header("cpu", aot_mode=True) != str(haste.HEADER)


def test_what_is_refused_in_any_way_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor.exc import CppCompileError

    tried = []

    def packaged(program: Any, folder: Path, settings: dict[str, Any]) -> Compiled:
        tried.append(settings)
        raise CppCompileError(["g++"], "no such thing")

    with pytest.raises(CompilationError):
        compiled_by(packaged, tmp_path, monkeypatch)
    assert len(tried) == 2
    assert gc.isenabled()


def test_what_the_user_told_torch_about_vectors_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "vec_isa_ok", False)
    assert "cpp.vec_isa_ok" not in haste.hasty_settings()


def test_search_for_cycles_that_is_off_stays_off() -> None:
    gc.disable()
    try:
        with haste.cycles_left():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_rules_of_dtypes_are_made_again_when_there_are_new_ones() -> None:
    from torch._inductor import lowering  # noqa: F401  # rules come with it
    from torch._inductor.dtype_propagation import DtypePropagationOpsHandler
    from torch._inductor.utils import op_dtype_propagation_rules, register_op_dtype_propagation_rules

    haste._rules_once()
    rule = vars(DtypePropagationOpsHandler())["add"]
    assert vars(DtypePropagationOpsHandler())["add"] is rule
    name = "openbragg_new"
    kind = next(iter(op_dtype_propagation_rules.values())).type_promotion_kind
    register_op_dtype_propagation_rules(name, kind, torch.float64)
    try:
        assert vars(DtypePropagationOpsHandler())[name]() is torch.float64
    finally:
        del op_dtype_propagation_rules[name]
