"""What stays unloaded until a model is rendered."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "gemmi", "PIL", "rich", "cattrs")


def loaded_after(statement: str) -> list[str]:
    """The heavy modules that are loaded after a statement, in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return finished.stderr.splitlines()[-1].split()


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--version",),
        ("plugins",),
        ("plugins", "--json"),
        ("simulate", "--help"),
        ("wilson", "--help"),
        ("noise", "--help"),
        ("compare-traces", "--help"),
        ("trace", "--help"),
        ("view", "--help"),
        ("cache",),
        ("cache", "--json"),
        ("convert", "--help"),
        ("compare", "--help"),
        ("detectors",),
        ("detectors", "--json"),
        ("dataset", "--help"),
        ("refine", "--help"),
    ],
    ids=" ".join,
)
def test_overviews_leave_the_heavy_libraries_unloaded(words: tuple[str, ...]) -> None:
    statement = f"from openbragg.cli.main import main\nassert main({list(words)!r}) == 0"
    assert loaded_after(statement) == []


def test_importing_the_package_leaves_the_heavy_libraries_unloaded() -> None:
    assert loaded_after("import openbragg\nassert openbragg.__version__\nopenbragg.Detector()") == []


def test_a_public_name_that_needs_torch_loads_it_when_used() -> None:
    assert "torch" in loaded_after("import openbragg\nopenbragg.simulate")


def test_a_finished_command_leaves_its_memory_to_the_system() -> None:
    # Half a second of taking torch apart, object by object, is saved.
    code = "import atexit, gc\natexit.register(lambda: print('kept', gc.get_freeze_count() > 0))\n"
    code += "from openbragg.cli.main import main\nmain()"
    finished = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "kept True"


def test_torch_is_loaded_without_looking_for_garbage_which_goes_on_afterwards() -> None:
    code = "import gc\nfrom openbragg.cli.loading import load_torch\nruns = []\n"
    code += "gc.callbacks.append(lambda *of_run: runs.append(of_run))\nload_torch()\n"
    code += "print(len(runs), gc.isenabled(), gc.get_freeze_count() > 100_000)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["0", "True", "True"]
