"""Runs of the version before open events: its events have no group and always a count. They are shown as before."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atom.config import RunConfig
from atom.config.loading import parse_config
from atom.config.renamed import find_renamed_key
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.preferences.importing import import_preferences
from atom.report.report_builder import build_report
from atom.report.run_tables import RunTables
from flows.services import check_services, find_old_prompts
from storage import EVALUATION as EVALUATION_TABLE
from storage import MOTIONS, PREFERENCES, PROMPTS, SCORES, Recipe, Store, TableSchema

EVALUATION = {"num_examples": 2, "bootstrap": 200, "metrics": None, "baselines": ()}
FIGURE = {"base": 3.0, "tuned": 3.5, "gain": 0.5, "gain_low": 0.1, "gain_high": 0.9, "n": 8, "verdict": "better"}
EVENT = pa.struct(
    [
        pa.field("action", pa.string(), False),
        pa.field("phrase", pa.string(), False),
        pa.field("count", pa.int8(), False),
    ]
)


def earlier(table):
    """The table as the version before wrote it."""
    kinds = {"events": pa.list_(EVENT)} if table.name in ("prompts", "preferences") else {}
    if table.name == "scores":
        verdict = table.schema.field("verdicts").type.value_type
        fields = [pa.field(f.name, f.type, f.name in ("start", "end")) for f in verdict]
        kinds = {"verdicts": pa.list_(pa.struct(fields))}
    fields = [pa.field(f.name, kinds.get(f.name, f.type), f.nullable, f.metadata) for f in table.schema]
    return TableSchema(table.name, table.version - 1, pa.schema(fields))


def write(store, record, name, table, rows):
    with store.write(Recipe(table.name, 1, table, config={"name": name})) as writer:
        writer.rows(rows)
    figures = dict.fromkeys(("reused", "failed", "quarantined", "tokens", "cost", "seconds"), 0)
    stage = {"name": name, "stored": table.name, "keys": [writer.ref.key], "key": writer.ref.key, "failures": []}
    record["stages"].append(stage | figures | {"shards": 1, "rows": len(rows)})


@pytest.fixture
def store(tmp_path):
    """A finished run with two motions of one prompt, in the earlier form."""
    store = Store(str(tmp_path / "store"))
    config = RunConfig.model_validate({"name": "old", "evaluation": EVALUATION, "on_policy": {"steps": 0}})
    baseline = {"overall": FIGURE, "exact_match": FIGURE, "tuned_over_baseline": FIGURE}
    record = {
        "config": config.model_dump(mode="json"),
        "state": "completed",
        "stages": [],
        "seconds": 3.0,
        "evaluation": {"kinematic": {"overall": FIGURE, "temporal": FIGURE, "baselines": {"cooler": baseline}}},
    }
    events = [{"action": "jump_up", "phrase": "jumps", "count": 2}, {"action": "bow", "phrase": "bows", "count": 1}]
    prompt = {"prompt_id": "p", "text": "someone jumps twice and bows", "task": "frequency", "events": events}
    prompt |= {"split": "test", "source": "grammar", "seed": 0, "rejected": None, "answer": None}
    write(store, record, "prompts", earlier(PROMPTS), [prompt])
    joints = make_motion([Event("jump_up", 2)], np.random.default_rng(0)).joints
    for arm, score in (("base", 2.0), ("tuned", 3.0)):
        motion = {"motion_id": arm, "prompt_id": "p", "sample": 0, "seed": 1, "tokens": [1, 2]}
        motion |= {"frames": len(joints), "joints": joints.ravel(), "stop_reason": "end"}
        write(store, record, f"test motions {arm}", MOTIONS, [motion])
        row = {"motion_id": arm, "prompt_id": "p", "task": "frequency", "judge": "kinematic", "vote": 0}
        row |= {"score": score, "exact": False, "rationale": "Missing: bow.", "model": None, "answers": []}
        row |= {"tokens": 0, "cost": 0.0, "latency": 0.0, "error": None}
        row["events"] = [{"action": "jump_up", "count": 2, "start": 0, "end": 20, "confidence": 1.0}]
        row["verdicts"] = [
            {"action": "jump_up", "count": 2, "found": True, "seen_count": 2, "start": 0, "end": 20},
            {"action": "bow", "count": 1, "found": False, "seen_count": 0, "start": None, "end": None},
        ]
        write(store, record, f"test scores {arm} kinematic", earlier(SCORES), [row])
    rows = [
        {"prompt_id": "p", "motion_id": arm, "task": "frequency", "arm": arm, "sample": 0, "seed": 1}
        | {"judge": "kinematic", "score": score, "exact": False, "frames": len(joints)}
        for arm, score in (("base", 2.0), ("tuned", 3.0))
    ]
    write(store, record, "evaluation", EVALUATION_TABLE, rows)
    pair = {"prompt_id": "p", "prompt": prompt["text"], "task": "frequency", "split": "train", "events": events}
    pair |= {"chosen_tokens": [1], "rejected_tokens": [2], "chosen_score": 3.0, "rejected_score": 2.0, "margin": 1.0}
    pair |= {"degree": "Better", "decided_by": "score", "chosen_motion_id": "tuned", "rejected_motion_id": "base"}
    write(store, record, "preferences", earlier(PREFERENCES), [pair])
    store.save_run("old", record)
    store.save_run("older", record)
    return store


def test_its_rows_and_figures_are_shown(atom, store):
    def run(*arguments):
        status, out, err = atom(*arguments, "--store", store.root)
        assert status == 0, err
        return out

    assert "completed" in run("runs", "list")
    shown = run("runs", "show", "old")
    assert "cooler" in shown and "+0.500" in shown and "did not judge" not in shown
    assert [row["gain"] for row in json.loads(run("show", "old", "--json"))] == [1.0]
    (row, _) = json.loads(run("show", "old", "--what", "scores", "--json"))
    assert row["seen"] == "jump_up x2" and row["rationale"] == "Missing: bow." and row["error"] is None
    assert "Missing: bow." in run("show", "old", "--what", "scores")
    assert len(json.loads(run("show", "old", "--what", "pairs", "--json"))) == 1
    assert json.loads(run("report", "judges", "old", "--json"))["coverage"][0]["scored"] == 2


def test_its_report_and_a_comparison_are_written_with_the_evidence(atom, store, tmp_path):
    report = build_report(RunTables(store, store.run("old")))
    base, tuned = report.examples[0].examples[0].sides
    assert [(row.action, row.asked, row.state) for row in base.evidence] == [
        ("jump_up", 2, "found"),
        ("bow", 1, "missing"),
    ]
    assert {row.group for row in tuned.evidence} == {None}
    assert [row.phrase for row in tuned.evidence] == ["jumps", "bows"]
    page = tmp_path / "c.html"
    status, _, err = atom("report", "compare", "old", "older", "-o", page, "--store", store.root)
    assert status == 0, err
    assert "+0.500" in page.read_text()


def test_a_run_with_renamed_keys_is_refused_in_one_line_that_names_what_still_reads_it(atom, store, tmp_path):
    record = store.run("old")
    record["config"]["imported"] = record["config"].pop("external")
    store.save_run("renamed", record)
    status, _, err = atom("report", "compare", "old", "renamed", "-o", tmp_path / "c.html", "--store", store.root)
    assert status == 2 and err.count("\n") == 1
    assert "'imported' is now 'external'" in err and "run it again" in err and "atom show" in err


def test_its_pairs_are_exported_and_read_back_with_no_group(atom, store, tmp_path):
    out = tmp_path / "pairs"
    status, _, err = atom("preferences", "export", "old", "--to", out, "--store", store.root)
    assert status == 0, err
    (row,) = import_preferences(out).rows
    assert [(event["count"], event["group"]) for event in row["events"]] == [(2, None), (1, None)]


def test_its_rows_are_compacted_together_with_those_of_this_version(atom, store):
    record = {"config": {}, "state": "completed", "stages": []}
    event = {"action": "hurl ball", "phrase": "hurls a ball", "count": None, "group": 0}
    prompt = {"prompt_id": "q", "text": "x", "task": "integrity", "events": [event, event], "split": "test"}
    prompt |= {"source": "captions", "seed": 0, "rejected": None, "answer": None}
    write(store, record, "prompts", PROMPTS, [prompt])
    store.save_run("new", record)
    status, out, err = atom("store", "compact", "prompts", "--store", store.root)
    assert status == 0, err
    assert "prompts" in out
    (part,) = Path(store.root, "compact", "prompts").glob("*.parquet")
    groups = {row["prompt_id"]: [event["group"] for event in row["events"]] for row in pq.read_table(part).to_pylist()}
    assert groups == {"p": [None, None], "q": [0, 0]}


def test_a_run_on_its_store_says_that_prompts_are_computed_again_and_only_once(store):
    (remark,) = find_old_prompts(store)
    assert f"of version {PROMPTS.version - 1} of their table" in remark and "\n" not in remark
    assert f"version {PROMPTS.version} has open events" in remark
    assert remark in check_services(RunConfig(), store)
    write(store, {"stages": []}, "new prompts", PROMPTS, [])
    assert find_old_prompts(store) == []


def test_a_new_store_has_no_remark(tmp_path):
    assert find_old_prompts(Store(str(tmp_path / "store"))) == []


def test_a_key_that_went_away_and_was_not_set_stands_in_no_ones_way(store):
    """Runs before `resources.trackers` recorded `resources.tensorboard: null`; one that was set says its new name."""
    record = store.run("latest")
    record["config"]["resources"]["tensorboard"] = None
    assert parse_config(record["config"]).resources.trackers == ()
    assert find_renamed_key(record["config"]) is None
    record["config"]["resources"]["tensorboard"] = "curves"
    with pytest.raises(AtomError, match=r"'resources\.tensorboard' is now"):
        parse_config(record["config"])
    assert "resources.trackers" in find_renamed_key(record["config"])
