"""The items of a run that people judge."""

import pytest
from review_run import TASKS, make_run

from atom.errors import AtomError
from atom.report.run_tables import RunTables
from atom.review.review_items import collect_review_items
from storage import Store


@pytest.fixture
def tables(tmp_path):
    store = Store(str(tmp_path))
    return RunTables(store, make_run(store, [f"text {number}" for number in range(9)], samples=2))


def test_pairs_are_of_one_prompt_and_sample(tables):
    items = collect_review_items(tables)
    assert len(items) == 18
    for item in items:
        base, tuned = item.motion_ids
        assert item.arms == ("base", "tuned") and tuned == base.replace("base", "tuned")
        assert item.prompt_id in base and item.text == tables.prompts[item.prompt_id]["text"]
    assert {item.task for item in items} == set(TASKS)


def test_training_pairs_are_the_chosen_and_the_rejected_motion(tables):
    items = collect_review_items(tables, "training")
    assert {item.motion_ids for item in items} == {(f"better-prompt{n}", f"worse-prompt{n}") for n in range(9)}
    assert {item.arms for item in items} == {("chosen", "rejected")}


def test_clips_are_single_test_motions_with_the_asked_events_in_words(tables):
    items = collect_review_items(tables, "clips")
    assert {item.motion_ids + item.arms for item in items} == {
        (f"{arm}-prompt{n}-{sample}", arm) for arm in ("base", "tuned") for n in range(9) for sample in range(2)
    }
    assert items[0].events == ("jumps twice", "bow 3 times")


def test_tasks_and_most_choose_and_a_larger_number_keeps_the_smaller_choice(tables):
    some, more = (
        {
            item.item_id
            for item in collect_review_items(tables, tasks=["temporal", "integrity"], max_per_task=number, seed=3)
        }
        for number in (2, 4)
    )
    assert len(some) == 4 and len(more) == 8 and some < more
    assert {item.task for item in collect_review_items(tables, tasks=["temporal"])} == {"temporal"}
    others = [{item.item_id for item in collect_review_items(tables, max_per_task=2, seed=seed)} for seed in range(5)]
    assert len(set(map(frozenset, others))) > 1


def test_ids_are_the_items_own_and_tell_nothing(tables):
    items = [item for what in ("pairs", "training", "clips") for item in collect_review_items(tables, what)]
    assert len({item.item_id for item in items}) == len(items)
    assert all(set(item.item_id) <= set("0123456789abcdef") for item in items)
    assert [item.item_id for item in collect_review_items(tables)] == [
        item.item_id for item in collect_review_items(tables)
    ]


def test_empty_and_missing_motions_are_left_out(tables):
    tables.motions.loc["tuned-prompt0-0", "frames"] = 0
    assert len(collect_review_items(tables)) == 17 and len(collect_review_items(tables, "clips")) == 35
    tables.motions.drop(index="worse-prompt1", inplace=True)
    assert len(collect_review_items(tables, "training")) == 8


def test_nothing_to_judge_is_an_error(tables):
    with pytest.raises(AtomError, match="unknown task 'speed'"):
        collect_review_items(tables, tasks=["speed"])
    tables.record["stages"] = [stage for stage in tables.record["stages"] if stage["name"] != "test motions tuned"]
    with pytest.raises(AtomError, match=r"has no pairs of temporal to judge.*--what"):
        collect_review_items(tables, tasks=["temporal"])


def test_open_events_are_asked_in_their_own_words_without_a_number(tables):
    events = [
        {"action": "hurl ball", "phrase": "hurls a ball", "count": None, "group": None},
        {"action": "wave_left", "phrase": "", "count": None, "group": 0},
        {"action": "hop", "phrase": "hops very carefully over a large number of small puddles", "count": 3, "group": 0},
    ]
    for prompt in tables.prompts.values():
        prompt["events"] = events
    (words,) = {item.events for item in collect_review_items(tables, "clips")}
    assert words[0] == "hurls a ball"
    assert words[1].startswith("wave left (at the same time: hops very carefully over a") and len(words[1]) < 70
    assert words[2] == "hops very carefully over a large number of small puddles (at the same time: wave left)"
