"""Kill the processes that make a data set at random moments, go on, and compare with one made undisturbed.

    python tests/dataset_kills.py --moments 50 --seed 1 [--dask | --scheduler]

Half of the moments are the main process's (with --dask it has the scheduler too), half those of a worker; with
--scheduler, which starts a scheduler and workers beside it, a third each are those of the main process, of the
scheduler and of a worker. Once a set is finished, its other formats are written, WebDataset, Zarr, COCO and YOLO, and
that is killed too. The exit status is 0 when every file, of the set and of the formats, is the same to the last byte;
what a writer of a format was killed at stays beside them, under a temporary name.
"""

import argparse
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

RECIPE_NAME = "recipe.toml"
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
#: What is made of a finished set: flags, and what they write.
FORMATS = (("--webdataset", "tars"), ("--zarr", "set.zarr"), ("--coco", "coco.json"), ("--yolo", "yolo"))
#: Seconds after something was made, within which a moment is.
_SOON = 0.5
_TEMPORARY = ".openbragg-"
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
    return {path.relative_to(folder): path.read_bytes() for path in made(folder)}


def written(folder):
    """The same but for what has a temporary name."""
    return {path: content for path, content in files(folder).items() if _TEMPORARY not in str(path)}


def made(folder):
    """The files that are there."""
    return {path for path in folder.rglob("*") if path.is_file()}


def wait(process, condition, longest):
    """Wait until something is so, a process has ended, or a time in seconds is over."""
    until = time.monotonic() + longest
    while time.monotonic() < until and process.poll() is None and not condition():
        time.sleep(0.01)


class Here:
    """Workers of the command itself."""

    def __init__(self, *words):
        self.words = words

    def victims(self, running):
        """What each of the processes is that may be killed, and its id."""
        workers = workers_of(running)
        return [("main", running.pid)] * max(1, len(workers)) + [("worker", worker) for worker in workers]

    def begin(self):
        """Start what the command needs."""

    def end(self):
        """End it."""


class Beside(Here):
    """A scheduler of Dask and workers that the command joins."""

    def begin(self):
        """Start those that are not there."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        run = (sys.executable, "-m", "distributed.cli.")
        quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        place = ("--host", "127.0.0.1", "--no-dashboard")
        self.scheduler = subprocess.Popen([*run[:2], f"{run[2]}dask_scheduler", *place, "--port", str(port)], **quiet)
        address = f"tcp://127.0.0.1:{port}"
        # Without a nanny, whose worker would outlive it; a worker that is lost is not replaced.
        threads = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
        self.workers = [
            subprocess.Popen([*run[:2], f"{run[2]}dask_worker", address, *threads], **quiet) for _ in range(3)
        ]
        self.words = ("--scheduler", address)

    def end(self):
        """Kill all."""
        for process in (self.scheduler, *self.workers):
            kill(process.pid)
            process.wait()

    def victims(self, running):
        """See `Here`; one worker is left, without which nothing would go on."""
        workers = [process.pid for process in self.workers if process.poll() is None]
        found = [("main", running.pid), ("scheduler", self.scheduler.pid)]
        return found + ([("worker", workers[0])] if len(workers) > 1 else [])


def disturbed(words, crew, folder, moments, randomness, longest):
    """Run a command until it ends by itself, and kill at so many moments; how many runs and kills it took."""
    runs = kills = 0
    while True:
        runs += 1
        crew.begin()
        with start(*words(), *crew.words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            began = time.monotonic()
            while kills < moments and running.poll() is None:
                # Half of the moments are soon after a shot or a shard was made, for most of the time is the beginning.
                if randomness.random() < 0.5:
                    there = made(folder)
                    wait(running, lambda there=there: made(folder) != there, longest)
                    wait(running, lambda: False, randomness.uniform(0.0, _SOON))
                else:
                    wait(running, lambda: False, randomness.uniform(0.0, longest))
                what, victim = randomness.choice(crew.victims(running))
                if running.poll() is None:
                    kill(victim)
                    kills += 1
                    print(f"{kills}: {what} after {time.monotonic() - began:.2f} s", flush=True)
                if what == "main":
                    break
            status = running.wait()
        crew.end()
        # One that workers left again and again may give up; it is started again too.
        if status == 0 and kills >= moments:
            return runs, kills
        if kills >= moments and status not in (0, 1, -signal.SIGKILL):
            raise SystemExit(f"the command ended with {status}")


def making(folder):
    """The words that make a set."""
    return ("dataset", folder.parent / RECIPE_NAME, "-o", folder)


def writing(folder, into):
    """The words that write all formats of a set into a folder, but for a Zarr store that is there, which is refused."""
    into.mkdir(exist_ok=True)
    wanted = [(flag, into / name) for flag, name in FORMATS]
    return (
        "dataset",
        folder,
        *(word for flag, file in wanted if file.suffix != ".zarr" or not file.exists() for word in (flag, file)),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dask", action="store_true")
    parser.add_argument("--scheduler", action="store_true")
    asked = parser.parse_args()
    randomness = random.Random(asked.seed)
    crew = Beside() if asked.scheduler else Here("--workers", 2, *(("--cluster", "local") if asked.dask else ()))
    counts = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / RECIPE_NAME).write_text(RECIPE)
        whole = folder / "whole", folder / "whole-formats"
        longest = [timed(*making(whole[0]), "--workers", 2), timed(*writing(*whole))]
        left = asked.moments
        number = 0
        # A set that is finished has nothing left to disturb: the next one takes its place.
        while left:
            number += 1
            parts = folder / f"{number}", folder / f"{number}-formats"
            some = min(left, randomness.randint(3, 8))
            few = min(some - 1, 2)
            of_set = disturbed(partial(making, parts[0]), crew, parts[0], some - few, randomness, longest[0])
            of_formats = disturbed(partial(writing, *parts), Here(), parts[1], few, randomness, longest[1])
            left -= of_set[1] + of_formats[1]
            same = files(parts[0]) == files(whole[0]), written(parts[1]) == written(whole[1])
            counts.update(kills=of_set[1] + of_formats[1], runs=of_set[0] + of_formats[0], sets=1)
            print(
                f"set {number}: {of_set[1]} kills, {of_set[0]} runs, its formats: {of_formats[1]} kills, "
                f"{of_formats[0]} runs: {'the same' if all(same) else f'NOT THE SAME {same}'}",
                flush=True,
            )
            if not all(same):
                raise SystemExit(1)
    print(f"{counts['kills']} kills, {counts['runs']} runs, {counts['sets']} sets and their formats: the same bytes")


def timed(*words):
    """Run a command undisturbed; the seconds it took."""
    began = time.monotonic()
    with start(*words, stdout=subprocess.DEVNULL) as running:
        if running.wait():
            raise SystemExit("the undisturbed run failed")
    return time.monotonic() - began


if __name__ == "__main__":
    main()
