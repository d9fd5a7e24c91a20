"""What the build of the site does beside mkdocs: pages from the project's root, formulas without a script."""

from __future__ import annotations

import html
import logging
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
#: Pages of the site that lie outside docs/, where readers of the source look for them.
PAGES = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
#: What pymdownx.arithmatex makes of $...$ and of $$...$$.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)
#: What a page would load from the network by itself.
_REMOTE = re.compile(r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="((?:https?:)?//[^"]*)"')

_log = logging.getLogger("mkdocs.hooks.site")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root; their links into docs/ lead to the site's pages."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_content(text: str, **_: Any) -> str:
    """Turn formulas into MathML, which browsers draw by themselves."""
    text = _INLINE.sub(lambda found: convert(html.unescape(found[1])), text)
    return _BLOCK.sub(lambda found: convert(html.unescape(found[1]), display="block"), text)


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """Warn, which a strict build does not pass, of what a reader without a network would miss."""
    for address in _REMOTE.findall(output):
        _log.warning("%s loads %s from the network", page.file.src_uri, address)
    return output
