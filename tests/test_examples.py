"""The examples run on the built-in defaults and write what they say."""

import json
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

from atom.generation.adapter_loading import CONFIG_FILE, read_provenance
from atom.preferences.importing import import_preferences
from storage import Store

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def run_example(tmp_path, monkeypatch, capsys):
    """`run_example(name, *arguments)` runs a script in this process, which has imported torch already, with a new
    folder as its first argument. Gives the folder and what it printed."""

    def run(name, *arguments):
        folder = tmp_path / "outputs"
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", str(folder), *arguments])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return folder, capsys.readouterr().out

    return run


def test_every_script_has_a_test_and_says_how_to_run_it():
    tested = Path(__file__).read_text()
    for script in EXAMPLES.glob("*.py"):
        assert f'run_example("{script.stem}"' in tested
        assert f"python examples/{script.name} [FOLDER]" in script.read_text()


def test_align_and_compare(run_example):
    smaller = ["prompts.train_per_task=3", "prompts.test_per_task=2", "tuning.max_steps=2", "evaluation.bootstrap=100"]
    folder, printed = run_example("align_and_compare", *smaller, "evaluation.num_examples=0")
    record = Store(str(folder / "store")).run("latest")
    assert record["state"] == "completed" and record["config"]["tuning"]["max_steps"] == 2
    assert {"kinematic", "learned"} <= set(printed.split()) and record["report"] in printed
    assert Path(record["report"]).is_file()
    assert (folder / "base_and_tuned.mp4").stat().st_size > 10_000


def test_other_generator_with_the_stand_in(run_example):
    folder, printed = run_example("other_generator", "--samples", "6")
    rows = import_preferences(folder / "preferences").rows
    assert rows and f"{len(rows)} pairs" in printed
    assert not any(row["chosen_tokens"] for row in rows)  # the stand-in's codes are not used, as others have none
    table = pd.read_parquet(folder / "preferences" / "data" / "train-00000.parquet")
    assert all(len(joints) % 66 == 0 and len(joints) for joints in table["chosen_joints"])
    assert all(row["margin"] >= 0.5 for row in rows)


def test_other_generator_with_motions_of_a_user(run_example, tmp_path):
    motions = tmp_path / "mine"
    run_example("other_generator", "--samples", "6")
    (tmp_path / "outputs" / "motions").rename(motions)
    rows = [json.loads(line) for line in (motions / "index.jsonl").read_text().splitlines()]
    rows = [{"text": row["text"], "file": row["file"]} for row in rows]  # what a set needs, and no more
    rows.append({"text": "the weather is fine", "file": rows[0]["file"]})
    (motions / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "outputs" / "preferences").rename(tmp_path / "first")
    folder, printed = run_example("other_generator", "--motions", str(motions))
    assert "25 motions, 24 scored, 1 texts without events" in printed
    pairs = [import_preferences(path).rows for path in (tmp_path / "first", folder / "preferences")]
    first, second = ({(row["prompt"], row["margin"]) for row in rows} for rows in pairs)
    assert first == second


def test_own_judge(run_example):
    folder, printed = run_example("own_judge", "--prompts", "2", "--steps", "2")
    gains = pd.read_csv(folder / "gains.csv").set_index(["judge", "figure"])
    steady, kinematic = (gains.loc[(judge, "overall"), "base"] for judge in ("steady feet", "kinematic"))
    assert 1 <= steady < kinematic <= 5  # it takes points off
    assert (folder / "adapter" / CONFIG_FILE).is_file() and "1 step(s)" in printed


def test_own_loss(run_example):
    folder, printed = run_example("own_loss", "--prompts", "2", "--steps", "2")
    named, own = (read_provenance(folder / name) for name in ("dpo", "dpo_positive"))
    assert named["tuning"]["loss_type"] == "dpo" and "loss" not in named
    assert own["loss"] == "dpo_positive"
    assert [line.split(":")[0] for line in printed.splitlines()] == ["dpo", "dpo_positive"]


def test_the_notebook_is_committed_without_outputs_and_compiles():
    notebook = json.loads((EXAMPLES / "walkthrough.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    for cell in cells:
        compile("".join(cell["source"]), cell["id"], "exec")
    makefile = (EXAMPLES.parent / "Makefile").read_text()
    assert "verify_notebook.py" in makefile  # which runs it; that takes a minute and a kernel


def test_the_page_lists_every_example():
    page = (EXAMPLES.parent / "docs" / "examples.md").read_text()
    assert [path.name for path in EXAMPLES.iterdir() if path.suffix and f"| `{path.name}` |" not in page] == []
