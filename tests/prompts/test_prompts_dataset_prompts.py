"""Captions of a dataset become prompts as they are; what can't be used is set aside with its reason."""

import json
import re
from itertools import product

import pytest

from atom.config import PromptConfig
from atom.errors import AtomError
from atom.events import Event, assign_split, infer_task
from atom.prompts.dataset_prompts import find_unread_captions, hash_captions, load_captions, select_captions
from atom.prompts.reading import read_text

SUBJECTS = ("a man", "the woman", "someone")
ACTS = ("hurls a ball", "bows", "is pushed from behind", "crawls", "juggles", "does a cartwheel", "waves", "stumbles")
SINGLE = [f"{subject} {act}" for subject, act in product(SUBJECTS, ACTS)]
ORDERED = [f"{first}, then {second.partition(' ')[0]}s" for first, second in product(SINGLE, ("jump", "clap"))]
NUMBERS = ("twice", "three times", "four times", "five times")
OFTEN = [f"{subject} {act}s {number}" for subject, act, number in product(SUBJECTS, ("jump", "kick", "hop"), NUMBERS)]
OFTEN += [f"{text}, then {act}s" for text, act in product(OFTEN, ("jump", "clap", "bow"))]


def config(path, train=4, test=2, **settings):
    return PromptConfig(writer="captions", captions=str(path), train_per_task=train, test_per_task=test, **settings)


def select(path, seed=0, **settings):
    rows = load_captions(str(path))
    read = {row.text: read_text(row.text, row.word_classes) for row in find_unread_captions(rows)}
    return select_captions(rows, read, config(path, **settings), seed)


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join([*SINGLE, *ORDERED, *OFTEN]))
    return path


def test_prompts_are_the_captions_with_the_task_of_their_events(texts):
    selected = select(texts)
    groups = [(prompt.split, prompt.task) for prompt in selected.prompts]
    tasks = ("integrity", "temporal", "frequency")
    assert groups == [
        (split, task) for split, number in (("train", 4), ("test", 2)) for task in tasks for _ in range(number)
    ]
    lines = texts.read_text().splitlines()
    for prompt in selected.prompts:
        assert prompt.text in lines
        assert prompt.events == read_text(prompt.text).events
        assert prompt.task == infer_task(prompt.events)
        assert prompt.split == assign_split(prompt.events, divide_single_events=True)
        assert all(event.phrase in prompt.text for event in prompt.events)
        assert (prompt.source, prompt.seed) == ("captions", 0)
    assert len({prompt.prompt_id for prompt in selected.prompts}) == len(selected.prompts)
    total = len(selected.prompts) + len(selected.rejected) + selected.not_drawn + selected.validation
    assert total == len(lines), "nothing is lost"


def test_the_seed_draws_and_the_same_one_draws_the_same(texts):
    first = select(texts).prompts
    assert select(texts).prompts == first
    assert {prompt.text for prompt in select(texts, seed=1).prompts} != {prompt.text for prompt in first}


def test_no_composition_is_in_training_and_test(texts):
    selected = select(texts, train=1, test=1)
    largest = select(texts, train=8, test=3, tasks=("integrity",))
    for result in (selected, largest):
        keys = {
            split: {
                tuple((e.action, e.count or 1) for e in prompt.events)
                for prompt in result.prompts
                if prompt.split == split
            }
            for split in ("train", "test")
        }
        assert keys["test"] and not keys["train"] & keys["test"]


def test_the_splits_of_a_dataset_are_kept(tmp_path):
    (tmp_path / "texts").mkdir()
    captions = {
        "train": ["a man bows", "a man juggles", "he runs, then bows", "a man jumps twice", "he hops while waving"],
        "val": ["a man crawls"],
        "test": ["the man bows.", "he claps, then juggles", "a man jumps six times"],
    }
    for split, texts in captions.items():
        (tmp_path / f"{split}.txt").write_text(f"{split}\n")
        (tmp_path / f"texts/{split}.txt").write_text("".join(f"{text}#a/DET\n" for text in texts))
    selected = select(tmp_path, train=1, test=1)
    assert {(prompt.split, prompt.text) for prompt in selected.prompts if prompt.split == "test"} == {
        ("test", text) for text in captions["test"]
    }
    assert all(prompt.text in captions["train"] for prompt in selected.prompts if prompt.split == "train")
    (clash,) = selected.rejected
    assert (clash.text, clash.split) == ("a man bows", "train")
    assert clash.reason == "the same events are in the test prompt 'the man bows.'"
    assert (selected.validation, selected.not_drawn) == (1, 1)
    rows = load_captions(str(tmp_path))
    assert {row.word_classes for row in rows} == {(("a", "DET"),)}


def test_what_happens_at_once_does_not_test_the_same_events_in_an_order(tmp_path):
    rows = [
        {"text": "he walks while he juggles", "split": "test"},
        {"text": "he walks, then juggles", "split": "train"},
        {"text": "he bows, then claps", "split": "train"},
        {"text": "he claps, then bows", "split": "test"},
    ]
    selected = select(write_rows(tmp_path / "a.jsonl", rows), train=1, test=1, tasks=("temporal",))
    assert [prompt.text for prompt in selected.prompts if prompt.split == "test"] == ["he claps, then bows"]
    both = select(tmp_path / "a.jsonl", train=1, test=1, tasks=("temporal",), seed=3)
    assert len(both.prompts) == 2
    rows[2]["split"] = "val"
    rows.append({"text": "someone bows", "split": "train"})
    alone = select(write_rows(tmp_path / "b.jsonl", rows), train=1, test=1, tasks=("integrity",))
    assert [clash.text for clash in alone.rejected] == ["he walks, then juggles"]


def test_what_can_not_be_used_has_its_reason(tmp_path):
    thirty = ", then ".join(["he jumps"] * 30)
    bad = {
        "": "describes no motion|is empty",
        "a red wooden table": "can't be read",
        "一个人向前走": "can't be read",
        "der Mann geht langsam nach vorne und winkt": "can't be read",
        "<table></table>": "can't be read",
        "!!! ???": "holds no words",
    }
    rows = [{"text": text} for text in bad]
    rows += [
        {"text": "he bows", "split": "train"},
        {"text": "He  bows!", "split": "train"},
        {"text": "he claps", "split": "test"},
        {"text": "he kicks", "events": [{"action": "kick with left leg", "side": "right", "count": 2}]},
        {"text": "he " + "slowly " * 1500 + "juggles", "split": "train"},
        {"text": "<b>he</b> runs & <i>squats</i>", "split": "train"},
        {"text": thirty, "split": "train"},
    ]
    path = write_rows(tmp_path / "a.jsonl", rows)
    path.write_text(path.read_text() + "cut off {\n")
    selected = select(path, train=1, test=1, tasks=("integrity",))
    reasons = {rejected.text: rejected.reason for rejected in selected.rejected}
    for text, reason in bad.items():
        if text:
            assert re.search(reason, reasons[text]), reasons[text]
    assert "the same text as in a.jsonl, line 7" in reasons["He  bows!"]
    assert "given as right, and its words name left" in reasons["he kicks"]
    assert all(reason and "\n" not in reason for reason in reasons.values())
    empty = [rejected.reason for rejected in selected.rejected if not rejected.text]
    assert (
        len(empty) == 2 and any("not JSON" in reason for reason in empty) and any("empty" in reason for reason in empty)
    )
    total = len(selected.prompts) + len(selected.rejected) + selected.not_drawn + selected.validation
    assert total == len(rows) + 1
    ids = [rejected.prompt_id for rejected in selected.rejected] + [prompt.prompt_id for prompt in selected.prompts]
    assert len(set(ids)) == len(ids)


def test_given_events_go_before_the_text(tmp_path):
    rows = [
        {"text": "he does it twice", "split": split, "events": [{"action": f"juggle {thing}", "count": 2}]}
        for split, thing in (("train", "balls"), ("test", "clubs"))
    ]
    selected = select(write_rows(tmp_path / "a.jsonl", rows), train=1, test=1, tasks=("frequency",))
    assert [prompt.events for prompt in selected.prompts] == [(Event("juggle balls", 2),), (Event("juggle clubs", 2),)]


def test_too_few_captions_are_an_error_that_says_what_to_lower(texts):
    with pytest.raises(AtomError) as raised:
        select(texts, train=5000, test=2)
    message = str(raised.value)
    assert "of 5000 integrity prompts for train" in message and "for test" not in message
    assert "prompts.train_per_task" in message and "prompts.tasks" in message and "\n" not in message


def test_a_task_that_no_caption_has_is_an_error_unless_it_is_not_wanted(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(SINGLE))
    with pytest.raises(AtomError, match="0 of 1 frequency prompts for train"):
        select(path, train=1, test=1)
    assert len(select(path, train=1, test=1, tasks=("integrity",)).prompts) == 2


def test_the_digest_is_that_of_all_that_decides_and_not_of_the_place(tmp_path):
    (tmp_path / "a.txt").write_text("he bows\nhe claps\n")
    (tmp_path / "b.txt").write_text("he bows\n\nhe claps")
    digest = hash_captions(load_captions(str(tmp_path / "a.txt")))
    assert hash_captions(load_captions(str(tmp_path / "b.txt"))) == digest
    others = [
        [{"text": "he bows", "split": "test"}, {"text": "he claps"}],
        [{"text": "he bows"}, {"text": "he claps", "events": [{"action": "clap", "count": 2}]}],
        [{"text": "he claps"}, {"text": "he bows"}],
    ]
    digests = [hash_captions(load_captions(str(write_rows(tmp_path / "c.jsonl", rows)))) for rows in others]
    assert len({digest, *digests}) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"writer": "captions"}, "needs prompts.captions"),
        ({"captions": "a.txt"}, "not used by prompts.writer=grammar"),
        ({"captions": "a.txt", "writer": "llm"}, "not used by prompts.writer=llm"),
    ],
)
def test_settings_that_do_not_go_together_are_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        PromptConfig(**settings)


def test_a_path_without_captions_is_an_error(tmp_path):
    with pytest.raises(AtomError, match=r"no file or folder .*check prompts\.captions"):
        load_captions(str(tmp_path / "missing"))
    (tmp_path / "a.txt").touch()
    with pytest.raises(AtomError, match="holds no text"):
        load_captions(str(tmp_path / "a.txt"))
