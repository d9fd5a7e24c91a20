"""Stills that are refined together by several processes."""

import sys
from functools import cache

import attrs
import numpy as np
import pytest

import openbragg
from openbragg import InputError, UsageError
from openbragg_tools.refine.holding import Holder, Work, here, tasks_of
from openbragg_tools.refine.preparation import Asked
from refined_stills import counted, truth, turned

ANGLES = ((0.3, 0.7, -0.4), (1.2, -0.5, 0.1))
FREE = ("scale", "distance")
SETTINGS = {"space_group": "P 2 2 2", "readout": 0.0, "steps": 2}


@cache
def starts():
    detector = attrs.evolve(truth().experiment.detector, distance=54.05e-3)
    return [turned(truth().evolve(detector=detector), angles) for angles in ANGLES]


@cache
def images():
    return [counted(turned(truth(), angles), seed) for seed, angles in enumerate(ANGLES)]


@cache
def alone():
    return openbragg.refine(starts(), images(), FREE, **SETTINGS)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    # Threads of this process: two that start and read torch would take longer than all else here.
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster


def test_workers_find_what_one_process_finds(cluster):
    found = openbragg.refine(starts(), images(), FREE, scheduler=cluster.scheduler_address, **SETTINGS)
    assert found.values == pytest.approx(alone().values, rel=1e-9)
    assert found.determined.sigmas == pytest.approx(alone().determined.sigmas, rel=1e-9)
    for still, own in zip(found.stills, alone().stills, strict=True):
        assert still.values == pytest.approx(own.values, rel=1e-9)
        assert np.array_equal(still.boxes.counts, own.boxes.counts)
        # What all stills have is not sent with each.
        assert still.simulation.structure_factors is starts()[0].structure_factors


def test_a_still_that_is_not_held_any_more_is_made_anew():
    work = Work(base=starts()[0], of_each=("scale",), of_all=("distance",), steps=1)
    images_read = [lambda image=image: openbragg.ReadImage(pixels=image) for image in images()]
    tasks = tasks_of(starts(), images_read, [Asked(space_group="P 2 2 2", readout=0.0)] * 2)
    # Only what a still has of its own goes with it.
    assert [task.own for task in tasks] == [(one.experiment.crystal, one.experiment.beam) for one in starts()]
    crew = here(work, tasks)
    (begun,) = crew("begin", [(1,)])
    ((matrix, gradient),) = crew("equations", [(1, begun.values)])
    anew = Holder(work).equations(tasks[1], begun.values)
    assert anew[0] == pytest.approx(matrix, rel=1e-4)
    assert anew[1] == pytest.approx(gradient, rel=1e-3, abs=1e-3 * np.sqrt(matrix.max()))


def test_what_a_worker_cannot_use_is_the_line_of_one_process(cluster):
    with pytest.raises(InputError, match=r"image 2: 96 x 60 pixels.*one detector"):
        openbragg.refine(
            starts(), [images()[0], images()[1][:60]], FREE, scheduler=cluster.scheduler_address, **SETTINGS
        )


def test_a_worker_that_is_lost_is_survived(cluster):
    calls = []

    def watch(done, total):
        calls.append(done)
        # Both stills are held, and the first one's equations have come.
        if len(calls) == 3:
            cluster.sync(cluster.workers[1].close)

    found = openbragg.refine(starts(), images(), FREE, scheduler=cluster.scheduler_address, watch=watch, **SETTINGS)
    assert len(calls) > 3
    # What is made anew begins its planes and scale elsewhere, and ends within their tolerance.
    assert np.abs(found.values - alone().values).max() < 1e-3 * found.determined.sigmas.max()
    assert found.reduced_chi_squared() == pytest.approx(alone().reduced_chi_squared(), rel=1e-6)


def test_processes_that_make_no_sense_are_one_line(monkeypatch):
    with pytest.raises(UsageError, match="of which there is one"):
        openbragg.refine(starts()[0], images()[0], FREE, workers=2)
    with pytest.raises(UsageError, match="a scheduler has workers of its own"):
        openbragg.refine(starts(), images(), FREE, workers=2, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="--scheduler nonsense://x:1: "):
        openbragg.refine(starts(), images(), FREE, scheduler="nonsense://x:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'openbragg\[dask\]'"):
        openbragg.refine(starts(), images(), FREE, workers=2)
