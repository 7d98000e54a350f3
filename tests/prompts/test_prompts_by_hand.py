"""Limits and numbers of the prompts' checks and lengths, worked out by hand."""

import pytest

from atom.config import PromptConfig, WriterConfig
from atom.errors import AtomError
from atom.events import Event
from atom.prompts import validation
from atom.prompts.dataset_prompts import hash_captions, load_captions
from atom.prompts.grammar import Prompt, expected_frames, expected_length, known_length, prompt_id
from atom.prompts.seeds import read_seeds
from atom.prompts.validation import MAX_CHARACTERS, DuplicateFilter, find_fault
from atom.prompts.writer import _check_accepted_fractions, _describe_most_common, _Draft, _group_drafts


def test_a_text_may_be_as_long_as_the_limit_and_no_longer():
    bow = (Event("bow"),)
    text = "a person bows".ljust(MAX_CHARACTERS - 1) + "."
    assert len(text) == 240 and "too long" not in (find_fault(text, bow, "integrity") or "")
    assert "too long: 241 characters instead of at most 240" in find_fault(text + ".", bow, "integrity")


@pytest.mark.parametrize(
    ("shared", "is_duplicate"),
    [(8, True), (7, False)],  # of ten trigrams in all, 0.8 are enough
)
def test_texts_that_share_four_fifths_of_their_trigrams_are_duplicates(monkeypatch, shared, is_duplicate):
    monkeypatch.setattr(validation, "_content_words", lambda text: [text])
    words = [f"w{n}" for n in range(12)]
    first, second = " ".join(words), " ".join(words[: shared + 2])  # ten trigrams, of which the second has `shared`
    known = DuplicateFilter()
    known.add(first, (Event("bow"),))
    assert bool(known.find_duplicate(second, (Event("bow"),))) is is_duplicate
    assert known.find_duplicate(second, (Event("clap"),)) is None, "other events are another text"
    assert known.find_duplicate(first.upper() + " !", (Event("clap"),)) == first


def test_the_length_of_a_motion_is_that_of_its_events_with_rest_and_transitions():
    events = (Event("jump_up", 2), Event("clap", 3), Event("turn_left"))
    assert [expected_frames(event) for event in events] == [50, 15 + 24, 21]
    assert expected_length(events) == 10 + 2 * 3 + 50 + 39 + 21
    assert expected_length(events[:1]) == 60 and expected_length(events, lambda event: 1) == 10 + 6 + 3
    assert known_length((Event("jump_up", None),)) == 35 and known_length((*events, Event("juggle"))) is None
    assert expected_frames(Event("juggle", 3)) == 105


def test_ids_are_those_of_task_events_and_text():
    bow = (Event("bow"),)
    ids = {
        prompt_id("a", "integrity", bow),
        prompt_id("a", "temporal", bow),
        prompt_id("b", "integrity", bow),
        prompt_id("a", "integrity", (Event("bow", 2),)),
    }
    assert len(ids) == 4 and all(len(each) == 16 for each in ids)


def accepted(number, task="temporal", split="train"):
    return [Prompt(str(n), f"text {n}", task, (Event("bow"),), split, 0) for n in range(number)]


def test_just_enough_accepted_texts_let_a_run_go_on():
    config = PromptConfig(
        writer="llm",
        llm=WriterConfig(min_accepted_fraction=0.75),
        tasks=("temporal",),
        train_per_task=8,
        test_per_task=4,
    )
    _check_accepted_fractions(config, accepted(6) + accepted(3, split="test"), [])
    with pytest.raises(AtomError, match="wrote 5 of 8 temporal prompts for the train split"):
        _check_accepted_fractions(config, accepted(5) + accepted(3, split="test"), [])
    with pytest.raises(AtomError, match="wrote 2 of 4 temporal prompts for the test split"):
        _check_accepted_fractions(config, accepted(6) + accepted(2, split="test"), [])


def test_the_three_most_common_reasons_are_told_with_an_example_each():
    reasons = ["a: 1", "b: 2", "b: 3", "c: 4", "c: 5", "c: 6", "d: 7", "d: 8", "d: 9", "d: 0"]
    assert _describe_most_common(reasons) == "4 times (d: 7), 3 times (c: 4), 2 times (b: 2)"


def test_a_request_has_texts_of_one_split_and_task():
    drafts = [
        _Draft(n, split, task, (Event("bow"),))
        for n, (split, task) in enumerate([("train", "temporal")] * 3 + [("train", "integrity"), ("test", "temporal")])
    ]
    groups = _group_drafts(drafts, WriterConfig(per_request=2))
    assert [[draft.place for draft in group] for group in groups] == [[0, 1], [2], [3], [4]]


def test_seed_texts_are_counted_by_their_events(tmp_path):
    path = tmp_path / "seeds.jsonl"
    lines = [("he bows, then jumps", "train"), ("he juggles", "train"), ("he claps", "test"), ("he jumps", "val")]
    path.write_text("".join(f'{{"text": "{text}", "split": "{split}"}}\n' for text, split in lines))
    seeds = read_seeds(str(path))
    assert (seeds.texts, seeds.understood, seeds.with_open_actions) == (2, 1, 1)
    assert seeds.weights == {"bow": 0.5, "jump_up": 0.5} and seeds.open_actions == [("juggle", 1)]
    assert seeds.all_weights == pytest.approx({"bow": 1 / 3, "jump_up": 1 / 3, "juggle": 1 / 3})


def test_whatever_decides_the_prompts_changes_the_hash_of_captions(tmp_path):
    def digest(*lines):
        path = tmp_path / "captions.jsonl"
        path.write_text("".join(line + "\n" for line in lines))
        return hash_captions(load_captions(str(path)))

    hashes = {
        digest('{"text": "he bows"}'),
        digest('{"text": "he claps"}'),
        digest('{"text": "he bows", "split": "test"}'),
        digest('{"text": "he bows"}', '{"text": "he bows"}'),
    }
    assert len(hashes) == 4
