"""`atom preferences`: `export` writes the pairs of a run, and `check` reports what a folder contains."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from atom.commands.preferences import preferences_app
from atom.config import RunConfig
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.preferences.importing import import_preferences
from atom.preferences.labels import read_labels
from storage import MOTIONS, PREFERENCES, Recipe, Store, StoreError


def call(*arguments):
    return CliRunner().invoke(preferences_app, [*map(str, arguments)], env={"COLUMNS": "200"})


def pair(name, **changes):
    return {
        "prompt_id": "p",
        "prompt": "a person jumps",
        "task": "frequency",
        "split": "train",
        "events": [],
        "chosen_tokens": [1, 2],
        "rejected_tokens": [3],
        "chosen_score": 5.0,
        "rejected_score": 3.0,
        "margin": 2.0,
        "degree": "Much better",
        "decided_by": "score",
        "chosen_motion_id": f"{name}-0",
        "rejected_motion_id": f"{name}-1",
    } | changes


def motion(name, joints):
    return {
        "motion_id": name,
        "prompt_id": "p",
        "sample": 0,
        "seed": 0,
        "tokens": [1],
        "frames": len(joints),
        "joints": joints,
        "stop_reason": "end",
    }


@pytest.fixture
def store(tmp_path):
    """A run of two rounds, with the pairs of a baseline between them."""
    store = Store(str(tmp_path / "store"))
    joints = make_motion([Event("jump_up")], np.random.default_rng(0)).joints[:20]

    def write(name, table, rows):
        with store.write(Recipe(name.split()[0], 1, table, config=name)) as writer:
            writer.rows(rows)
        return {"name": name, "keys": [writer.ref.key]}

    stages = [{"name": "prompts", "keys": ["0" * 64]}]
    for name in ("", " round 2", " sft", " sft round 2"):
        rows = [pair(f"m{name}"), pair(f"m{name}", task=None, degree="Better")]
        motions = [motion(f"m{name}-{i}", joints) for i in range(3)]
        stages += [write(f"motions{name}", MOTIONS, motions), write(f"preferences{name}", PREFERENCES, rows)]
    config = RunConfig().model_dump(mode="json")
    config["generation"]["checkpoint"] = "/home/someone/secret-project/generator"
    store.save_run("first", {"config": config, "state": "completed", "stages": stages})
    return store


def ids(folder):
    return [row["chosen_motion_id"] for row in import_preferences(folder).rows]


@pytest.mark.parametrize(
    ("options", "rounds"),
    [([], ["m round 2"]), (["--round", 1], ["m"]), (["--all"], ["m", "m round 2"])],
)
def test_the_pairs_of_a_round_are_exported(store, tmp_path, options, rounds):
    result = call("export", "first", "--store", store.root, "--to", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert ids(tmp_path / "out") == [f"{name}-0" for name in rounds for _ in range(2)]
    assert f"{2 * len(rounds)} pairs" in result.output and "run first" in result.output
    card = (tmp_path / "out/README.md").read_text()
    assert "| generator | generator |" in card and "secret-project" not in card


@pytest.mark.parametrize("form", ["atom", "datasets", "trl"])
def test_every_form_is_checked_without_complaint(store, tmp_path, form):
    motions = ["--motions"] if form != "trl" else []
    exported = call("export", "--store", store.root, "--to", tmp_path / "out", "--form", form, *motions)
    assert ("tunes no encoder-decoder" in exported.output) == (form == "trl")
    result = call("check", tmp_path / "out")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert ["task", "frequency", "not", "told"] in lines and ["Much", "better", "1", "0"] in lines
    assert "2 decided by score" in result.output
    if form == "atom":
        place = 1 + read_labels(tmp_path / "out").pairs[0].line["atom"]["motion_ids"].index("m round 2-1")
        assert np.load(tmp_path / f"out/arrays/0_{place}.npy").shape == (20, 22, 3)
        assert np.load(tmp_path / f"out/features/0_{place}.npy").shape == (19, 263)


def test_check_reports_what_is_wrong_with_status_1(store, tmp_path):
    call("export", "--store", store.root, "--to", tmp_path / "out", "--form", "trl")
    path = tmp_path / "out/train.jsonl"
    bad = json.dumps(json.loads(path.read_text().splitlines()[0]) | {"task": "[/red]"})
    path.write_text(path.read_text() + bad + "\n")
    result = call("check", tmp_path / "out")
    assert result.exit_code == 1 and "line 3" in result.output and "unknown task '[/red]'" in result.output
    assert "1 rows can't be used" in result.output


def test_check_shows_the_split_of_atoms_loader(shared, tmp_path):
    folder = shared / "parity/preference_labels/data"
    result = call("check", folder, "--atom-seed", 2222)
    assert result.exit_code == 0, result.output
    assert "10 pairs" in result.output and "2 skipped" in result.output
    assert "6 rows to train on and 1 to evaluate on, from 9 and 1" in result.output


def test_a_mistake_is_one_line_with_cause_and_remedy(store, tmp_path):
    store.save_run("second", {"config": RunConfig().model_dump(mode="json"), "state": "failed", "stages": []})
    with store.write(Recipe("preferences", 2, MOTIONS)) as writer:
        writer.rows([])
    stage = {"name": "preferences", "keys": [writer.ref.key]}
    store.save_run("old", {"config": RunConfig().model_dump(mode="json"), "state": "completed", "stages": [stage]})
    at = ["--store", store.root, "--to", tmp_path / "out"]
    for arguments, kind, words in (
        (["export", "second", *at], AtomError, "run second (failed) has no preferences"),
        (["export", "first", *at, "--round", 3], AtomError, "no round 3, it has 1, 2"),
        (["export", "first", *at, "--round", 1, "--all"], AtomError, "contradict"),
        (["export", "old", *at], AtomError, "another version of atom"),
        (["export", "third", *at], StoreError, "no run 'third'"),
        (["export", "--store", tmp_path / "no", "--to", tmp_path / "out"], StoreError, "no store at"),
        (["check", tmp_path / "none"], AtomError, "not a folder"),
    ):
        result = call(*arguments)
        assert isinstance(result.exception, kind), (arguments, result.output)
        assert words in str(result.exception) and "\n" not in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_run_whose_motions_are_gone_is_exported_without_them(store, tmp_path):
    record = store.run("first")
    record["stages"] = [stage for stage in record["stages"] if not stage["name"].startswith("motions")]
    store.save_run("first", record)
    result = call("export", "--store", store.root, "--to", tmp_path / "out", "--motions")
    assert isinstance(result.exception, AtomError) and "export without --motions" in str(result.exception)
    assert call("export", "--store", store.root, "--to", tmp_path / "out").exit_code == 0
