"""Tables of amplitudes as text: what is written, and what is no table."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbragg import InputError, checked_reflections, write_hkl_table

INDICES = st.tuples(*[st.integers(-1000, 1000)] * 3)
TABLES = st.dictionaries(INDICES, st.floats(0.0, 1e12), min_size=1, max_size=20)


@given(TABLES)
def test_a_table_reads_back_as_four_bare_numbers_a_line(
    tmp_path_factory: pytest.TempPathFactory, table: dict[tuple[int, int, int], float]
) -> None:
    file = tmp_path_factory.getbasetemp() / "drawn.hkl"
    write_hkl_table(file, list(table), list(table.values()))
    rows = [line.split() for line in file.read_text().splitlines()]
    assert [tuple(int(index) for index in row[:3]) for row in rows] == list(table)
    # Nine significant digits leave a relative error of at most 5e-9.
    np.testing.assert_allclose([float(row[3]) for row in rows], list(table.values()), rtol=5e-9)
    assert {len(row) for row in rows} == {4}


def test_table_longer_than_a_block_is_written_whole_and_in_order(tmp_path: Path) -> None:
    hkl = np.arange(3 * 250_001).reshape(-1, 3)
    write_hkl_table(tmp_path / "long.hkl", hkl, np.arange(250_001.0))
    written = np.loadtxt(tmp_path / "long.hkl")
    np.testing.assert_array_equal(written[:, :3], hkl)
    np.testing.assert_array_equal(written[:, 3], np.arange(250_001))


def test_writing_replaces_a_table_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    table = tmp_path / "table.hkl"
    table.write_text("an older one")
    write_hkl_table(table, [[1, -2, 3]], [1.5])
    assert table.read_text() == "1 -2 3 1.5\n"
    assert list(tmp_path.iterdir()) == [table]


def test_failed_write_leaves_an_existing_table_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    table = tmp_path / "table.hkl"
    table.write_text("1 2 3 4\n")
    monkeypatch.setattr(Path, "replace", disk_full)
    with pytest.raises(InputError, match=r"table\.hkl: cannot write the reflections: No space left on device"):
        write_hkl_table(table, [[1, -2, 3]], [1.5])
    assert table.read_text() == "1 2 3 4\n"
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a thing of POSIX systems")
def test_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="expected a plain file"):
        write_hkl_table(pipe, [[1, 2, 3]], [1.0])
    assert pipe.is_fifo()


def test_unwritable_places_give_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "table.hkl"):
        with pytest.raises(InputError) as error:
            write_hkl_table(path, [[1, 2, 3]], [1.0])
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("hkl", "F", "complaint"),
    [
        ([], [], "reflection table"),
        (np.empty((0, 3), dtype=int), [], "at least one reflection"),
        ([[1, 2, 3]], [1.0, 2.0], r"\(1, 3\) and \(2,\)"),
        ([[1, 2]], [1.0], r"\(1, 2\)"),
        ([[1.5, 2, 3]], [1.0], "float64"),
        ([[1, 2, 3]], [math.nan], "reflection 1 2 3: F is nan"),
        ([[1, 2, 3]], [math.inf], "reflection 1 2 3: F is inf"),
        ([[1, 2, 3]], [-1.0], "reflection 1 2 3: F is -1"),
    ],
)
def test_arrays_that_are_no_table_are_refused(
    hkl: list[list[int]], F: list[float], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint):
        write_hkl_table(tmp_path / "table.hkl", hkl, F)
    with pytest.raises(InputError, match=complaint):
        checked_reflections(hkl, F)
    assert list(tmp_path.iterdir()) == []
