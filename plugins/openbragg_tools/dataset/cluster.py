"""Workers of Dask: on this machine, behind a scheduler that runs, or in jobs of a batch system."""

from __future__ import annotations

import json
import logging
import re
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from openbragg import InputError, UsageError
from openbragg_tools.dataset.work import MOST_DEATHS, WAITING, Crew, Task, died, worker_of

#: The clusters that can be started: this machine alone, and batch systems with the class of dask-jobqueue.
LOCAL = "local"
BATCH_SYSTEMS = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "moab": "MoabCluster",
    "oar": "OARCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
}
#: Memory of a worker, unless an option says it: what an image of 16 million pixels takes, and its labels.
_MEMORY = 4
#: Seconds in which a scheduler has to answer.
_ANSWER = 20.0
#: A worker that is told to have several threads makes one shot at a time all the same.
_ONE_AT_A_TIME = threading.Lock()


@attrs.frozen
class Cluster:
    """Where the workers are.

    Attributes
    ----------
    scheduler
        Address of a scheduler that runs; the others do not matter then.
    kind
        `LOCAL`, or one of `BATCH_SYSTEMS`.
    jobs
        How many jobs, or processes of this machine, are started.
    options
        Of the class of dask-jobqueue; unknown ones are refused there.
    """

    scheduler: str | None = None
    kind: str = LOCAL
    jobs: int = 1
    options: Mapping[str, Any] = attrs.field(factory=dict)


def on_cluster(task: Task, cluster: Cluster, say: Callable[[str], None]) -> Crew:
    """Workers of Dask; those that are lost are replaced, and what they were making is made by others.

    Parameters
    ----------
    task
        What they make; its files have the same names on all machines.
    cluster
        Where they are.
    say
        Called with a line when there is a cluster: where it can be watched.

    Raises
    ------
    UsageError
        When Dask is not there.
    """
    _dask()

    def make(numbers: Sequence[int]) -> Iterator[int]:
        with _quiet(), _client(cluster) as client:
            say(f"dask: {client.dashboard_link}")
            yield from _made(client, task, numbers, cluster.jobs)

    return make


def job_script(cluster: Cluster) -> str:
    """What a batch system is told to run, nothing being started.

    Raises
    ------
    UsageError
        When a library is not there, or an option is none.
    """
    job = _with_options(_batch_system(cluster).job_cls, cluster, scheduler="tcp://SCHEDULER", name="openbragg")
    return str(job.job_script())


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """Options from words like ``queue=long``; values are numbers, lists and so on of JSON, else words.

    Raises
    ------
    UsageError
        When a word is none.
    """
    options: dict[str, Any] = {}
    for word in words:
        name, equal, value = word.partition("=")
        if not name.isidentifier() or not equal:
            raise UsageError(f"--cluster-option: expected NAME=VALUE, got {word!r}")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def _made(client: Any, task: Task, numbers: Sequence[int], jobs: int) -> Iterator[int]:
    distributed = _dask()
    waiting, deaths = deque(numbers), 0
    running: dict[str, int] = {}
    ready = distributed.as_completed()

    def give_out() -> None:
        workers = max(jobs, len(client.nthreads()))
        while waiting and len(running) < WAITING * workers:
            number = waiting.popleft()
            future = client.submit(_make, task, number, pure=False)
            running[future.key] = number
            ready.add(future)

    give_out()
    while running:
        future = next(ready)
        number = running.pop(future.key)
        try:
            future.result()
        except distributed.KilledWorker:
            # It was on several that were lost; it may have been the reason.
            deaths += 1
            waiting.appendleft(number)
            if deaths >= MOST_DEATHS:
                raise died([number], jobs) from None
        except (distributed.client.CancelledError, OSError):
            raise InputError("the scheduler of Dask is gone; the same command goes on") from None
        else:
            deaths = 0
            yield number
        give_out()


def _make(task: Task, number: int) -> int:
    import torch

    with _ONE_AT_A_TIME:
        # Of this thread, which is not the process's first.
        torch.set_num_threads(1)
        worker = worker_of(task)
        worker.use_device(_place(str(_dask().get_worker().name)))
        return worker.make(number)


def _place(name: str) -> int:
    """The number at the end of a worker's name: among all of this machine, or of its job."""
    found = re.search(r"\d+$", name)
    return int(found.group()) if found else 0


@contextmanager
def _client(cluster: Cluster) -> Iterator[Any]:
    distributed = _dask()
    if cluster.scheduler is not None:
        try:
            client = distributed.Client(cluster.scheduler, timeout=_ANSWER)
        except (OSError, ValueError) as error:
            raise InputError(f"--scheduler {cluster.scheduler}: {str(error).splitlines()[0]}") from None
        with client:
            yield client
    elif cluster.kind == LOCAL:
        # What goes wrong is said once, by this process.
        options = {"n_workers": cluster.jobs, "threads_per_worker": 1, "silence_logs": logging.CRITICAL}
        with _started(lambda: distributed.LocalCluster(**options)) as here, distributed.Client(here) as client:
            yield client
    else:
        started = _started(lambda: _with_options(_batch_system(cluster), cluster))
        with started as batch, distributed.Client(batch) as client:
            batch.scale(jobs=cluster.jobs)
            yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Dask's own logs say nothing on the terminal of workers that are lost, which are survived."""
    _dask()
    handlers = list(logging.getLogger("distributed").handlers)
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)


def _started(start: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        # Where the dashboard is, is said; whether that is the usual port does not matter.
        warnings.filterwarnings("ignore", message="Port .* is already in use")
        return start()


def _with_options(kind: Any, cluster: Cluster, **more: Any) -> Any:
    """An object of dask-jobqueue with what the user said, each process of a job having a core and memory for a shot."""
    cores = cluster.options.get("cores", 1)
    processes = cluster.options.get("processes", cores)
    options = {"cores": cores, "processes": processes, "memory": f"{_MEMORY * processes}GB", **cluster.options}
    try:
        return kind(**options, **more)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--cluster {cluster.kind}: {str(error).splitlines()[0]}") from None


def _batch_system(cluster: Cluster) -> Any:
    try:
        import dask_jobqueue
    except ImportError:
        raise _missing() from None
    return getattr(dask_jobqueue, BATCH_SYSTEMS[cluster.kind])


def _dask() -> Any:
    try:
        import distributed
        import distributed.client
    except ImportError:
        raise _missing() from None
    return distributed


def _missing() -> UsageError:
    return UsageError("a cluster needs Dask: pip install 'openbragg[dask]'")
