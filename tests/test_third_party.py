"""Plugins of third parties, installed as a user installs them, stand beside the built-in ones.

One run of the example packages in a fresh environment: they are listed, their flags are in the help, they work, they
can be blocked, and their own tests pass.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import attrs
import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
CONVENTION, COMMAND_PACKAGE = "third_party_convention", "third_party_command"
DISTRIBUTION, COMMAND_DISTRIBUTION = "openbragg-imgcif", "openbragg-powder"
COMMAND = "from openbragg.cli.main import main; main()"

#: A tilted detector of 24 x 20 pixels (fast x slow) with the beam off its middle, seen by an oblique crystal.
MODEL = (
    *("-cell", "70 80 90 95 100 105"),
    *("-misset", "10 20 30"),
    *("-N", "4"),
    *("-default_F", "100"),
    *("-lambda", "1.1"),
    *("-distance", "80"),
    *("-pixel", "0.5"),
    *("-detpixels_f", "24"),
    *("-detpixels_s", "20"),
    *("-detector_rotx", "3"),
    *("-detector_roty", "-2"),
    *("-twotheta", "5"),
    *("-phi", "11"),
    *("-osc", "1"),
    *("-phisteps", "2"),
    *("-polar", "0.9"),
    *("-pivot", "beam"),
    *("-oversample", "1"),
    "-nonoise",
)
#: The vectors of the imgCIF frame, given one by one.
SAME_VECTORS = (
    *("-beam_vector", "0 0 -1"),
    *("-fdet_vector", "1 0 0"),
    *("-sdet_vector", "0 -1 0"),
    *("-odet_vector", "0 0 -1"),
    *("-polar_vector", "1 0 0"),
    *("-spindle_axis", "1 0 0"),
    *("-twotheta_axis", "1 0 0"),
)


@attrs.frozen
class Environment:
    """A virtual environment with the examples in it, and a folder to work in."""

    python: Path
    folder: Path

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the environment's interpreter without a trace of the tests' own environment."""
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "OPENBRAGG_NO_PLUGINS")}
        return subprocess.run(
            [str(self.python), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**kept, "OMP_NUM_THREADS": "1", **variables},
            check=False,
        )

    def openbragg(self, *words: str, **variables: str) -> str:
        """What ``openbragg`` prints; it must end well."""
        finished = self.run("-c", COMMAND, *words, **variables)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def plugins(self, *words: str, **variables: str) -> dict[str, str]:
        """Name and distribution of the conventions that are installed."""
        listed = json.loads(self.openbragg(*words, "plugins", "--json", **variables))
        return {entry["name"]: entry["distribution"] for entry in listed if entry["role"] == "geometry_conventions"}

    def image(self, *words: str) -> np.ndarray:
        """The photons of the model with more flags, (slow, fast)."""
        flags = [part for word in (*MODEL, *words) for part in word.split()]
        self.openbragg("simulate", *flags, "-floatfile", "image.bin")
        return np.fromfile(self.folder / "image.bin", dtype="<f4").reshape(20, 24)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment into which pip has installed copies of the examples."""
    folder = tmp_path_factory.mktemp("third_party")
    home = folder / "environment"
    _call([sys.executable, "-m", "venv", "--without-pip", str(home)])
    python = home / "bin" / "python"
    site = Path(_call([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    # Installing torch again would take minutes and gigabytes, and --system-site-packages would show the interpreter's
    # packages, not those of the environment that runs the tests. So this line shows the latter to the new environment;
    # `addsitedir`, unlike a bare path, also follows the .pth file of an editable installation of OpenBragg.
    (site / "running_environment.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    passed = shutil.ignore_patterns("build", "*.egg-info")
    sources = [
        shutil.copytree(EXAMPLES / name, folder / "source" / name, ignore=passed)
        for name in (CONVENTION, COMMAND_PACKAGE)
    ]
    # Without build isolation nothing is downloaded, where the running environment has the build backend.
    isolation = ["--no-build-isolation"] if find_spec("setuptools") else []
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    _call([*pip, "install", "--no-deps", *isolation, *map(str, sources)])
    return Environment(python=python, folder=folder)


def _call(words: Sequence[str]) -> str:
    finished = subprocess.run(words, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_it_is_listed_with_its_distribution(environment: Environment) -> None:
    conventions = environment.plugins()
    assert conventions["imgcif"] == DISTRIBUTION
    assert conventions["mosflm"] == "openbragg"
    table = environment.openbragg("plugins").splitlines()
    (row,) = [line for line in table if DISTRIBUTION in line]
    assert row.split()[:2] == ["convention", "imgcif"]
    assert f"{DISTRIBUTION} 1.0.0" in row
    assert Path(row.split()[-1]).parts[-2:] == ("openbragg_imgcif", "convention.py")


def test_its_flags_are_in_the_help(environment: Environment) -> None:
    words = environment.openbragg("simulate", "--help", "all").split()
    assert any(word.startswith("-imgcif") and "center" not in word for word in words)
    assert any(word.startswith("-imgcif_center") for word in words)


def test_its_image_is_that_of_its_vectors_given_one_by_one(environment: Environment) -> None:
    # The custom convention counts from the first corner, imgCIF from the middle of the first pixel: half a pixel.
    own = environment.image("-imgcif", "-Xbeam 5.25 -Ybeam 6.0")
    assert np.isfinite(own).all()
    assert (own > 0).all()
    vectors = environment.image(*SAME_VECTORS, "-Xbeam 5.5 -Ybeam 6.25 -pivot beam")
    # The two run the same sums from geometries that differ by rounding: 1e-6 of the peak, as single precision has it.
    assert np.abs(own - vectors).max() < 1e-6 * own.max()
    pixels = environment.image("-imgcif", "-imgcif_center 10.5 12")
    assert np.abs(own - pixels).max() < 1e-6 * own.max()
    mosflm = environment.image("-mosflm", "-Xbeam 6.0 -Ybeam 5.25")
    assert np.abs(own - mosflm).max() > 0.01 * own.max()


def test_a_value_that_breaks_its_rule_is_refused_as_a_built_in_one(environment: Environment) -> None:
    finished = environment.run("-c", COMMAND, "simulate", "-imgcif", "-imgcif_center", "5", "middle")
    assert finished.returncode == 2
    assert finished.stderr == ("openbragg: error: -imgcif_center: expected a finite number (pixels), got 'middle'\n")


@pytest.mark.parametrize("name", ["imgcif", DISTRIBUTION, "*"])
def test_it_can_be_blocked_by_name_by_distribution_and_with_all_others(environment: Environment, name: str) -> None:
    for conventions in (environment.plugins("--no-plugin", name), environment.plugins(OPENBRAGG_NO_PLUGINS=name)):
        assert "imgcif" not in conventions
        assert "mosflm" in conventions


def test_a_blocked_convention_has_no_flag(environment: Environment) -> None:
    finished = environment.run("-c", COMMAND, "simulate", "-imgcif", OPENBRAGG_NO_PLUGINS="*")
    assert finished.returncode == 2
    assert "-imgcif" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", [CONVENTION, COMMAND_PACKAGE])
def test_its_own_tests_pass_where_it_is_installed(environment: Environment, name: str) -> None:
    tests = environment.folder / "source" / name / "tests"
    finished = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tests), str(tests))
    assert finished.returncode == 0, finished.stdout


# --- the command


def test_a_command_is_listed_and_called_like_a_built_in_one(environment: Environment) -> None:
    assert ["powder", "Radial"] in [line.split()[:2] for line in environment.openbragg("--help").splitlines()]
    listed = json.loads(environment.openbragg("plugins", "--json"))
    (entry,) = [entry for entry in listed if entry["name"] == "powder"]
    assert (entry["role"], entry["distribution"]) == ("commands", COMMAND_DISTRIBUTION)
    assert entry["flags"] == ["-bins", "-against", "-table", "-plot"]
    flags = [part for word in MODEL for part in word.split()]
    rows = environment.openbragg("powder", *flags, "-bins", "4").splitlines()
    assert len(rows) == 5
    photons = environment.image()
    columns = np.array([[float(word) for word in row.split()] for row in rows[1:]])
    assert columns[:, 3].sum() == photons.size
    # Nine digits are printed.
    assert (columns[:, 2] * columns[:, 3]).sum() == pytest.approx(photons.sum(dtype=np.float64), rel=1e-6)


def test_a_command_takes_the_flags_of_another_third_partys_plugin(environment: Environment) -> None:
    flags = [part for word in MODEL for part in word.split()]
    mosflm, imgcif = (environment.openbragg("powder", *flags, *words) for words in ((), ("-imgcif",)))
    assert mosflm != imgcif


@pytest.mark.parametrize("name", ["powder", COMMAND_DISTRIBUTION, "*"])
def test_a_command_can_be_taken_away(environment: Environment, name: str) -> None:
    finished = environment.run("-c", COMMAND, "powder", "--no-plugin", name)
    assert finished.returncode != 0
    assert len(finished.stderr.splitlines()) == 1
    assert "powder" not in environment.openbragg("--help", "--no-plugin", name)
