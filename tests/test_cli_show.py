"""`atom show`: a run in the terminal."""

import csv
import io
import json

import duckdb
import pytest
from small_run import RUN, SCRIPT, TEST, small_run
from typer import Typer
from typer.testing import CliRunner

from atom.commands.show import show
from atom.errors import AtomError

app = Typer()
app.command()(show)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("store")).root


def call(store, *arguments):
    return CliRunner().invoke(app, [RUN, "--store", store, *map(str, arguments)], env={"COLUMNS": "100"})


def rows(store, *arguments):
    return json.loads(call(store, *arguments, "--json").stdout)


def refused(store, *arguments):
    error = call(store, *arguments).exception
    assert isinstance(error, AtomError)
    return str(error)


def test_the_overview_has_base_and_tuned_of_each_prompt_the_largest_loss_first(store):
    found = rows(store)
    assert [row["prompt_id"] for row in found] == [*(f"p{n}" for n in reversed(TEST)), "t0", "t1"]
    assert found[0] == {
        "prompt_id": "p6",
        "task": "frequency",
        "split": "test",
        "prompt": "a person jumps twice, way 6",
        "base": 4.0,
        "tuned": 3.5,
        "gain": -0.5,
        "base_exact": 1.0,
        "tuned_exact": 1.0,
        "candidates": None,
    }
    assert found[-1]["candidates"] == 2.0 and found[-1]["tuned"] is None
    out = call(store).stdout
    assert "-0.50" in out and f"9 prompts of run {RUN}" in out and SCRIPT in out


def test_motions_can_be_filtered_sorted_and_limited(store):
    assert [row["motion_id"] for row in rows(store, "--what", "motions", "--arm", "base", "--max", "3")] == [
        "base0",
        "base1",
        "base2",
    ]
    both = rows(store, "--what", "motions", "--prompt", "WAY 4", "--sort", "-score")
    assert [row["motion_id"] for row in both] == ["base4", "tuned4"] and both[0]["exact"] is True
    assert len(rows(store, "--what", "motions", "--split", "train", "--limit", "2")) == 2
    assert rows(store, "--prompt", "nothing of this kind") == []
    assert "2 of 7 motions" in call(store, "--what", "motions", "--arm", "base", "--limit", "2").stdout


def test_scores_show_the_detected_events(store):
    found = rows(store, "--what", "scores", "--judge", "learned", "--min", "4")
    (row,) = found
    assert (row["motion_id"], row["arm"], row["judge"], row["seen"]) == ("base6", "base", "learned", "jump_up x2")
    assert "All of it happens." in call(store, "--what", "scores").stdout


def test_pairs_have_the_widest_margin_first(store):
    found = rows(store, "--what", "pairs")
    assert (found[0]["chosen_motion_id"], found[0]["rejected_motion_id"]) == ("t1-2", "t1-0")
    assert [row["margin"] for row in found] == [2.0, 1.0, 1.0]
    assert "t0-2\n" not in call(store, "--what", "pairs", "--task", "frequency", "--limit", "1").stdout


def test_what_does_not_fit_is_refused_with_what_does(store):
    assert "pairs have no arm" in refused(store, "--what", "pairs", "--arm", "base")
    assert "it has base, candidate, tuned" in refused(store, "--what", "motions", "--arm", "other")
    assert "it has kinematic, learned" in refused(store, "--judge", "vision")
    assert "choose prompt_id, task" in refused(store, "--sort", "colour")
    assert "contradict each other" in refused(store, "--json", "--csv")
    assert "name one with --open" in refused(store, "--no-browser")


def test_any_table_can_be_queried_with_sql(store, tmp_path):
    out = call(store, "--what", "scores", "--csv").stdout
    assert len(list(csv.DictReader(io.StringIO(out)))) == 34
    (tmp_path / "scores.csv").write_text(out)
    query = f"select judge, avg(score) from read_csv('{tmp_path}/scores.csv') group by all order by all"
    assert [judge for judge, _ in duckdb.execute(query).fetchall()] == ["kinematic", "learned"]


def test_a_motion_opens_in_the_browser(store, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    page = tmp_path / "page.html"
    answer = call(store, "--open", "base3", "--open", "t1-0", "-o", page)
    assert answer.stdout.strip() == str(page) and opened == [page.as_uri()]
    text = page.read_text()
    assert "3.2 of 5, base3" in text and "candidate" in text and SCRIPT not in text and "&lt;script&gt;" in text
    answer = call(store, "--open", "base3", "--no-browser")
    assert len(opened) == 1 and answer.stdout.strip().endswith("motion.html")
    assert "has no motion '../../etc'" in refused(store, "--open", "../../etc")
    assert "can't be written" in refused(store, "--open", "base3", "-o", tmp_path / "absent" / "page.html")
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    assert "no browser could be opened" in refused(store, "--open", "base3", "-o", page)


def test_it_is_a_command_of_atom(store, atom):
    assert atom("show", RUN, "--store", store, "--limit", "1")[0] == 0
    status, _, error = atom("show", "--store", store, "--what", "pairs", "--arm", "base")
    assert status == 2 and error.startswith("atom: pairs have no arm")


@pytest.mark.parametrize(
    ("what", "columns"),
    [
        ("prompts", "prompt_id,task,split,prompt,base,tuned,gain,base_exact,tuned_exact,candidates"),
        ("motions", "motion_id,prompt_id,task,split,arm,sample,seed,frames,score,exact,prompt"),
        ("scores", "motion_id,prompt_id,task,split,arm,judge,score,exact,seen,rationale,error,cost,prompt"),
        (
            "pairs",
            "prompt_id,task,split,chosen_score,rejected_score,margin,degree,decided_by,chosen_motion_id,"
            "rejected_motion_id,prompt",
        ),
    ],
)
def test_the_columns_of_each_table(store, what, columns):
    assert call(store, "--what", what, "--csv").stdout.splitlines()[0] == columns


def test_a_terminal_shows_thirty_rows_and_a_file_all(store):
    assert "30 of 34 scores" in call(store, "--what", "scores").stdout
    assert "31 of 34 scores" in call(store, "--what", "scores", "--limit", 31).stdout
    assert len(rows(store, "--what", "scores")) == 34
