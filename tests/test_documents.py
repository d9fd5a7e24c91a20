"""What the documents show works as shown."""

from __future__ import annotations

import importlib.util
import re
import types
from pathlib import Path

import pytest
import torch

import openbragg
import openbragg.commands
import openbragg.testing
from command_line import simulate_command
from openbragg import TracedPixel
from openbragg.cli.registry import load_registry
from openbragg.orchestrator.resolving.quirks import QUIRKS
from openbragg.testing import check_background, check_diagnosis, check_tracer, make_comparison, make_trace
from openbragg_tools.detectors.command import page_table

ROOT = Path(__file__).parents[1]


def python_blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), flags=re.DOTALL)


def test_readme_is_read_in_two_minutes_and_renders_in_ten_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
    # That it works is for test_document_blocks.py to see.
    (example,) = python_blocks("README.md")
    assert len([line for line in example.splitlines() if line.strip()]) <= 10


def test_every_page_lies_in_one_of_four_parts_and_is_on_its_entry_page() -> None:
    parts = ("tutorials", "how-to", "reference", "explanation")
    for page in (ROOT / "docs").rglob("*.md"):
        part, *names = page.relative_to(ROOT / "docs").parts
        assert part in parts or page == ROOT / "docs" / "index.md", f"{page}: which part is it of?"
        if names and page.name != "index.md" and len(names) == 1:
            entry = (ROOT / "docs" / part / "index.md").read_text(encoding="utf-8")
            assert f"]({page.name})" in entry, f"add {page.name} to docs/{part}/index.md"


def test_every_quirk_has_a_paragraph() -> None:
    headings = re.findall(
        r"^## (\S+)$", (ROOT / "docs" / "explanation" / "quirks.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert sorted(headings) == sorted(quirk.name for quirk in QUIRKS)


def test_links_of_the_documents_lead_somewhere() -> None:
    # Those between pages of the site, and to places in them, are checked when it is built.
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        assert re.search(rf"[ :]{re.escape(name)}$", navigation, re.MULTILINE), f"add docs/{name} to nav in mkdocs.yml"


def test_every_public_name_is_on_a_page_of_the_api() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference" / "api").glob("*.md"))
    for module in (openbragg, openbragg.commands, openbragg.testing):
        shown = re.findall(rf"(?m)^::: {re.escape(module.__name__)}\.(\w+)$", pages)
        assert set(module.__all__) <= set(shown), f"add ::: {module.__name__}.NAME to a page in docs/reference/api"


def flags_page() -> types.ModuleType:
    """The program that writes docs/reference/flags.md."""
    spec = importlib.util.spec_from_file_location("generate_flags", ROOT / "docs" / "generate_flags.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_flags_is_what_the_declarations_say() -> None:
    written = (ROOT / "docs" / "reference" / "flags.md").read_text(encoding="utf-8")
    assert written == flags_page().page(), "run python docs/generate_flags.py"


def test_every_flag_stands_on_its_page_once_with_its_alias() -> None:
    spellings = [name for option in simulate_command().params for name in option.opts]
    page = (ROOT / "docs" / "reference" / "flags.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"(?m)^\| (`-.*?) \|", page)
    listed = [name for cell in first_cells for name in re.findall(r"`(-[^`]*)`", cell)]
    assert sorted(listed) == sorted(spellings)


def test_of_every_flag_of_the_reference_is_said_what_it_makes_of_it() -> None:
    module = flags_page()
    known = {option.opts[0] for option in simulate_command().params if any(map(module.is_the_reference_s, option.opts))}
    assert set(module.REFERENCE) == known
    named = set(re.findall(r"\{(.*?)\}", " ".join(entry.differs for entry in module.REFERENCE.values())))
    assert named == {quirk.name for quirk in QUIRKS}


def test_a_flag_of_the_reference_of_which_nothing_is_said_has_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    module = flags_page()
    monkeypatch.delitem(module.REFERENCE, "-distance")
    with pytest.raises(KeyError, match="-distance"):
        module.page()


def test_a_default_that_differs_from_the_reference_s_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    module = flags_page()
    monkeypatch.setitem(module.REFERENCE, "-pixel", module.Reference("0.2"))
    assert "| mm | 0.1 | Side of a square pixel. | Default there: 0.2. |" in module.page()


def test_the_tracer_of_the_documents_is_one() -> None:
    module = types.ModuleType("resolution")
    exec(python_blocks("docs/reference/trace.md")[1], vars(module))
    check_tracer(module.Resolution())
    (column,) = module.Resolution().steps(make_trace()).values()
    assert float(column.min()) > 0.5  # angstrom, half the wavelength


def test_the_diagnosis_of_the_documents_is_one_and_finds_its_pattern() -> None:
    module = types.ModuleType("unpolarized")
    (block,) = python_blocks("docs/reference/compare-traces.md")
    exec(block, vars(module))
    polar = [{"polar": value, "R_distance_meters": 0.1} for value in (0.7, 1.0)]
    examples = [
        [make_comparison(*(TracedPixel(1, 2, values) for values in pair))] for pair in (polar, list(reversed(polar)))
    ]
    check_diagnosis(module.Unpolarized(), *examples)
    said = [module.Unpolarized().evidence(example) for example in examples]
    assert said == ["polar is 1 in B", "polar is 1 in A"]


def test_the_background_of_the_documents_is_one_and_its_example_renders() -> None:
    first, second = python_blocks("docs/how-to/backgrounds.md")
    names: dict[str, object] = {}
    exec(first, names)
    image = names["image"]
    assert isinstance(image, torch.Tensor)
    assert float(image.min()) > 0.0
    module = types.ModuleType("electrons")
    exec(second, vars(module))
    check_background(module.FreeElectrons())


def test_the_detector_of_the_documents_counts() -> None:
    names: dict[str, object] = {}
    exec(python_blocks("docs/how-to/noise.md")[0], names)
    counts = names["counts"]
    assert isinstance(counts, torch.Tensor)
    # 50 photons of 1.8 counts, of which the fibre's tails carry a tenth over the edges.
    assert 75 < float(counts.mean()) < 91


def test_every_diagnosis_stands_in_its_table() -> None:
    page = (ROOT / "docs" / "reference" / "compare-traces.md").read_text(encoding="utf-8")
    diagnoses = [found.name for found in load_registry(()).of_role("diagnoses")]
    assert sorted(re.findall(r"(?m)^\| ([a-z]+-[a-z-]+) \|", page)) == sorted(diagnoses)


def test_the_table_of_detectors_is_that_of_the_presets() -> None:
    page = (ROOT / "docs" / "reference" / "detectors.md").read_text(encoding="utf-8")
    assert "".join(re.findall(r"(?m)^\|.*\n", page)) == page_table(openbragg.named_detectors().descriptions())


def test_every_geometry_reader_stands_in_its_table() -> None:
    page = (ROOT / "docs" / "how-to" / "geometry.md").read_text(encoding="utf-8")
    readers = [found.name for found in load_registry(()).of_role("geometry_readers")]
    assert sorted(re.findall(r"(?m)^\| `([a-z-]+)` \|", page)) == sorted(readers)
