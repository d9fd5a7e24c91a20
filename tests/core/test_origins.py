"""Imports in a source are found by their words as a parser finds them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import attr
import click
import pytest

from openbragg.engine.compiled.origins import imports_in

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted(
    file
    for folder in (ROOT / "core", ROOT / "plugins", Path(attr.__file__).parent, Path(click.__file__).parent)
    for file in folder.rglob("*.py")
)
PACKAGE = "acme.parts"


def parsed(text: str) -> Iterator[str]:
    """What a parser finds, in no order."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
        elif isinstance(node, ast.ImportFrom):
            words = PACKAGE.split(".")
            base = words[: len(words) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module:
                yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


def test_all_imports_of_many_sources_are_found() -> None:
    assert len(SOURCES) > 300
    more = 0
    for file in SOURCES:
        text = file.read_text(encoding="utf-8")
        found, expected = set(imports_in(text, PACKAGE)), set(parsed(text))
        assert expected <= found, file
        more += len(found - expected)
    # Lines of texts that look like imports; each costs a look at the folders of modules.
    assert more < len(SOURCES) / 2


TRICKY = {
    "one": "import a",
    "several": "import a, b.c as d, e",
    "from": "from a.b import c as d, e",
    "relative": "from . import a\nfrom .. import b\nfrom .c import d\nfrom ..e.f import g\nfrom.h import i",
    "all": "from a import *",
    "in brackets": "from a import (\n    b,  # not (x)\n    c as d,\n    # e,\n    f)\nimport g",
    "brackets at once": "from a import(b,c)",
    "in a function": "def f():\n\timport a\n\tfrom b import c; import d",
    "on one line": "if True: import a\ntry: from b import c\nexcept ImportError: import d",
    "after another": "x = 1; import a; from b import c;import d",
    "continued": "import a, \\\n    b\nfrom c \\\n    import d",
    "windows": "import a\r\nfrom b import c\r\nimport d, \\\r\n  e\r\n",
    "lines of old": "import a\rfrom b import c\rimport d, \\\r  e\r",
    "with remarks": "import a  # import b\n# import c\nfrom d import e  # from f import g",
    "a brace that stays open in a text": "x = 'from a import ('\nimport b\ny = ')'",
    "a generator": "def f():\n    yield from a\n    import b",
    "an error": "raise E from e\nimport a",
    "wide": "from  a . b   import   c  as  d",
    "words like it": "important = 1\nreimport = 2\nx.importer = 3\nimport a",
    "letters": "import größe\nfrom größe import länge",
    "at the very start": "\ufeffimport a",
    "nothing": "",
}


@pytest.mark.parametrize("case", TRICKY)
def test_imports_are_found_however_they_are_written(case: str) -> None:
    text = TRICKY[case]
    assert set(imports_in(text, PACKAGE)) == set(parsed(text.lstrip("\ufeff")))
