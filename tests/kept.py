"""Entries of the cache of compiled code without a compiler: any file stands for the library."""

import tempfile
from pathlib import Path
from typing import Any

from openbragg.engine.compiled.cache import Cache, Entry
from openbragg.engine.compiled.origins import module_origins, surroundings

#: What a cache wants to know beside the signature.
DESCRIBED: dict[str, Any] = {"shapes": [[3], ["16*s0"]], "dtypes": ["torch.float64"] * 2, "outputs": 1, "seconds": 41.0}
SHAPE = "openbragg_plugins.lattice_shapes.round"


def signature(**changed: Any) -> dict[str, Any]:
    """The signature of code that this program would make, or with some of it changed."""
    whole = {
        "kind": "sums",
        "names": ["round", "hkl"],
        "precision": "mixed",
        "sources": module_origins([SHAPE]),
        **surroundings(),
    }
    return whole | changed


def keep(cache: Cache, made_for: dict[str, Any] | None = None, content: bytes = b"code", **options: str) -> Entry:
    """Keep some bytes as the library for a signature."""
    library = cache.folder.parent / "made.so"
    cache.folder.parent.mkdir(parents=True, exist_ok=True)
    library.write_bytes(content)
    return cache.keep(signature() if made_for is None else made_for, options, library, DESCRIBED)


def spoil(entry: Entry, text: str) -> None:
    """Replace the description of an entry."""
    description(entry).write_text(text)


def description(entry: Entry) -> Path:
    """The file that describes an entry."""
    return entry.folder / "entry.json"


def permissions_hold() -> bool:
    """Whether this user is kept out by a folder's permissions; root is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o500)
        try:
            (Path(name) / "file").touch()
        except PermissionError:
            return True
        return False
