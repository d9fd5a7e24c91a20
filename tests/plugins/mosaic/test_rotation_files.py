"""Files of rotations: what they hold, and what is refused."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from openbragg import InputError
from openbragg_plugins.mosaic.rotation_files import read_rotations

TURNS = np.array([np.eye(3), [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
WEIGHTS = np.array([1.0, 3.0])


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "weighted"),
    [
        (json.dumps(TURNS.tolist()).encode(), False),
        (json.dumps({"rotations": TURNS.tolist()}).encode(), False),
        (json.dumps({"rotations": TURNS.tolist(), "weights": [1, 3]}).encode(), True),
        (npy(TURNS), False),
        (npy(np.asfortranarray(TURNS)), False),
        (npy(TURNS.astype(np.float32)), False),
        (npy(np.concatenate([TURNS.reshape(2, 9), WEIGHTS[:, None]], axis=1)), True),
    ],
)
def test_rotations_and_weights_are_read(tmp_path: Path, content: bytes, weighted: bool) -> None:
    (tmp_path / "file").write_bytes(content)
    rotations, weights = read_rotations(tmp_path / "file")
    np.testing.assert_array_equal(rotations, TURNS)
    assert (weights is not None) == weighted
    if weights is not None:
        np.testing.assert_array_equal(weights, WEIGHTS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[[1, 2], [3, 4]]", "expected a list of 3 x 3 matrices"),
        (b'{"weights": [1]}', "expected a list of 3 x 3 matrices"),
        (b'{"rotations": [], "other": 1}', "expected a list of 3 x 3 matrices"),
        (b"[[[1, 0, 0], [0, 1]]]", "rows differ in length"),
        (b"1 0 0", "not a list of rotations"),
        (npy(np.zeros((4, 4))), "expected an array of shape"),
        (npy(np.full((1, 3, 3), np.nan)), "expected finite numbers"),
        (npy(TURNS.astype(complex)), "expected whole or floating-point numbers"),
        (npy(TURNS)[:-8], "bytes of numbers"),
        (npy(TURNS).replace(b"(2, 3, 3)", b"(9, 9, 9)"), "bytes of numbers"),
    ],
)
def test_other_files_are_refused_in_a_line_that_names_them(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=said) as refused:
        read_rotations(tmp_path / "file")
    assert "file" in str(refused.value) and "\n" not in str(refused.value)
