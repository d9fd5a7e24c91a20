"""Memory that another core makes ready."""

import pytest
import torch

from openbragg.engine.sparse.room import Room
from openbragg.engine.threads import Team


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [1, 1000, 1 << 21])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_written_stays_and_the_rest_is_zero(threads: int, count: int, dtype: torch.dtype) -> None:
    room = Room(count, dtype, Team(threads))
    values = room.values()
    assert values.dtype == dtype and values.shape == (count,)
    values[count // 2] = 3.0
    assert room.values()[count // 2] == 3.0
    assert int(values.count_nonzero()) == 1
