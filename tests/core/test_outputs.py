"""Files are complete under their name or not there at all."""

import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbragg import InputError, UsageError, option
from openbragg.orchestrator.outputs.outputs import Output, check, defaults, requested, write_file

OLD = b"what was there"
NEW = b"what is to be there"


def write_new(stream: BinaryIO) -> None:
    stream.write(NEW)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def mask() -> Iterator[int]:
    """A mask for new files that is not the usual one."""
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def test_a_new_file_has_all_that_was_written(tmp_path: Path) -> None:
    write_file(tmp_path / "a.img", write_new)
    assert (tmp_path / "a.img").read_bytes() == NEW
    assert list(tmp_path.iterdir()) == [tmp_path / "a.img"]


def test_an_existing_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(OLD * 100)
    write_file(path, write_new)
    assert path.read_bytes() == NEW
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_there_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(OLD)

    def write(stream: BinaryIO) -> None:
        stream.write(NEW)
        stream.flush()
        assert path.read_bytes() == OLD

    write_file(path, write)
    assert path.read_bytes() == NEW


def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(OLD)
    with path.open("rb") as reader:
        write_file(path, write_new)
        assert reader.read() == OLD


@pytest.mark.parametrize("fault", [RuntimeError("no"), KeyboardInterrupt(), SystemExit(3), MemoryError()], ids=repr)
@pytest.mark.parametrize("there", [True, False])
def test_a_fault_while_writing_leaves_the_folder_as_it_was(tmp_path: Path, fault: BaseException, there: bool) -> None:
    path = tmp_path / "a.img"
    if there:
        path.write_bytes(OLD)

    def write(stream: BinaryIO) -> None:
        stream.write(NEW)
        stream.flush()
        raise fault

    with pytest.raises(type(fault)):
        write_file(path, write)
    assert list(tmp_path.iterdir()) == ([path] if there else [])
    assert not there or path.read_bytes() == OLD


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), OSError("cannot encode")], ids=repr)
def test_a_fault_of_the_system_is_an_error_with_the_files_name_and_a_reason(tmp_path: Path, fault: OSError) -> None:
    def write(stream: BinaryIO) -> None:
        stream.write(NEW)
        raise fault

    path = tmp_path / "a.img"
    with pytest.raises(InputError) as caught:
        write_file(path, write)
    assert str(path) in str(caught.value)
    assert (fault.strerror or "cannot encode") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.binary(max_size=50), max_size=5), st.booleans(), st.booleans())
def test_whatever_is_written_the_file_is_the_old_or_the_new_one(pieces: list[bytes], there: bool, fails: bool) -> None:
    def write(stream: BinaryIO) -> None:
        for piece in pieces:
            stream.write(piece)
        if fails:
            raise ZeroDivisionError

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.img"
        if there:
            path.write_bytes(OLD)
        try:
            write_file(path, write)
        except ZeroDivisionError:
            assert fails
        expected = (OLD if there else None) if fails else b"".join(pieces)
        assert (path.read_bytes() if path.exists() else None) == expected
        assert len(list(Path(folder).iterdir())) == (expected is not None)


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o664, 0o755])
def test_an_existing_files_permissions_are_kept(tmp_path: Path, mask: int, permissions: int) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(OLD)
    path.chmod(permissions)
    write_file(path, write_new)
    assert mode(path) == permissions


def test_a_new_file_has_the_permissions_that_the_users_mask_leaves(tmp_path: Path, mask: int) -> None:
    write_file(tmp_path / "a.img", write_new)
    assert mode(tmp_path / "a.img") == 0o666 & ~mask
    assert os.umask(mask) == mask


def test_a_link_stays_a_link_and_its_file_gets_the_content(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    target, link = folder / "a.img", tmp_path / "link.img"
    target.write_bytes(OLD)
    link.symlink_to(target)
    write_file(link, write_new)
    assert link.is_symlink()
    assert target.read_bytes() == NEW


def test_a_link_to_nothing_yet_gets_its_file(tmp_path: Path) -> None:
    link = tmp_path / "link.img"
    link.symlink_to(tmp_path / "a.img")
    write_file(link, write_new)
    assert link.is_symlink()
    assert (tmp_path / "a.img").read_bytes() == NEW


def test_a_pipe_is_written_directly_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    check([Output(pipe, None, "photons")])
    write_file(pipe, write_new)
    reader.join(timeout=10)
    assert received == [NEW]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_device_is_written_directly_and_may_be_named_twice() -> None:
    null = Path("/dev/null")
    check([Output(null, None, "photons"), Output(null, None, "counts")])
    write_file(null, write_new)
    assert stat.S_ISCHR(null.stat().st_mode)


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 255)
    path.write_bytes(OLD)
    write_file(path, write_new)
    assert path.read_bytes() == NEW


def test_a_name_with_blanks_and_signs_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "-a b%s{}\u00e9.img"
    write_file(path, write_new)
    assert path.read_bytes() == NEW


@attrs.frozen
class Twin:
    """A format with an image of each kind."""

    name: ClassVar[str] = "twin"
    first: Path | None = option("-first", type=Path, output="photons", help="Photons.")
    second: Path | None = option("-second", type=Path, output="counts", help="Counts.")
    other: Path | None = option("-other", type=Path, help="No output.")

    def default_file(self, content: str) -> str | None:
        return "twin.bin" if content == "counts" else None


def contents(found: list[Output]) -> list[tuple[Path, Any, str]]:
    return [(output.path, output.format, output.content) for output in found]


def test_requested_files_are_those_that_options_for_output_name() -> None:
    twin = Twin(first=Path("a"), second=Path("b"), other=Path("c"))
    assert contents(requested([twin, Twin()])) == [(Path("a"), twin, "photons"), (Path("b"), twin, "counts")]


def test_default_files_are_those_that_formats_name_for_the_contents_there_are() -> None:
    twin = Twin()
    assert contents(defaults([twin], ["photons", "counts"])) == [(Path("twin.bin"), twin, "counts")]
    assert defaults([twin], ["photons"]) == []


def outputs(*paths: Path) -> list[Output]:
    return [Output(path, None, "photons") for path in paths]


def test_good_outputs_pass_the_check_and_nothing_is_made(tmp_path: Path) -> None:
    (tmp_path / "there.img").write_bytes(OLD)
    check(outputs(tmp_path / "new.img", tmp_path / "there.img"))
    assert list(tmp_path.iterdir()) == [tmp_path / "there.img"]
    assert (tmp_path / "there.img").read_bytes() == OLD


@pytest.mark.parametrize("name", ["", "inner", "missing/a.img", "file/a.img", "inner/missing/a.img"])
def test_outputs_that_cannot_be_written_are_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(InputError, match=f"cannot write {tmp_path / name}: "):
        check(outputs(tmp_path / "good.img", tmp_path / name))


def test_one_name_for_two_outputs_is_refused_however_it_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    (tmp_path / "link.img").symlink_to(tmp_path / "a.img")
    for same in (Path("a.img"), Path("./a.img"), Path("inner/../a.img"), tmp_path / "a.img", Path("link.img")):
        with pytest.raises(UsageError, match="two outputs"):
            check(outputs(Path("a.img"), same))


def test_a_file_no_one_can_write_is_refused_in_writing(tmp_path: Path) -> None:
    path: Any = tmp_path / "missing" / "a.img"
    with pytest.raises(InputError, match="cannot write"):
        write_file(path, write_new)
