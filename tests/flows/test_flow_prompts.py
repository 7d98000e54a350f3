"""The stage `prompts` with captions, and with a language model that words a dataset's own events."""

import json
from collections import Counter
from itertools import product

import pytest
from flow_runs import SMALL

from atom.config import load_config
from atom.errors import AtomError
from atom.events import is_known
from atom.mock_service import MockServiceSettings, MotionIndex, run_in_thread
from atom.prompts.reading import read_text
from flows.pipeline import align
from flows.services import check_services
from flows.stages.prompts import make_prompts
from storage import Store

ACTS = ("hurls a ball", "bows", "juggles", "does a cartwheel", "kicks a wall", "stirs a pot", "skips", "salutes")
SENTENCES = [f"a man {act}" for act in ACTS] + [
    f"someone {first} {joint} {second}" for first, second in product(ACTS, ACTS) if first != second
    for joint in ("and then",)
]  # fmt: skip
SENTENCES += [f"a woman {act} {times}" for act in ACTS for times in ("twice", "three times", "four times")]
CAPTIONS = ["prompts.writer=captions", "prompts.train_per_task=3", "prompts.test_per_task=1"]


def rows_of(root, ref=None):
    store = Store(str(root))
    refs = [ref] if ref else [store.find("prompts", key) for key in store.keys("prompts")]
    return [row for each in refs for row in store.read(each).to_pylist()]


@pytest.fixture
def captions(tmp_path):
    path = tmp_path / "captions.jsonl"
    splits = ("train", "train", "test")
    rows = [{"text": text, "split": splits[number % 3]} for number, text in enumerate(SENTENCES)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *rows[:2], {"text": "a red table"}, {"text": 1}]))
    return path


def test_captions_become_prompts_and_the_others_stay_with_their_reason(captions, tmp_path):
    config = load_config(overrides=[*CAPTIONS, f"prompts.captions={captions}"])
    made = make_prompts(str(tmp_path / "store"), config)
    rows = rows_of(tmp_path / "store")
    used = [row for row in rows if row["rejected"] is None]
    assert Counter((row["split"], row["task"]) for row in used) == {
        (split, task): number
        for split, number in (("train", 3), ("test", 1))
        for task in ("integrity", "temporal", "frequency")
    }
    assert {row["source"] for row in rows} == {"captions"}
    assert all(row["events"] == [event.to_dict() for event in read_text(row["text"]).events] for row in used)
    reasons = Counter(row["rejected"].partition(": ")[2].partition(" ")[0] for row in rows if row["rejected"])
    assert reasons["the"] >= 3 and reasons["can't"] == 1
    stats = Store(str(tmp_path / "store")).manifest("prompts", made.artifact.key).stats
    assert stats["quarantined"] == len(rows) - len(used)
    assert len(rows) + stats["not_drawn"] + stats["validation"] == len(SENTENCES) + 4
    assert stats["cost"] == 0


def test_the_key_is_that_of_the_texts_and_of_the_reader(captions, tmp_path, monkeypatch):
    def make(path, *overrides):
        config = load_config(overrides=[*CAPTIONS, f"prompts.captions={path}", *overrides])
        return make_prompts(str(tmp_path / "store"), config)

    first = make(captions)
    moved = captions.rename(tmp_path / "elsewhere.jsonl")
    again = make(moved)
    assert again.reused and again.artifact == first.artifact
    assert make(moved, "seed=5").artifact != first.artifact
    moved.write_text(moved.read_text() + '{"text": "a man yawns"}\n')
    longer = make(moved)
    assert not longer.reused
    monkeypatch.setattr("flows.stages.prompts.READER_VERSION", 99)
    assert make(moved).artifact not in (first.artifact, longer.artifact)


def test_captions_do_not_change_the_keys_of_other_prompts(tmp_path):
    made = make_prompts(str(tmp_path), load_config(overrides=["prompts.train_per_task=2", "prompts.test_per_task=1"]))
    settings = Store(str(tmp_path)).manifest("prompts", made.artifact.key).recipe["config"]
    assert set(settings) == {"seeds", "tasks", "train_per_task", "test_per_task", "max_events", "max_count"}


def test_what_is_wrong_with_the_captions_is_said_before_any_work(tmp_path):
    config = load_config(overrides=["prompts.writer=captions", "prompts.captions=/nowhere"])
    with pytest.raises(AtomError, match=r"no file or folder /nowhere .*check prompts\.captions"):
        check_services(config, Store(str(tmp_path)))


def test_one_line_says_what_the_seed_texts_hold(tmp_path):
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("he bows\nhe juggles\nhe claps and juggles\nhe hurls a ball\n...\n")
    for writer, use in (("grammar", "left out by the grammar"), ("llm", "used too")):
        config = load_config(overrides=[f"prompts.seeds={seeds}", f"prompts.writer={writer}"])
        config = config.model_copy(update={"service": config.service.model_copy(update={"base_url": "http://x"})})
        remarks = [line for line in check_services(config, Store(str(tmp_path))) if "seed texts" in line]
        assert remarks == [
            f"2 of 5 seed texts hold known actions, 3 hold open ones ({use}), most often 'juggle' (2), 'hurl ball' (1)"
        ]


@pytest.fixture
def service():
    with run_in_thread(MockServiceSettings(noise=0.2), MotionIndex()) as running:
        yield [
            f"service.base_url={running.address}",
            "service.requests_per_minute=60000",
            "prompts.llm.model=mock",
            "prompts.reader_model=mock",
        ]


def test_a_language_model_words_the_events_of_the_seed_texts(server, service, tmp_path):
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("\n".join(SENTENCES))
    overrides = [*SMALL, *service, "prompts.writer=llm", f"prompts.seeds={seeds}", "prompts.train_per_task=8"]
    config = load_config(overrides=[*overrides, "prompts.test_per_task=2", "prompts.llm.min_accepted_fraction=0.5"])
    root = tmp_path / "store"
    align(config, str(root), until="prompts")
    rows = rows_of(root)
    used = [row for row in rows if row["rejected"] is None]
    assert len(used) >= 15
    assert {row["task"] for row in used} == {"integrity", "temporal", "frequency"}
    opened = [event["action"] for row in used for event in row["events"] if not is_known(event["action"])]
    assert {"hurl ball", "juggle"} <= set(opened)
    assert any(row["rejected"] for row in rows), "the service makes mistakes"
    assert all(event["phrase"] in row["text"] for row in used for event in row["events"])


def test_a_language_model_reads_the_captions(server, service, captions, tmp_path):
    overrides = [*SMALL, *CAPTIONS, *service, f"prompts.captions={captions}", "prompts.reader=llm"]
    root = tmp_path / "store"
    align(load_config(overrides=overrides), str(root), until="prompts")
    store = Store(str(root))
    (key,) = store.keys("prompts")
    stats = store.manifest("prompts", key).stats
    assert stats["tokens"] > 0 and stats["read_offline"] > 0
    assert sum(row["rejected"] is None for row in rows_of(root)) == 12
