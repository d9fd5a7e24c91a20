"""What the documents show works as shown."""

from __future__ import annotations

import importlib.util
import re
import types
from pathlib import Path

import torch

from command_line import simulate_command
from openbragg.orchestrator.quirks import QUIRKS
from openbragg.testing import check_lattice_shape

ROOT = Path(__file__).parents[1]


def python_blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), flags=re.DOTALL)


def test_readme_renders_from_python_in_ten_lines() -> None:
    example = python_blocks("README.md")[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    names: dict[str, object] = {}
    exec(example, names)
    image = names["image"]
    assert isinstance(image, torch.Tensor)
    assert image.shape == (256, 256)
    assert float(image.max()) > 0.0


def test_readme_plugin_has_twenty_lines_and_the_properties_of_a_shape() -> None:
    example = python_blocks("README.md")[1]
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    module = types.ModuleType("lorentz")
    exec(example, vars(module))
    check_lattice_shape(module.Lorentz(), separable=False)


def test_every_quirk_has_a_paragraph() -> None:
    headings = re.findall(r"^## (\S+)$", (ROOT / "docs" / "quirks.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sorted(headings) == sorted(quirk.name for quirk in QUIRKS)


def test_links_of_the_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def flags_page() -> types.ModuleType:
    """The program that writes docs/flags.md."""
    spec = importlib.util.spec_from_file_location("generate_flags", ROOT / "docs" / "generate_flags.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_flags_is_what_the_declarations_say() -> None:
    written = (ROOT / "docs" / "flags.md").read_text(encoding="utf-8")
    assert written == flags_page().page(), "run python docs/generate_flags.py"


def test_every_flag_stands_on_its_page_once() -> None:
    spellings = [name for option in simulate_command().params for name in option.opts if not name.startswith("--")]
    page = (ROOT / "docs" / "flags.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"(?m)^\| (`-.*?) \|", page)
    listed = [name for cell in first_cells for name in re.findall(r"`(-[^`]*)`", cell)]
    assert sorted(listed) == sorted(spelling for spelling in spellings if spelling.startswith("-"))


def test_what_differs_is_said_of_flags_and_quirks_that_there_are() -> None:
    module = flags_page()
    spellings = {name for option in simulate_command().params for name in option.opts}
    assert set(module.DIFFERENCES) <= spellings
    named = set(re.findall(r"\{(.*?)\}", " ".join(module.DIFFERENCES.values())))
    assert named == {quirk.name for quirk in QUIRKS}
