"""``openbragg cache``: what is kept, what of it is stale, and nothing else removed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from command_line import Finished, run
from kept import keep, permissions_hold, signature, spoil
from openbragg.engine.compiled.cache import Cache, Entry

needs_permissions = pytest.mark.skipif(not permissions_hold(), reason="this user may do anything")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """The cache that the command shows: a folder that is not there yet."""
    monkeypatch.setenv("OPENBRAGG_CACHE", str(tmp_path / "kept"))
    return Cache()


def listed() -> dict[str, Any]:
    """What ``openbragg cache --json`` prints."""
    finished = run("cache", "--json")
    assert finished.status == 0, finished.err
    record: dict[str, Any] = json.loads(finished.out)
    return record


def complaint(finished: Finished, status: int = 1) -> str:
    """The one line of a command that did nothing."""
    assert (finished.status, finished.out) == (status, "")
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: ")
    return line


def places(cache: Cache) -> list[Path]:
    """Everything that lies among the entries."""
    return sorted((cache.folder / "kernels").glob("*"))


def test_a_cache_that_is_not_there_is_empty_and_is_not_made(cache: Cache) -> None:
    finished = run("cache")
    assert (finished.status, finished.err) == (0, "")
    assert finished.out.splitlines() == [f"folder  {cache.folder}", "total   0 B, 0 entries"]
    assert listed()["entries"] == []
    assert run("cache", "--clear").status == run("cache", "--clear-stale").status == 0
    assert not cache.folder.exists()


def test_an_entry_is_shown_with_its_model_and_what_it_took(cache: Cache) -> None:
    entry = keep(cache, content=b"x" * 1500)
    (_, header, row, total) = run("cache").out.splitlines()
    assert header.split() == "shape structure factors precision kind made (UTC) size compiled in state".split()
    words = row.split()
    assert words[:4] == ["round", "hkl", "mixed", "sums"]
    assert words[-3:] == ["41", "s", "current"]
    assert words[6:8] == [f"{entry.size / 1000:.1f}", "kB"]
    assert total == f"total   {entry.size / 1000:.1f} kB, 1 entry"


def test_json_has_the_same_and_the_folders(cache: Cache) -> None:
    entry = keep(cache)
    record = listed()
    assert record["folder"] == str(cache.folder)
    assert record["size"] == entry.size == sum(file.stat().st_size for file in entry.folder.iterdir())
    assert (record["usable"], record["remains"], record["freed"]) == (True, [], None)
    (shown,) = record["entries"]
    assert shown["lattice_shape"] == "round"
    assert shown["structure_factors"] == "hkl"
    assert shown["precision"] == "mixed"
    assert (shown["seconds"], shown["size"], shown["stale"]) == (41.0, entry.size, False)
    assert shown["folder"] == str(entry.folder)
    assert shown["made"].endswith("+00:00")


def _tampered(cache: Cache) -> Entry:
    entry = keep(cache)
    entry.library.write_bytes(b"edoc")
    return entry


STALE = {
    "torch": lambda cache: keep(cache, signature(torch="2.0.0 0123")),
    "python": lambda cache: keep(cache, signature(python="3.0.0")),
    "core": lambda cache: keep(cache, signature(core="0" * 64)),
    "processor": lambda cache: keep(cache, signature(processor="vax 0")),
    "openbragg_plugins.lattice_shapes.round": lambda cache: keep(
        cache, signature(sources={"openbragg_plugins.lattice_shapes.round": "0" * 64})
    ),
    "gone_plugin": lambda cache: keep(cache, signature(sources={"gone_plugin": "0" * 64})),
    "plugins": lambda cache: keep(cache, {"kind": "sums"} | {k: v for k, v in signature().items() if k != "sources"}),
    "damaged": _tampered,
}


@pytest.mark.parametrize("reason", STALE)
def test_an_entry_that_no_run_will_use_is_stale_and_says_why(cache: Cache, reason: str) -> None:
    STALE[reason](cache)
    (shown,) = listed()["entries"]
    assert shown["stale"] is True
    assert reason in shown["state"]
    assert f"stale: {shown['state'].removeprefix('stale: ')}" in run("cache").out


@pytest.mark.parametrize("reason", STALE)
def test_clear_stale_leaves_what_is_current(cache: Cache, reason: str) -> None:
    current, stale = keep(cache, shape="1.0"), STALE[reason](cache)
    finished = run("cache", "--clear-stale")
    assert (finished.status, finished.err) == (0, "")
    assert places(cache) == [current.folder]
    assert not stale.folder.exists()
    assert "freed" in finished.out
    assert "1 entry" in finished.out


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 2}', "[" * 100000, "\0", '{"format": 1, "options": 5}']
)
def test_an_entry_that_is_not_whole_is_counted_and_cleared_as_stale(cache: Cache, text: str) -> None:
    whole, spoilt = keep(cache), keep(cache)
    spoil(spoilt, text)
    record = listed()
    assert [entry["folder"] for entry in record["entries"]] == [str(whole.folder)]
    assert record["remains"] == [str(spoilt.folder)]
    assert "remains 1" in run("cache").out
    assert run("cache", "--clear-stale").status == 0
    assert places(cache) == [whole.folder]


def test_an_entry_without_its_library_is_stale(cache: Cache) -> None:
    keep(cache).library.unlink()
    (shown,) = listed()["entries"]
    assert shown["state"] == "stale: damaged"


def test_what_a_killed_run_left_is_cleared_and_what_one_is_making_is_not(cache: Cache) -> None:
    keep(cache)
    left, busy = (cache.folder / "kernels" / name for name in (".making-left", ".making-busy"))
    for folder in (left, busy):
        folder.mkdir()
        (folder / "kernel.so").write_bytes(b"half")
    os.utime(left, (0, 0))
    assert listed()["remains"] == [str(left)]
    assert run("cache", "--clear-stale").status == 0
    assert busy.exists()
    assert not left.exists()


def test_clear_removes_all_that_the_cache_made_and_nothing_else(cache: Cache) -> None:
    keep(cache)
    keep(cache, signature(core="0"))
    (cache.compiler_folder() / "ab").mkdir(parents=True)
    (cache.compiler_folder() / "ab" / "header.h").write_text("x")
    others = [cache.folder / "thesis.tex", cache.folder / "kernels" / "popcorn.txt", cache.folder / "kernels" / "corn"]
    others[2].mkdir()
    for file in (*others[:2], others[2] / "cob.c"):
        file.write_text("mine")
    size = listed()["size"] - len("mine") * 2
    finished = run("cache", "--clear", "--json")
    assert finished.status == 0
    assert json.loads(finished.out)["freed"] == size
    assert sorted(path for path in cache.folder.rglob("*") if path.is_file()) == sorted(
        [*others[:2], others[2] / "cob.c"]
    )
    for file in others[:2]:
        file.unlink()


def test_a_cleared_cache_without_other_files_is_gone(cache: Cache) -> None:
    keep(cache)
    assert run("cache", "--clear").out.splitlines()[-1] == "total   0 B, 0 entries"
    assert not cache.folder.exists()


def test_a_link_in_place_of_an_entry_is_removed_without_what_it_leads_to(cache: Cache, tmp_path: Path) -> None:
    entry = keep(cache)
    elsewhere = tmp_path / "elsewhere"
    entry.folder.rename(elsewhere)
    entry.folder.symlink_to(elsewhere)
    assert run("cache", "--clear").status == 0
    assert (elsewhere / "kernel.so").exists()
    assert not entry.folder.is_symlink()


def test_clear_and_clear_stale_together_are_a_mistake(cache: Cache) -> None:
    entry = keep(cache)
    assert "--clear" in complaint(run("cache", "--clear", "--clear-stale"), status=2)
    assert entry.intact()


@pytest.mark.parametrize("words", [(), ("--json",), ("--clear",), ("--clear-stale",)])
def test_a_file_in_place_of_the_folder_is_one_line_and_stays(cache: Cache, words: tuple[str, ...]) -> None:
    cache.folder.write_text("not a folder")
    line = complaint(run("cache", *words))
    assert str(cache.folder) in line
    assert "not a directory" in line
    assert cache.folder.read_text() == "not a folder"


@needs_permissions
@pytest.mark.parametrize("words", [(), ("--json",), ("--clear",), ("--clear-stale",)])
def test_a_folder_that_cannot_be_read_is_one_line(cache: Cache, words: tuple[str, ...]) -> None:
    keep(cache)
    (cache.folder / "kernels").chmod(0)
    line = complaint(run("cache", *words))
    (cache.folder / "kernels").chmod(0o700)
    assert "kernels" in line
    assert "permission denied" in line


@needs_permissions
def test_an_entry_that_cannot_be_removed_is_one_line(cache: Cache) -> None:
    entry = keep(cache)
    (cache.folder / "kernels").chmod(0o500)
    line = complaint(run("cache", "--clear"))
    (cache.folder / "kernels").chmod(0o700)
    assert "permission denied" in line
    assert entry.intact()


def test_a_folder_that_is_not_trusted_is_listed_with_a_notice(cache: Cache) -> None:
    keep(cache)
    cache.folder.chmod(0o777)
    finished = run("cache")
    assert finished.status == 0
    (line,) = finished.complaints()
    assert "others may write into it" in line
    assert json.loads(run("cache", "--json").out)["usable"] is False
