"""Compiled code in the cache is used only for what it was made from, and an entry is whole or not there."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from kept import DESCRIBED, description, keep, permissions_hold, signature, spoil
from openbragg.engine.compiled.cache import Cache, Entry, default_folder, key

needs_permissions = pytest.mark.skipif(not permissions_hold(), reason="this user may do anything")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def found(cache: Cache, made_for: dict[str, Any] | None = None, **options: str) -> Entry | None:
    """What the cache has for a signature and the values of options."""
    return cache.find(signature() if made_for is None else made_for, options.get)


def test_an_entry_is_found_again_as_it_was_kept(cache: Cache) -> None:
    kept = keep(cache, shape="1.0")
    assert found(cache, shape="1.0") == kept
    assert cache.entries() == [kept]
    assert kept.library.read_bytes() == b"code"
    assert (kept.shapes, kept.dtypes, kept.outputs) == tuple(
        DESCRIBED[name] for name in ("shapes", "dtypes", "outputs")
    )


@pytest.mark.parametrize("name", signature())
def test_an_entry_is_not_found_for_another_signature(cache: Cache, name: str) -> None:
    keep(cache)
    assert found(cache, signature(**{name: "another"})) is None
    assert found(cache, {place: value for place, value in signature().items() if place != name}) is None


def test_an_entry_under_the_right_name_with_another_signature_is_not_used(cache: Cache) -> None:
    """A hash is but a name: what counts is what is written in the entry."""
    entry = keep(cache, signature(torch="other"))
    entry.folder.rename(entry.folder.with_name(f"{key(signature())}-01234567"))
    assert len(cache.entries()) == 1
    assert found(cache) is None


def test_an_entry_is_found_only_with_the_values_of_the_options_that_were_read(cache: Cache) -> None:
    narrow, wide = keep(cache, content=b"narrow", width="1.0"), keep(cache, content=b"wide", width="2.0")
    assert found(cache, width="1.0") == narrow
    assert found(cache, width="2.0", file="whatever") == wide
    assert found(cache, width="3.0") is None
    assert found(cache) is None


def test_of_entries_for_one_signature_the_one_that_fits_is_found(cache: Cache) -> None:
    """Code for a table of one length hides none that was made for another's."""
    for entry in (keep(cache, content=b"short"), keep(cache, content=b"long")):
        assert cache.find(signature(), {}.get, lambda other, wanted=entry: other.sha256 == wanted.sha256) == entry
    assert cache.find(signature(), {}.get, lambda entry: False) is None


@pytest.mark.parametrize("content", [b"", b"cod", b"codf", b"code "])
def test_a_library_that_is_not_what_was_compiled_is_not_used(cache: Cache, content: bytes) -> None:
    keep(cache).library.write_bytes(content)
    assert found(cache) is None


def test_an_entry_without_library_is_not_used(cache: Cache) -> None:
    keep(cache).library.unlink()
    assert found(cache) is None


def test_a_description_cut_off_anywhere_is_no_entry(cache: Cache) -> None:
    entry = keep(cache)
    whole = description(entry).read_text()
    for length in range(len(whole)):
        spoil(entry, whole[:length])
        assert cache.entries() == []
        assert found(cache) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", 0),
        ("signature", []),
        ("options", None),
        ("options", {"shape": None}),
        ("shapes", None),
        ("shapes", [3, 4]),
        ("shapes", [[3]]),
        ("shapes", [[3.5], [1]]),
        ("dtypes", 5),
        ("outputs", "1"),
        ("outputs", 0),
        ("sha256", None),
        ("seconds", "long"),
        ("made", None),
        ("folder", "/"),
        ("more", 1),
    ],
)
def test_a_description_of_another_kind_is_no_entry(cache: Cache, name: str, value: Any) -> None:
    entry = keep(cache)
    spoil(entry, json.dumps(json.loads(description(entry).read_text()) | {name: value}))
    assert cache.entries() == []
    assert found(cache) is None
    assert cache.remains() == [entry.folder]


def test_an_entry_beside_spoilt_ones_is_found(cache: Cache) -> None:
    entries = [keep(cache) for _ in range(4)]
    spoil(entries[0], "{")
    entries[1].library.write_bytes(b"")
    description(entries[2]).unlink()
    assert found(cache) == entries[3]


def test_a_run_that_is_interrupted_while_it_keeps_leaves_no_entry(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    for name in ("write_bytes", "write_text", "rename"):
        with monkeypatch.context() as patch:
            library = cache.folder.parent / "made.so"
            library.write_bytes(b"code")
            patch.setattr(Path, name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                cache.keep(signature(), {}, library, DESCRIBED)
        assert list((cache.folder / "kernels").iterdir()) == []
    assert keep(cache) == found(cache)


def test_what_a_killed_run_was_making_is_no_entry(cache: Cache) -> None:
    entry = keep(cache)
    entry.folder.rename(entry.folder.with_name(".making-half"))
    assert cache.entries() == []
    assert found(cache) is None


@needs_permissions
def test_keeping_where_one_may_not_write_says_so(cache: Cache) -> None:
    cache.folder.mkdir(mode=0o500)
    with pytest.raises(PermissionError):
        keep(cache)


def test_nothing_is_found_where_there_is_no_folder(cache: Cache) -> None:
    assert found(cache) is None
    assert cache.entries() == cache.remains() == []
    assert cache.usable() is None
    cache.folder.write_text("a file")
    assert found(cache) is None
    assert cache.usable() == "not a folder"


def test_folders_are_made_for_the_user_alone(cache: Cache) -> None:
    before = os.umask(0)
    try:
        keep(cache)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o77 for path in (cache.folder, cache.folder / "kernels")} == {0}
    assert cache.usable() is None


@pytest.mark.parametrize("part", [".", "kernels", "torchinductor"])
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_folder_into_which_others_may_write_is_not_trusted(cache: Cache, part: str, mode: int) -> None:
    keep(cache)
    (cache.folder / part).mkdir(exist_ok=True)
    (cache.folder / part).chmod(mode)
    assert cache.usable() == "others may write into it"
    (cache.folder / part).chmod(0o755)
    assert cache.usable() is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner")
@pytest.mark.parametrize("part", [".", "kernels"])
def test_a_folder_of_somebody_else_is_not_trusted(cache: Cache, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    keep(cache)
    others = (cache.folder / part).stat()
    stat = Path.stat

    def owned(path: Path, **options: Any) -> os.stat_result:
        result = stat(path, **options)
        return os.stat_result((*result[:4], others.st_uid + 1, *result[5:])) if path == cache.folder / part else result

    monkeypatch.setattr(Path, "stat", owned)
    monkeypatch.setattr(os, "getuid", lambda: others.st_uid)
    assert cache.usable() == "it belongs to somebody else"


def _keep_many(folder: Path, number: int) -> None:
    library = folder.parent / f"made{number}.so"
    library.write_bytes(b"%d" % number)
    for _ in range(20):
        Cache(folder).keep(signature(), {"width": str(number)}, library, DESCRIBED)


def test_two_processes_may_keep_the_same_at_once(cache: Cache) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_keep_many, args=(cache.folder, number)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(cache.entries()) == 40
    assert cache.remains() == []
    for number in range(2):
        entry = found(cache, width=str(number))
        assert entry is not None
        assert entry.library.read_bytes() == b"%d" % number


def test_one_at_a_time_makes_what_all_want(cache: Cache) -> None:
    made, all_here = [], threading.Barrier(4)

    def want() -> None:
        all_here.wait()
        with cache.alone(signature()):
            if found(cache) is None:
                made.append(keep(cache))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 == len(cache.entries())
    assert [path.name for path in cache.folder.iterdir()] == ["kernels"]


def test_a_compilation_that_fails_lets_the_next_one_try(cache: Cache) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="no code"), cache.alone(signature()):
            raise ValueError("no code")
    assert list(cache.folder.iterdir()) == []


def test_clearing_while_others_keep_find_and_clear_harms_nobody(cache: Cache) -> None:
    faults: list[BaseException] = []
    done = threading.Event()

    def guarded(work: Any) -> None:
        while not done.is_set():
            try:
                work()
            except (FileNotFoundError, FileExistsError):
                # Keeping may find its folder gone, or going; that is said, and the run goes on.
                continue
            except BaseException as error:
                faults.append(error)
                return

    def find() -> None:
        entry = found(cache)
        assert entry is None or entry.signature == signature()
        cache.size()
        cache.remains()

    work = [lambda: keep(cache), lambda: keep(cache), find, cache.clear, cache.clear]
    threads = [threading.Thread(target=guarded, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    done.wait(1.0)
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []
    cache.clear()
    assert cache.entries() == []


def test_the_folder_is_the_one_that_is_named_or_lies_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBRAGG_CACHE", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_folder() == tmp_path / "named"
    monkeypatch.setenv("OPENBRAGG_CACHE", "")
    assert default_folder() == tmp_path / "xdg" / "openbragg"
    # The specification of the variable has relative paths ignored.
    monkeypatch.setenv("XDG_CACHE_HOME", "xdg")
    assert default_folder() == tmp_path / "home" / ".cache" / "openbragg"


def test_a_user_without_a_home_has_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(*_: Any) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("OPENBRAGG_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert default_folder().parent == Path(tempfile.gettempdir())
