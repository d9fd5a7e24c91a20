"""``openbragg completion``: what a shell offers when Tab is pressed, asked of the shells themselves."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys

import pytest

from command_line import run
from openbragg.cli.completing import answer_shell
from openbragg.cli.main import cli

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which ``openbragg`` is the program that is tested."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "openbragg"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m openbragg "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}


def offered(monkeypatch: pytest.MonkeyPatch, words: str) -> set[str]:
    """What bash is told for a line of words, the last of which is not finished."""
    for name, value in {
        "_OPENBRAGG_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }.items():
        monkeypatch.setenv(name, value)
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert answer_shell(cli) == 0
    out.seek(0)
    assert err.getvalue() == ""
    return set(filter(None, out.read().splitlines()))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("openbragg simu", {"simulate"}),
        ("openbragg simulate -mosaic_d", {"-mosaic_domains", "-mosaic_dom"}),
        ("openbragg simulate -cell 50 --close", {"--close-distance"}),
        ("openbragg simulate -detector pilatus-6", {"pilatus-6m"}),
        ("openbragg simulate -cell 50 -noise non", {"nonoise"}),
        ("openbragg simulate -engine e", {"eager"}),
        ("openbragg simulate -hkl a", {"file,a"}),
        ("openbragg simulate -floatfile ", {"file,"}),
        ("openbragg simulate -distance ", set()),
        ("openbragg completion f", {"fish"}),
    ],
)
def test_what_fits_is_offered(monkeypatch: pytest.MonkeyPatch, words: str, told: set[str]) -> None:
    assert offered(monkeypatch, words) == {word if "," in word else f"plain,{word}" for word in told}


def test_bash_completes_a_line(environment: dict[str, str]) -> None:
    script = """
        eval "$(openbragg completion bash)"
        complete -p openbragg
        COMP_WORDS=(openbragg simulate -detpixels_) COMP_CWORD=2
        _openbragg_completion openbragg
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    finished = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    first, *offers = finished.stdout.splitlines()
    assert "_openbragg_completion openbragg" in first
    assert {"-detpixels_s", "-detpixels_f", "-detpixels_x", "-detpixels_y"} == set(offers)


def test_fish_completes_a_line(environment: dict[str, str]) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish is installed")
    script = "openbragg completion fish | source; complete --do-complete 'openbragg simulate -detpixels_'"
    finished = subprocess.run(
        ["fish", "--no-config", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    offers = {line.split("\t")[0] for line in finished.stdout.splitlines()}
    assert {"-detpixels_s", "-detpixels_f", "-detpixels_x", "-detpixels_y"} == offers


def test_zsh_learns_the_function_and_is_told_flags(environment: dict[str, str]) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("no zsh is installed")
    # What the line editor would do with them is replaced by printing.
    script = """
        autoload -U compinit; compinit -u -D
        eval "$(openbragg completion zsh)"
        print -r -- $_comps[openbragg]
        _describe() { print -rl -- ${(P)3} }
        words=(openbragg simulate -detpixels_); CURRENT=3
        _openbragg_completion
    """
    finished = subprocess.run(["zsh", "-f", "-c", script], env=environment, capture_output=True, text=True, check=True)
    first, *offers = finished.stdout.splitlines()
    assert first == "_openbragg_completion"
    assert {"-detpixels_s", "-detpixels_f"} <= {line.split(":")[0] for line in offers}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed_for_each_shell(shell: str) -> None:
    finished = run("completion", shell)
    assert finished.status == 0
    assert f"{shell}_complete" in finished.out


def test_another_shell_is_refused() -> None:
    finished = run("completion", "tcsh")
    assert finished.status == 2
    assert "'bash', 'zsh', 'fish'" in finished.err


def test_an_unfinished_line_with_mistakes_is_answered_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "plain,-detpixels" in offered(monkeypatch, "openbragg simulate -nosuch 3 stray -detpixels")
