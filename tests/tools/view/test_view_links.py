"""A file from a stranger makes ``openbragg view`` show nothing that lies elsewhere, unless that is asked for."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from command_line import run
from openbragg_tools.view.packing import Packed, unpack

SECRET = b"daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"


def test_the_bytes_of_another_file_are_shown_on_request_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    secret = tmp_path / "passwd"
    secret.write_bytes(SECRET)
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("entry/data/data", (1, 6, 8), "u1", external=[(str(secret), 0, 48)])
    finished = run("view", "a.h5")
    assert finished.status == 1
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: a.h5: its numbers are the bytes of another file, ")
    assert line.endswith("; --follow-links reads them all the same")
    assert not Path("a.html").exists()
    assert run("view", "a.h5", "--follow-links").status == 0
    text = Path("a.html").read_text(encoding="utf-8")
    (about,) = re.findall(r'<script type="application/json" id="about">(.*?)</script>', text)
    (packed,) = re.findall(r'<script type="text/plain" id="pixels-0">(.*?)</script>', text)
    kind = json.loads(about)["images"][0]["type"]
    assert unpack(Packed(type=kind, text=packed)).astype(np.uint8).tobytes() == SECRET


def test_an_image_in_another_folder_is_shown_on_request_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["entry/data/data"] = np.ones((1, 2, 3), dtype=np.uint16)
    with h5py.File("a.h5", "w") as file:
        file["entry/data/data_000001"] = h5py.ExternalLink("../b.h5", "/entry/data/data")
    finished = run("view", "a.h5")
    assert finished.status == 1 and not Path("a.html").exists()
    assert "it leads to" in finished.err and "--follow-links" in finished.err
    assert run("view", "a.h5", "--follow-links").status == 0
    assert Path("a.html").exists()
