"""What the documents show works as shown."""

from __future__ import annotations

import re
import types
from pathlib import Path

import torch

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
