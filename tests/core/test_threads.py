"""Pieces of a sum that cores share, and where pixels of a block are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openbragg.engine.pixels import choose_pixels
from openbragg.engine.threads import Team, in_threads

CPU = torch.device("cpu")
PIECES = [(start, start + 3) for start in range(0, 60, 3)]


@pytest.mark.parametrize("threads", [1, 2, 5, 50])
def test_results_come_in_the_order_of_the_pieces_whichever_is_done_first(threads: int) -> None:
    def work(piece: tuple[int, int]) -> int:
        time.sleep(0.002 * (piece[0] % 4))
        return piece[0]

    assert list(in_threads(work, PIECES, CPU, Team(threads))) == [start for start, _ in PIECES]


def test_torch_s_own_threads_are_off_meanwhile_and_on_again_afterwards() -> None:
    before = torch.get_num_threads()
    seen = list(in_threads(lambda piece: torch.get_num_threads(), PIECES, CPU, Team(3)))
    assert set(seen) == {1}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("threads", [1, 3])
def test_a_piece_that_fails_ends_the_rest_with_its_own_error(threads: int) -> None:
    done: list[int] = []

    def work(piece: tuple[int, int]) -> int:
        if piece[0] == 9:
            raise ZeroDivisionError("piece 9")
        done.append(piece[0])
        time.sleep(0.005)
        return piece[0]

    with pytest.raises(ZeroDivisionError, match="piece 9"):
        list(in_threads(work, PIECES, CPU, Team(threads)))
    finished = len(done)
    assert finished < len(PIECES) - 1
    time.sleep(0.02)
    assert len(done) == finished


def test_who_stops_asking_for_results_stops_the_work() -> None:
    done: list[int] = []

    def work(piece: tuple[int, int]) -> int:
        done.append(piece[0])
        time.sleep(0.01)
        return piece[0]

    results = in_threads(work, PIECES, CPU, Team(2))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    finished = len(done)
    assert finished < len(PIECES)
    time.sleep(0.03)
    assert len(done) == finished


def test_a_team_works_again_with_the_threads_that_it_has_and_they_end_with_it() -> None:
    def workers(team: Team) -> set[int]:
        def work(piece: tuple[int, int]) -> int:
            time.sleep(0.001)
            return threading.get_ident()

        return set(in_threads(work, PIECES, CPU, team))

    def alive(idents: set[int]) -> set[int]:
        return idents & {thread.ident for thread in threading.enumerate() if thread.ident is not None}

    team = Team(3)
    seen = workers(team) | workers(team)
    assert threading.get_ident() not in seen
    assert 1 < len(seen) <= 3
    assert alive(seen) == seen
    del team
    for _ in range(200):
        if not alive(seen):
            break
        time.sleep(0.01)
    assert not alive(seen)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_has_threads_of_its_own() -> None:
    team = Team(2)
    wanted = list(in_threads(lambda piece: piece[0], PIECES, CPU, team))
    child = os.fork()
    if child == 0:
        os._exit(0 if list(in_threads(lambda piece: piece[0], PIECES, CPU, team)) == wanted else 1)
    for _ in range(1000):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("a forked process waits for threads that it does not have")
    assert os.waitstatus_to_exitcode(status) == 0


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(0, 30), st.integers(0, 30), st.integers(1, 200), st.booleans()
)
@settings(max_examples=200)
def test_blocks_of_any_size_have_the_coordinates_of_all_pixels_in_order(
    width: int, height: int, first_fast: int, first_slow: int, size: int, masked: bool
) -> None:
    shape = (first_slow + height + 2, first_fast + width + 1)
    mask = (torch.arange(shape[0] * shape[1]) % 3 > 0).reshape(shape) if masked else None
    region = (first_fast, first_fast + width - 1, first_slow, first_slow + height - 1)
    pixels = choose_pixels(shape, region, mask, CPU)
    wanted = torch.cartesian_prod(
        torch.arange(first_slow, first_slow + height), torch.arange(first_fast, first_fast + width)
    )
    if mask is not None:
        wanted = wanted[mask[wanted[:, 0], wanted[:, 1]]]
    step = pixels.aligned(size)
    assert 1 <= step <= size
    found = [pixels.coordinates(low, min(low + step, pixels.count)) for low in range(0, pixels.count, step)]
    if found:
        slow, fast = (torch.cat(parts) for parts in zip(*found, strict=True))
        assert torch.equal(torch.stack([slow, fast], dim=1), wanted.double())


@pytest.mark.parametrize(("given_policy", "left"), [(None, "None"), ("active", "active")])
def test_a_command_has_torch_s_idle_threads_sleep_and_leaves_the_environment(
    given_policy: str | None, left: str
) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if given_policy is not None:
        variables["OMP_WAIT_POLICY"] = given_policy
    code = "import os\nfrom openbragg.cli.loading import load_torch\nload_torch()\n"
    code += "print(os.environ.get('OMP_WAIT_POLICY'))"
    told = {**variables, "OMP_DISPLAY_ENV": "TRUE"}
    finished = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True)
    assert finished.stdout.split() == [left]
    if "OMP_WAIT_POLICY" in finished.stderr:  # of a library that tells
        assert ("ACTIVE" if given_policy else "PASSIVE") in finished.stderr.split("OMP_WAIT_POLICY")[1].splitlines()[0]
