"""Kill the processes that make a data set at random moments, go on, and compare with one made undisturbed.

    python tests/dataset_kills.py --moments 50 --seed 1 [--dask]

Half of the moments are the main process's (with --dask it has the scheduler too), half those of a worker; the exit
status is 0 when every file of the set is the same to the last byte.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = '''
shots = 60
shard = 7
flags = """
-cell 40 40 38 90 90 90 -default_F 300 -lambda 1 -detpixels 64 -pixel 0.3 -distance 50 -fluence 1e29 -N 6 -gauss_xtal
-uniform_photons 3 -oversample 3 -engine eager
"""
[lattices]
draw = {"-misset" = "random-orientation"}
'''
#: Seconds after something was made, within which a moment is.
_SOON = 0.5
_PROGRAM = "import sys; from openbragg.cli.main import main; sys.exit(main())"


def start(*words, **options):
    """The program in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", _PROGRAM, *map(str, words)], env=environment, **options)


def workers_of(process):
    """Process ids of the workers of a running command, which Linux tells."""
    found = []
    waiting = [process.pid]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            waiting += children
            found += [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return found


def kill(pid):
    """End a process as the system ends one that takes too much memory."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def files(folder):
    """The contents of all files by their names."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made(folder):
    """The files that are there."""
    return {path for path in folder.rglob("*") if path.is_file()}


def wait(process, condition, longest):
    """Wait until something is so, a process has ended, or a time in seconds is over."""
    until = time.monotonic() + longest
    while time.monotonic() < until and process.poll() is None and not condition():
        time.sleep(0.01)


def disturbed(words, folder, moments, randomness, longest):
    """Run a command until it ends by itself, and kill at so many moments; how many runs and kills it took."""
    words = (*words, "-o", folder)
    runs = kills = 0
    while True:
        runs += 1
        with start(*words, stdout=subprocess.DEVNULL) as running:
            began = time.monotonic()
            while kills < moments and running.poll() is None:
                # Half of the moments are soon after a shot or a shard was made, for most of the time is the beginning.
                if randomness.random() < 0.5:
                    there = made(folder)
                    wait(running, lambda there=there: made(folder) != there, longest)
                    wait(running, lambda: False, randomness.uniform(0.0, _SOON))
                else:
                    wait(running, lambda: False, randomness.uniform(0.0, longest))
                workers = workers_of(running)
                whole = randomness.random() < 0.5 or not workers
                if running.poll() is None:
                    kill(running.pid if whole else randomness.choice(workers))
                    kills += 1
                    print(
                        f"{kills}: {'main' if whole else 'worker'} after {time.monotonic() - began:.2f} s", flush=True
                    )
                if whole:
                    break
            status = running.wait()
        # One that workers left again and again may give up; it is started again too.
        if status == 0 and kills >= moments:
            return runs, kills
        if kills >= moments and status not in (0, 1, -signal.SIGKILL):
            raise SystemExit(f"the command ended with {status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dask", action="store_true")
    asked = parser.parse_args()
    randomness = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.toml").write_text(RECIPE)
        words = ("dataset", folder / "recipe.toml", "--workers", 2, *(("--cluster", "local") if asked.dask else ()))
        began = time.monotonic()
        with start(*words, "-o", folder / "whole", stdout=subprocess.DEVNULL) as running:
            if running.wait():
                raise SystemExit("the undisturbed run failed")
        longest = time.monotonic() - began
        left = asked.moments
        number = 0
        # A set that is finished has nothing left to disturb: the next one takes its place.
        while left:
            number += 1
            some = min(left, randomness.randint(3, 8))
            runs, kills = disturbed(words, folder / f"{number}", some, randomness, longest)
            left -= kills
            same = files(folder / f"{number}") == files(folder / "whole")
            print(f"set {number}: {kills} kills, {runs} runs, {'the same' if same else 'NOT THE SAME'}", flush=True)
            if not same:
                raise SystemExit(1)


if __name__ == "__main__":
    main()
