"""Shots that are made by many processes: of this machine, and of clusters."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

from command_line import run
from dataset_kills import files, kill, start, workers_of
from openbragg.orchestrator.finding.registry import default_registry
from openbragg_tools.dataset.cluster import BATCH_SYSTEMS, LOCAL, Cluster, _place, job_script, read_options
from openbragg_tools.dataset.command import Dataset
from openbragg_tools.dataset.recipe import read_recipe
from openbragg_tools.dataset.store import Store
from openbragg_tools.dataset.studio import Studio
from openbragg_tools.dataset.work import Worker

pytest.importorskip("h5py")
pytest.importorskip("hdf5plugin")
pytest.importorskip("pyarrow")

RECIPE = '''
shots = 12
shard = 7
flags = """
-cell 40 40 38 90 90 90 -default_F 300 -lambda 1 -detpixels 64 -pixel 0.3 -distance 50 -fluence 1e29 -N 6 -gauss_xtal
-uniform_photons 3 -engine eager
"""
[lattices]
draw = {"-misset" = "random-orientation"}
'''
COMPILED = """
shots = 2
flags = "-cell 40 40 38 90 90 90 -default_F 300 -lambda 1 -detpixels 32 -pixel 0.6 -distance 50 -fluence 1e29 -N 6"
"""
#: What is said is read.
READ = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe, and its data set, of which all shots have been made in one process."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "recipe.toml").write_text(RECIPE)
    assert run("dataset", folder / "recipe.toml", "-o", folder / "set").status == 0
    return folder


def wait_for(tmp_path, running):
    """Until a first shot is made."""
    until = time.monotonic() + 120
    while not list((tmp_path / "set").glob("unfinished/*/*.npz")):
        assert time.monotonic() < until and running.poll() is None
        time.sleep(0.02)


def test_what_a_killed_worker_was_making_is_made_by_another(folder, tmp_path):
    if not Path(f"/proc/{os.getpid()}/task").exists():
        pytest.skip("this system does not tell which processes are whose")
    words = ("dataset", folder / "recipe.toml", "-o", tmp_path / "set", "--workers", 2)
    with start(*words, **READ) as running:
        wait_for(tmp_path, running)
        kill(workers_of(running)[0])
        out, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (0, "") and "12 of them made now" in out
    assert files(tmp_path / "set") == files(folder / "set")


@pytest.mark.parametrize("largest", [10_000, 40_000])
def test_a_full_disk_is_one_line_and_loses_nothing(folder, tmp_path, largest):
    # The file of a shot, or that of a shard, is more than this process may write.
    words = ("dataset", folder / "recipe.toml", "-o", tmp_path / "set")
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, most))
    try:
        finished = run(*words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert finished.status == 1 and len(finished.complaints()) == 1
    assert f"cannot write {tmp_path / 'set'}" in finished.err and "File too large" in finished.err
    made = len(list((tmp_path / "set").glob("unfinished/*/*.npz")))
    assert made == (0 if largest == 10_000 else 7)
    assert f"12, {12 - made} of them made now" in run(*words).out
    assert files(tmp_path / "set") == files(folder / "set")


def test_workers_of_one_data_set_compile_once(tmp_path, monkeypatch):
    (tmp_path / "recipe.toml").write_text(COMPILED)
    monkeypatch.setenv("OPENBRAGG_CACHE", str(tmp_path / "cache"))
    assert run("dataset", tmp_path / "recipe.toml", "-o", tmp_path / "set", "--workers", 2).status == 0
    assert len(list((tmp_path / "cache" / "kernels").iterdir())) == 1


def test_a_cluster_that_loses_a_worker_makes_the_same_files(folder, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        words = ("dataset", folder / "recipe.toml", "-o", tmp_path / "set", "--scheduler", cluster.scheduler_address)
        with start(*words, **READ) as running:
            wait_for(tmp_path, running)
            kill(next(iter(client.run(os.getpid).values())))
            out, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (0, "") and "12 of them made now" in out
    assert files(tmp_path / "set") == files(folder / "set")


def test_a_shot_that_a_cluster_cannot_make_is_one_line(tmp_path, capfd):
    pytest.importorskip("distributed")
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("[lattices]", '[draw]\n"-distance" = -5\n[lattices]'))
    finished = run("dataset", tmp_path / "recipe.toml", "-o", tmp_path / "set", "--cluster", "local")
    assert finished.status == 2 and finished.out.startswith("dask: http")
    (line,) = finished.complaints()
    assert "shot 0: -distance: expected a number above 0 (mm), got '-5'" in line
    # Nor do the workers say it.
    assert capfd.readouterr().err == ""


def test_a_batch_system_is_told_what_the_options_say(folder):
    pytest.importorskip("dask_jobqueue")
    options = read_options(["queue=long", "cores=8", 'job_extra_directives=["--gres=gpu:1"]', "walltime=01:00:00"])
    lines = job_script(Cluster(kind="slurm", jobs=20, options=options)).splitlines()
    for line in ("#SBATCH -p long", "#SBATCH --cpus-per-task=8", "#SBATCH --gres=gpu:1", "#SBATCH -t 01:00:00"):
        assert line in lines
    # A process for each core, of one thread, with 4 GB.
    assert "#SBATCH --mem=30G" in lines
    assert "dask_worker tcp://SCHEDULER --name openbragg --nthreads 1" in lines[-1] or any(
        "dask_worker tcp://SCHEDULER --name openbragg --nthreads 1" in line and "--nworkers 8" in line for line in lines
    )
    shown = run("dataset", folder / "recipe.toml", "--explain", "--cluster", "pbs", "--cluster-option", "queue=long")
    assert shown.status == 0 and "#PBS -q long" in shown.out.splitlines()


def test_each_worker_has_a_graphics_card_of_its_own(folder, monkeypatch):
    import torch

    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    recipe = read_recipe(folder / "recipe.toml")
    for flags in ((*recipe.flags, "-device", "cuda"), recipe.flags):
        studio = Studio(default_registry(), attrs.evolve(recipe, flags=flags))
        worker = Worker(studio, recipe.identity(), Store(folder, 1, 1))
        for name in ("0", "5", "SLURMCluster-2-3", "tcp://node:1"):
            worker.use_device(_place(name))
    assert chosen == [0, 1, 3, 1]


def test_the_command_names_the_clusters_that_there_are():
    option = next(one for one in Dataset.command(None).params if one.name == "cluster")
    assert sorted(option.type.choices) == sorted([LOCAL, *BATCH_SYSTEMS])


def test_clusters_that_make_no_sense_are_one_line(folder, tmp_path):
    pytest.importorskip("dask_jobqueue")
    for words, line in (
        (("--scheduler", "tcp://127.0.0.1:9", "--cluster", "slurm"), "expected one of them"),
        (("--jobs", 3), "--jobs, --cluster-option: expected with a batch system"),
        (("--cluster", "slurm", "--workers", 3), "--workers: a cluster has workers of its own"),
        (("--cluster", "slurm", "--cluster-option", "queue"), "--cluster-option: expected NAME=VALUE, got 'queue'"),
        (("--cluster", "slurm", "--explain", "--cluster-option", "cue=long"), "--cluster slurm: "),
        (("--scheduler", "nonsense://x:1"), "--scheduler nonsense://x:1: "),
    ):
        finished = run("dataset", folder / "recipe.toml", "-o", tmp_path / "set", *words)
        assert finished.status != 0 and len(finished.complaints()) == 1 and line in finished.err, finished.err


def test_without_dask_a_line_says_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    finished = run("dataset", folder / "recipe.toml", "-o", tmp_path / "set", "--cluster", "local")
    assert finished.complaints() == ["openbragg: error: a cluster needs Dask: pip install 'openbragg[dask]'"]
    assert not (tmp_path / "set").exists()
