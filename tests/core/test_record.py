"""The record of a run has all that went in and came out, and keeps to its schema."""

import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

import openbragg
from command_line import SMALL, run
from openbragg import read_image
from openbragg.orchestrator.reading.strict_json import layout
from openbragg.orchestrator.records.record_schema import record_schema
from records import RUNS, TABLE, WITH_FILES, done, notices, recorded, refused, sha256

pytestmark = pytest.mark.usefixtures("inputs")

DOCS = Path(__file__).parents[2] / "docs"


def test_a_record_has_the_run_and_all_that_went_in_and_came_out(inputs: Path) -> None:
    words = (*WITH_FILES, "-seed", "7", "-osc", "1", "-floatfile", "a.bin", "-noisefile", "a.img")
    record = recorded(*words)
    assert record["arguments"] == list(words)
    assert record["folder"] == str(inputs)
    assert record["openbragg"] == openbragg.__version__
    assert record["seeds"] == {"noise": 7, "mosaic": 12345678, "misset": None}
    assert [(file["flag"], file["path"], file["absolute"]) for file in record["inputs"]] == [
        ("-mat", "a.mat", str(inputs / "a.mat")),
        ("-hkl", "a.hkl", str(inputs / "a.hkl")),
    ]
    assert [(file["flag"], file["path"], file["format"], file["content"]) for file in record["outputs"]] == [
        ("-floatfile", "a.bin", "raw", "photons"),
        ("-noisefile", "a.img", "smv", "counts"),
    ]
    for file in (*record["inputs"], *record["outputs"]):
        assert file["sha256"] == sha256(file["path"])
        assert file["bytes"] == Path(file["path"]).stat().st_size
    roles = ["mosflm", "hkl", "square", "nanobragg", "none", "single", "dispersion", "poisson"]
    assert [plugin["name"] for plugin in record["plugins"]] == [*roles, "raw", "smv"]
    assert {plugin["distribution"] for plugin in record["plugins"]} == {"openbragg"}
    assert record["plugins"][1]["options"]["file"] == "a.hkl"
    assert record["machine"]["torch"] == torch.__version__
    assert record["machine"]["numpy"] == np.__version__
    assert record["machine"]["threads"] == torch.get_num_threads()
    assert (record["precision"], record["device"], record["quirks"]) == ("auto", "cpu", [])
    (carryover,) = record["notices"]
    assert carryover.startswith("phi-carryover")


def test_the_experiment_of_a_record_is_resolved() -> None:
    crystal, scan, sampling = (
        recorded(*SMALL, "-xtal_x", "0.0001", "-osc", "1", "-mosaic", "1", "-misset", "random", "-misset_seed", "5")[
            "experiment"
        ][part]
        for part in ("crystal", "scan", "sampling")
    )
    assert crystal["cells"] == [20, 3.0, 3.0]
    assert crystal["mosaic_domains"] == 10
    assert len(crystal["misset"]) == 3
    assert (scan["steps"], scan["step"]) == (2, scan["range"] / 2)
    assert sampling["region"] == [0, 3, 0, 3]
    assert sampling["oversample"] >= 1
    assert sampling["seed"] is not None


def test_quirks_precision_and_options_of_plugins_are_written_down() -> None:
    record = recorded(
        *SMALL, "--compat", "pivot-ignored,last-layer", "-precision", "double", "-beam_vector", "1", "0.1", "0"
    )
    assert record["quirks"] == ["last-layer", "pivot-ignored"]
    assert record["precision"] == "double"
    custom = record["plugins"][0]
    assert (custom["role"], custom["name"]) == ("geometry_conventions", "custom")
    assert custom["options"]["beam"] == [1.0, 0.1, 0.0]


def test_traces_and_their_tracers_are_written_down() -> None:
    record = recorded(*SMALL, "-trace_pixel", "1", "2", "-trace_log", "a.log", "-floatfile", "a.bin")
    assert [plugin["role"] for plugin in record["plugins"]].count("tracers") >= 2
    (trace,) = (file for file in record["outputs"] if file["content"] == "trace")
    assert (trace["flag"], trace["format"], trace["sha256"]) == ("-trace_log", "traces", sha256("a.log"))
    (traces,) = (plugin["options"] for plugin in record["plugins"] if plugin["name"] == "traces")
    assert (traces["pixel"], traces["log"]) == ([[1, 2]], "a.log")


def test_a_trace_alone_repeats_a_run_but_records_none() -> None:
    recorded(*SMALL, "-nonoise")
    finished = run("trace", "--from", "run.json", "-trace_pixel", "1", "2")
    assert finished.status == 0
    assert finished.out == run("trace", *SMALL, "-trace_pixel", "1", "2").out
    refused_trace = run("trace", *SMALL, "-trace_pixel", "1", "2", "--record", "trace.json")
    assert refused_trace.status == 2
    assert "-record" in refused_trace.err
    assert not Path("trace.json").exists()


def test_seeds_from_the_clock_end_the_arguments() -> None:
    record = recorded(*SMALL, "-misset", "random")
    seeds = record["seeds"]
    last = ["-seed", str(seeds["noise"]), "-misset_seed", str(seeds["misset"])]
    assert record["arguments"][-4:] == last
    assert (record["experiment"]["sampling"]["seed"], record["experiment"]["crystal"]["misset_seed"]) == (
        seeds["noise"],
        seeds["misset"],
    )


def test_a_seed_that_nothing_was_drawn_with_is_no_seed() -> None:
    record = recorded(*SMALL, "-nonoise")
    assert record["seeds"]["noise"] is None
    assert "-seed" not in record["arguments"]


def test_flags_are_written_in_their_first_spelling_and_values_apart() -> None:
    record = recorded(*SMALL, "--distance=90", "-wavelength", "1.1", "--cell=50 60 70", "-nonoise")
    assert record["arguments"][-8:] == ["-distance", "90", "-lambda", "1.1", "-cell", "50", "60", "70", "-nonoise"][-8:]


def test_the_record_is_reported_and_leaves_the_rest_as_it_was() -> None:
    plain = done(*SMALL, "-floatfile", "a.bin")
    finished = done(*SMALL, "-floatfile", "a.bin", "-record", "run.json")
    assert finished.out == plain.out + "wrote           run.json (record)\n"
    assert finished.err == plain.err


@pytest.mark.parametrize("name", ["missing/run.json", ".", "a.bin"])
def test_a_record_that_cannot_be_written_is_refused_before_the_render(name: str) -> None:
    line = refused(*SMALL, "-floatfile", "a.bin", "--record", name, status=2 if name == "a.bin" else 1)
    assert name in line


def test_what_is_not_a_regular_file_has_no_hash(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(TABLE), daemon=True)
    writer.start()
    record = recorded("-cell", "50", "-detpixels", "4", "-hkl", pipe, "-floatfile", "/dev/null")
    writer.join(timeout=10)
    assert record["inputs"] == [
        {"flag": "-hkl", "path": str(pipe), "absolute": str(pipe), "sha256": None, "bytes": None}
    ]
    assert (record["outputs"][0]["sha256"], record["outputs"][0]["bytes"]) == (None, None)


def test_a_file_that_the_run_itself_writes_is_no_input() -> None:
    Path("kept.bin").write_text("from before")
    record = recorded(*WITH_FILES, "-dump", "kept.bin", "-floatfile", "a.bin")
    assert [file["flag"] for file in record["inputs"]] == ["-mat", "-hkl"]
    (notice,) = notices(done("--from", "run.json"))
    assert notice == "-dump kept.bin cannot be checked: run.json has no hash of it"


def test_the_document_reads_a_record_as_shown() -> None:
    recorded(*SMALL, "-noisefile", "a.img", "-adc", "0")
    (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / "record.md").read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    assert (names["counts"].numpy() == read_image("a.img").pixels).all()


def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((DOCS / "reference" / "record.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_in_the_documents_is_that_of_the_program() -> None:
    """To mend it: python -m openbragg.orchestrator.records.record_schema > docs/reference/record.schema.json"""
    assert (DOCS / "reference" / "record.schema.json").read_text() == layout(record_schema()) + "\n"


@pytest.mark.parametrize("words", RUNS)
def test_records_keep_to_the_schema(words: str) -> None:
    done(*SMALL, "-noisefile", "noise.img", "-seed", "1")
    validator().validate(recorded(*SMALL, *words.split()))


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("seeds"),
        lambda record: record.update(schema=2),
        lambda record: record.update(format="something"),
        lambda record: record.update(weather="fine"),
        lambda record: record.update(arguments="-cell 50"),
        lambda record: record["experiment"]["beam"].pop("wavelength"),
        lambda record: record["experiment"]["beam"].update(wavelength=-1),
        lambda record: record["experiment"]["beam"].update(wavelength=None),
        lambda record: record["experiment"]["beam"].update(divergence_range=[1]),
        lambda record: record["experiment"]["detector"].update(pivot="corner"),
        lambda record: record["experiment"]["detector"].update(colour="red"),
        lambda record: record["experiment"]["crystal"].update(mosaic_seed=1.5),
        lambda record: record["inputs"][0].update(sha256="abc"),
        lambda record: record["outputs"][0].update(bytes=-1),
        lambda record: record["plugins"][0].pop("version"),
        lambda record: record["machine"].update(threads="2"),
    ],
)
def test_the_schema_refuses_what_is_no_record(change: Callable[[Any], None]) -> None:
    record = recorded(*WITH_FILES, "-floatfile", "a.bin")
    validator().validate(record)
    change(record)
    assert not validator().is_valid(record)
