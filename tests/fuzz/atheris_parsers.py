"""One parser under atheris, which changes files until they reach new code.

    python tests/fuzz/atheris_parsers.py PARSER [--folder FOLDER] [ARGUMENTS OF LIBFUZZER]

PARSER is one of `corpora.parsers()`. The corpus grows in FOLDER/PARSER and a file that breaks the promise is left there
too; CONTRIBUTING.md says more.
"""

import argparse
import os
import sys
import tempfile
import tracemalloc
import zlib
from pathlib import Path
from random import Random

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["openbragg", "openbragg_plugins", "json", "PIL.PngImagePlugin"]):
    import corpora

#: Files are small so that many are tried; what large ones take is for tests/core/test_fuzz.py.
_LONGEST = 8192
#: Part of the changes that are those of libFuzzer alone.
_PLAIN = 0.5
#: Files in memory, where the system has such a place, open ten times as fast.
_MEMORY = Path("/dev/shm")
_DEFAULTS = ("-timeout=20", "-rss_limit_mb=2048", f"-max_len={_LONGEST}", "-len_control=20", "-print_final_stats=1")


def main() -> None:
    """Read the command line and try files until libFuzzer has enough."""
    arguments = argparse.ArgumentParser(description="Try one parser on many files.")
    arguments.add_argument("parser", choices=list(corpora.parsers()))
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "openbragg-fuzz")
    known, rest = arguments.parse_known_args()
    parser = corpora.parsers()[known.parser]
    folder = known.folder / known.parser
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    _sow(parser, corpus)
    _write_words(parser, folder / "words")

    # One file for each parser, for libFuzzer ends without cleaning up.
    path = (_MEMORY if _MEMORY.is_dir() else folder) / f"openbragg-fuzz-{known.parser}"
    _warm(parser, path)
    # Until the end, which libFuzzer makes.
    tracemalloc.start()

    def try_one(content: bytes) -> None:
        corpora.judge(parser, path, content)

    def mutate(content: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < _PLAIN:
            return atheris.Mutate(content, longest)
        if random.random() < _PLAIN:
            content = atheris.Mutate(content, longest)
        return parser.change(content, random)[:longest]

    # Files by name are only tried, not changed.
    files = [] if any(Path(word).is_file() for word in rest) else [str(corpus)]
    options = [*_DEFAULTS, f"-dict={folder / 'words'}", f"-artifact_prefix={folder}{os.sep}", *files, *rest]
    atheris.Setup([sys.argv[0], *options], try_one, custom_mutator=mutate)
    atheris.Fuzz()


def _sow(parser: corpora.Parser, corpus: Path) -> None:
    """Write what the tests begin with, too."""
    for group in (parser.good, parser.bad, parser.odd):
        for content in group.values():
            if len(content) <= _LONGEST:
                (corpus / f"seed-{zlib.crc32(content):08x}").write_bytes(content)


def _write_words(parser: corpora.Parser, file: Path) -> None:
    """A dictionary as libFuzzer reads it."""
    words = [word for word in (*parser.words, *corpora.WORDS) if 0 < len(word) <= 64]
    file.write_text("".join('"' + "".join(f"\\x{letter:02X}" for letter in word) + '"\n' for word in words))


def _warm(parser: corpora.Parser, path: Path) -> None:
    """Read and refuse once: what is imported for that is not counted."""
    for content in (*parser.good.values(), *parser.bad.values()):
        path.write_bytes(content)
        try:
            parser.read(path)
        except corpora.OpenBraggError:
            continue


if __name__ == "__main__":
    main()
