"""Random command lines of ``openbragg simulate``, sensible and senseless ones, from the composed command itself."""

import tempfile
from contextlib import chdir
from functools import cache
from pathlib import Path

import attrs
import click
import numpy as np
from hypothesis import strategies as st

from command_line import SMALL, run, simulate_command
from openbragg.cli.compose import FlagOption
from openbragg.cli.reference_flags import BEGINNINGS
from openbragg.cli.registry import load_registry
from openbragg.options import OptionSpec
from openbragg.orchestrator.resolving.quirks import ALL, QUIRKS
from openbragg.roles import ROLES, Registry
from openbragg_tracers.traces.selection import SELECTED_AXES

Words = st.SearchStrategy[list[str]]

#: Files that lie in the working folder of every example: of each kind a flag may want, and of none.
_HEADER = "{\nHEADER_BYTES=  512;\nDIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\nSIZE1=6;\nSIZE2=5;\n"
_CAMERA = _HEADER + "PIXEL_SIZE=0.1;\nDISTANCE=90;\nWAVELENGTH=1.1;\nBEAM_CENTER_X=0.2;\nBEAM_CENTER_Y=0.3;\nPHI=3;\n"
_TABLE = "".join(f"{h} {k} {l} {20 + h + 2 * k}\n" for h in range(-2, 3) for k in range(-2, 3) for l in range(-2, 3))
_TEXTS = {
    "a.mat": "0.02 0.001 0\n0 0.025 0\n0.001 0 0.03\n",
    "a.hkl": _TABLE,
    "a.src": "-10 0 0.001 2 1.1e-10\n-10 0.003\n",
    "a.stol": "0 2.57\n0.1 2.5\n",
    "a.inp": "NX= 6 NY= 5 QX= 0.1 QY= 0.1 ORGX= 3 ORGY= 3\nDETECTOR_DISTANCE= 90 X-RAY_WAVELENGTH= 1.1\n",
    "turns.json": '{"rotations": [[[1,0,0],[0,1,0],[0,0,1]], [[0,-1,0],[1,0,0],[0,0,1]]], "weights": [1, 3]}',
    "empty": "",
    "words": "a file of some\nother kind\n",
}
#: What flags that read a file find there; every other such flag may get any of these files.
_KINDS = {
    "-mat": ["a.mat"],
    "-hkl": ["a.hkl"],
    "-sourcefile": ["a.src"],
    "-img": ["a.img"],
    "-mask": ["a.mask"],
    "-mosaic_rotations": ["turns.json"],
    "-geometry": ["a.inp"],
    "-stol": ["a.stol"],
    "-4stol": ["a.stol"],
    "-Q": ["a.stol"],
    "-dump": ["a.dump", "new.dump"],
    "-from": ["a.json"],
}
_NO_FILES = ["missing", "missing/file", ".", "loop", "/dev/null", "/dev/full", "a.mat/below", "a" * 300, "~"]
_OUTPUTS = [
    "out.expt",
    "out.refl",
    "out.csv",
    "out.bin",
    "out.img",
    "other.img",
    "third.pgm",
    "fourth.png",
    "link",
    "loop",
    "inner/out.img",
    "\udcff.bin",
]
#: Values that make a small experiment, by the flag's first spelling or its unit; of other numbers, any small ones.
_NUMBERS = {
    "-detsize": "0.1 0.3 0.95",
    "-pixel": "0.1 0.05 0.172",
    "-distance": "100 50 231.274",
    "-close_distance": "100 50 231.1",
    "-lambda": "1 0.9 2.5",
    "-energy": "12398.42 6000",
    "-fluence": "1e24 1e20 0",
    "-flux": "1e12 0",
    "-exposure": "0.1 2",
    "-beamsize": "0.1 0.00001",
    "-cell": "50 20.5 80",
    "-N": "1 2 3 5",
    "-N_offdiagonal": "-0.5 0 1",
    "-gauss_star_width": "0.002 0.01",
    "-mosaic_anisotropic": "0.05 0.3 2",
    "-xtalsize": "1e-5 3e-5 0",
    "-polar": "-1 -0.9 0 0.5 1",
    "-osc": "0 0.5 1",
    "-phistep": "0 0.5 1",
    "-dmin": "0 1.6 30",
    "-density": "1 1.2",
    "-png_percentile": "50 99.5 100",
    "-png_gamma": "0.5 1 2",
    "-images": "1 2 3",
    "-nxmx_block": "1 2",
    "-dead_time": "0 120 1e3",
    "-gain": "1 1.8",
    "-thick": "0 0.1",
    "-MW": "18 28",
    "-ice_width": "0.01 0.5",
    "deg": "-20.7 -1 0 0.3 5 90",
    "mrad": "0 1 2.5",
    "mm": "-1 0.05 0.3 0.6",
    "pixels": "0 1 2 5 11",
    "": "-1 0 0.3 1 2",
}
_LIKE = {
    "-detsize_s": "-detsize",
    "-detsize_f": "-detsize",
    "-Na": "-N",
    "-Nb": "-N",
    "-Nc": "-N",
    "-xtal_x": "-xtalsize",
    "-xtal_y": "-xtalsize",
    "-xtal_z": "-xtalsize",
}
#: Values that few flags can use. A count among them is beyond what a run may have; between the two lie runs that would
#: only take long.
_NASTY = [
    *("0 -0 -1 0.5 1.5 1e18 -1e18 1e300 -1e300 1e-300 1e-320 1e400 -1e400 nan NaN inf -inf Infinity random".split()),
    *("1_0 1,5 0x10 1e 1.2.3 --5 +5 - -- -N -nosuch --=1 9223372036854775807 9223372036854775808 %s".split()),
    "9" * 30,
    "9" * 5000,
    "",
    " ",
    "1 2 3",
    "two\nlines",
    "\x1b[2J",
    "\N{ARABIC-INDIC DIGIT THREE}",
    "\N{VULGAR FRACTION ONE HALF}",
    "\N{LATIN SMALL LETTER E WITH ACUTE}\N{SNOWMAN}",
    "\N{LINE SEPARATOR}",
    "\udcff",  # how Python shows a byte that is no letter
]
#: What a word of a command line may consist of: anything but a NUL and halves of letters.
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_JUNK = [["-nosuch"], ["stray"], ["-h"], ["--help"], ["--no-plugin", "pgm"], ["--no-plugin", "*"], ["--no-plugin"]]
_ENDINGS = ["", "s", "file", "_x", "ity", "\N{LATIN SMALL LETTER E WITH ACUTE}"]


@attrs.frozen
class Theme:
    """A part of the command's options, most of those that a command line draws."""

    number: int
    options: tuple[click.Option, ...] = attrs.field(repr=False)


def all_options() -> list[click.Option]:
    """Every option of the command, those of plugins included."""
    return [option for section in simulate_command().sections for option in section.options]


def themes(count: int) -> list[Theme]:
    """The options in so many parts."""
    options = all_options()
    return [Theme(number, tuple(options[number::count])) for number in range(count)]


def command_lines(theme: Theme) -> Words:
    """Words after ``openbragg simulate``: those of a small run, and among them options, most of them of a theme.

    Some of the words are nasty, and now and then one is missing.
    """
    others = _chance(12, _any_option(), _junk())
    extra = st.lists(_chance(7, st.one_of(*map(_option, theme.options)), others), max_size=6)
    return st.tuples(_small_run(), extra, st.integers(0, 6)).map(
        lambda drawn: [word for part in (*drawn[1][: drawn[2]], drawn[0], *drawn[1][drawn[2] :]) for word in part]
    )


@cache
def files() -> dict[str, bytes]:
    """The files of a working folder; made once."""
    counts = np.arange(30, dtype="<u2")
    made = {name: text.encode() for name, text in _TEXTS.items()}
    made["a.img"] = (_CAMERA + "}\n").encode().ljust(512) + counts.tobytes()
    made["a.mask"] = (_HEADER + "}\n").encode().ljust(512) + (counts % 3).astype("<u2").tobytes()
    made["a.dump"] = b"-1 1 -1 1 -1 1\n\f" + np.full((4, 4, 4), 7.0).tobytes()
    return made


def furnish(folder: Path) -> None:
    """Put the files into a folder."""
    for name, content in {**files(), "a.json": _record()}.items():
        (folder / name).write_bytes(content)
    (folder / "inner").mkdir()
    (folder / "link").symlink_to("out.bin")
    (folder / "loop").symlink_to("loop")


@cache
def _record() -> bytes:
    """The record of a small run."""
    with tempfile.TemporaryDirectory() as name, chdir(name):
        finished = run("simulate", *SMALL, "-floatfile", "out.bin", "-record", "a.json")
        assert finished.status == 0, finished.err
        return Path("a.json").read_bytes()


def _chance(parts: int, usual: st.SearchStrategy, other: st.SearchStrategy) -> st.SearchStrategy:
    """The other of two strategies once in so many times."""
    return st.sampled_from([False] * (parts - 1) + [True]).flatmap(lambda rare: other if rare else usual)


@cache
def _any_option() -> Words:
    return st.one_of(*map(_option, all_options()))


def _junk() -> Words:
    return st.sampled_from(_JUNK) | _TEXT.map(lambda text: [text]) | _TEXT.map(lambda text: ["-" + text])


def _small_run() -> Words:
    """A crystal, amplitudes and a detector of few pixels; now and then one of them is missing."""
    lines = (
        ["-cell 50", "-cell 50", "-mat a.mat", "-cell 50 60 70 80 95 100", ""],
        ["-default_F 100", "-hkl a.hkl", "-hkl a.hkl -default_F 5", "-default_F 100", "-default_F 100", ""],
        ["-detpixels 4", "-detpixels 7", "-detpixels_x 12 -detpixels_y 3", "-detsize 1"],
        ["-oversample 1", "-oversample 1", "-oversample 2", ""],
        ["-N 3", "-N 3", "-N 2", ""],
    )
    rare = (3, 3, 12, 6, 6)
    choices = [
        _chance(parts, st.sampled_from(line[:-1]), st.just(line[-1])) for parts, line in zip(rare, lines, strict=True)
    ]
    return st.tuples(*choices).map(lambda drawn: " ".join(drawn).split())


def _option(option: click.Option) -> Words:
    """A flag by one of its names, with its values."""
    begun = [beginning for beginning, flag in BEGINNINGS.items() if flag in option.opts]
    names = st.sampled_from(option.opts)
    if begun:
        other = st.tuples(st.sampled_from(begun), st.sampled_from(_ENDINGS)).map("".join)
        names = _chance(10, names, other)
    return st.tuples(names, _values(option), st.integers(0, 19)).map(lambda drawn: _written(*drawn))


def _written(name: str, values: list[str], way: int) -> list[str]:
    """A flag and its values in one of the ways to write them; in few cases values are missing."""
    if name.startswith("--") and values and way < 8:
        return [f"{name}={' '.join(values)}"]
    return [name, *(values[:-1] if way == 19 else values)]


def _values(option: click.Option) -> Words:
    """Values of a flag, each of them nasty now and then."""
    if not isinstance(option, FlagOption) or option.flag.constant is not None:
        return st.just([])
    spec, (fewest, most) = option.flag.spec, option.flag.length
    one = _chance(16, _sensible(option), st.sampled_from(_NASTY) | _TEXT)
    if spec.flags[:1] == ("-roi",):
        region = st.sampled_from(["0 3 0 3", "1 1 2 2", "0 100 0 100"]).map(str.split)
        return _chance(4, region, st.lists(one, min_size=4, max_size=4))
    if spec.words:
        whole = st.sampled_from(spec.words).map(lambda word: [word])
        return whole | st.lists(one, min_size=most, max_size=most)
    if spec.flags[:1] == ("-cell",):
        return st.sampled_from([1, 3]).flatmap(lambda count: st.lists(one, min_size=count, max_size=count))
    return st.lists(one, min_size=fewest, max_size=most)


def _sensible(option: FlagOption) -> st.SearchStrategy[str]:
    """A value that a small experiment may have."""
    flag, spec = option.flag, option.flag.spec
    name = flag.spellings[0]
    if name == "-engine":
        # Compiling takes half a minute.
        return st.sampled_from(["auto", "eager"])
    plugins = _names(name)
    if plugins:
        return st.sampled_from(plugins)
    if spec.rule is not None and spec.rule.words:
        return st.sampled_from(spec.rule.words)
    if spec.type not in (float, int):
        return _word(name, spec)
    if spec.type is int and not name.startswith("-detpixels"):
        return st.integers(0, 3).map(str)
    if name.startswith("-detpixels"):
        return st.integers(1, 12).map(str)
    known = _NUMBERS.get(name, _NUMBERS.get(_LIKE.get(name, flag.unit), _NUMBERS[""]))
    return st.sampled_from(known.split())


@cache
def _names(flag: str) -> list[str]:
    """Names of the plugins that a flag chooses from."""
    flags = {role.hook: role.flag for role in ROLES} | {"tracers": "-tracer"}
    return [found.name for found in _registry().found if flags[found.role.hook] == flag]


@cache
def _registry() -> Registry:
    return load_registry(())


def _word(name: str, spec: OptionSpec) -> st.SearchStrategy[str]:
    """A word: the name of a file, a quirk or anything else."""
    if name == "-compat":
        quirks = [quirk.name for quirk in QUIRKS]
        return st.sampled_from([ALL, *quirks]) | st.lists(st.sampled_from(quirks), max_size=3).map(",".join)
    if name == "-trace_select":
        axis, step = st.sampled_from([*SELECTED_AXES, "nosuch"]), st.sampled_from(["0", "1", "all", "9" * 5000, "-1"])
        return st.lists(st.tuples(axis, step).map("=".join), max_size=2).map(",".join)
    if name == "-device":
        return st.sampled_from(["cpu", "cpu", "cpu:0", "meta", "nosuch"])
    if spec.input or name in _KINDS:
        there = _KINDS.get(name, sorted(files()))
        return _chance(5, st.sampled_from(there), st.sampled_from([*sorted(files()), "a.json", *_NO_FILES]))
    if spec.output or spec.metavar == "FILE":
        return _chance(6, st.sampled_from(_OUTPUTS), st.sampled_from([*sorted(files()), *_NO_FILES]))
    return _TEXT
