"""Compositions keep the rules of their task, and prompts are split by composition."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from atom.config import PromptConfig
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import ACTIONS, TASKS, assign_split, composition_key, postures_fit
from atom.motion.skeleton import MAX_FRAMES
from atom.prompts.grammar import expected_frames, expected_length, prompt_id, sample_events, write_prompts
from atom.prompts.parsing import parse_events

SMALL = PromptConfig(train_per_task=40, test_per_task=40)


@pytest.fixture(scope="module")
def prompts():
    return write_prompts(SMALL, seed=0)


@pytest.mark.parametrize("task", [*TASKS, None])
def test_compositions_can_be_performed(task):
    rng = np.random.default_rng(0)
    for _ in range(500):
        events = sample_events(rng, task)
        assert postures_fit(events)
        assert all(first.action != second.action for first, second in pairwise(events))
        assert sum(ACTIONS[event.action].ends == "low" for event in events) <= 1
        assert sum(expected_frames(event) for event in events) <= MAX_FRAMES


def test_each_task_has_its_kind_of_composition():
    rng = np.random.default_rng(1)
    for _ in range(400):
        temporal = sample_events(rng, "temporal")
        assert len({event.action for event in temporal}) == len(temporal) >= 2
        assert all(event.count == 1 for event in temporal)
        assert max(event.count for event in sample_events(rng, "frequency")) >= 2
        assert 2 <= len(sample_events(rng, "integrity")) <= 4
    counts = [event.count for _ in range(400) for event in sample_events(rng, "integrity")]
    assert np.mean(np.array(counts) == 1) > 0.8


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_wanted_split_is_met(split):
    rng = np.random.default_rng(2)
    for task in TASKS:
        for _ in range(30):
            assert assign_split(sample_events(rng, task, split)) == split


def test_limits_are_kept():
    rng = np.random.default_rng(3)
    for _ in range(200):
        assert len(sample_events(rng, "integrity", max_events=2)) == 2
        assert max(event.count for event in sample_events(rng, "frequency", max_count=2)) == 2


def test_single_events_cover_every_action_that_can_start():
    rng = np.random.default_rng(4)
    drawn = Counter(sample_events(rng, max_events=1) for _ in range(4000))
    actions = {events[0].action for events in drawn}
    assert actions == {name for name, action in ACTIONS.items() if action.starts != "low"}
    assert any(events[0].count == 1 for events in drawn if ACTIONS[events[0].action].countable)


def test_the_length_budget_is_a_parameter():
    rng = np.random.default_rng(5)
    long = {"walk_forward", "run_forward"}
    for _ in range(200):
        events = sample_events(rng, "integrity", frames_of=lambda event: 1000 if event.action in long else 10)
        assert not long & {event.action for event in events}


@pytest.mark.parametrize(
    "arguments",
    [
        {"task": "temporal", "max_events": 1},
        {"task": "frequency", "max_count": 1},
        {"task": "frequency", "split": "test", "max_events": 1},
    ],
)
def test_what_cannot_be_composed_is_an_error(arguments):
    with pytest.raises(AtomError, match="no composition"):
        sample_events(np.random.default_rng(0), **arguments)


def test_prompts_are_as_many_as_asked(prompts):
    assert Counter((prompt.split, prompt.task) for prompt in prompts) == {
        (split, task): 40 for split in ("train", "test") for task in TASKS
    }


def test_nothing_of_the_test_split_is_in_train(prompts):
    assert all(assign_split(prompt.events) == prompt.split for prompt in prompts)
    train = {composition_key(prompt.events) for prompt in prompts if prompt.split == "train"}
    test = {composition_key(prompt.events) for prompt in prompts if prompt.split == "test"}
    assert not train & test
    assert len({prompt.text for prompt in prompts}) == len(prompts)
    assert len({prompt.prompt_id for prompt in prompts}) == len(prompts)


def test_prompts_mean_their_events(prompts):
    for prompt in prompts:
        assert parse_events(prompt.text).events == prompt.events
        assert all(event.phrase in prompt.text for event in prompt.events)
        assert prompt.prompt_id == prompt_id(prompt.text, prompt.task, prompt.events)


def test_prompts_are_deterministic_and_depend_on_the_seed(prompts):
    assert write_prompts(SMALL, seed=0) == prompts
    texts = {prompt.text for prompt in write_prompts(SMALL, seed=1)}
    assert len(texts & {prompt.text for prompt in prompts}) < 0.1 * len(prompts)


def test_actions_are_used_evenly(prompts):
    for split in ("train", "test"):
        used = Counter(event.action for prompt in prompts if prompt.split == split for event in prompt.events)
        assert set(used) == set(ACTIONS)
        assert max(used.values()) <= 2.5 * min(used.values())


def test_too_many_prompts_for_the_config_is_an_error():
    config = PromptConfig(train_per_task=1, test_per_task=1000, max_events=2, max_count=2)
    with pytest.raises(AtomError, match="test_per_task"):
        write_prompts(config, seed=0)


def test_the_expected_length_is_that_of_the_corpus():
    rng = np.random.default_rng(4)
    compositions = [sample_events(rng, TASKS[number % 3]) for number in range(90)]
    truth = np.mean([len(make_motion(events, rng).joints) for events in compositions])
    assert abs(np.mean([expected_length(events) for events in compositions]) / truth - 1) < 0.05


def test_the_actions_are_as_frequent_as_in_the_seed_texts(tmp_path):
    (tmp_path / "seeds.txt").write_text("he jumps\n" * 6 + "he bows\nhe claps\nhe walks forward\nhe squats\n")
    config = PromptConfig(train_per_task=40, test_per_task=2, seeds=str(tmp_path / "seeds.txt"))
    used = Counter(event.action for prompt in write_prompts(config, 0) for event in prompt.events)
    assert set(used) == {"jump_up", "bow", "clap", "walk_forward", "squat"}
    assert used["jump_up"] > 1.5 * max(count for action, count in used.items() if action != "jump_up")


def test_one_task_alone_has_the_prompts_that_it_has_among_the_others():
    both = write_prompts(PromptConfig(train_per_task=5, test_per_task=3), 0)
    alone = write_prompts(PromptConfig(train_per_task=5, test_per_task=3, tasks=("temporal",)), 0)
    assert {prompt.task for prompt in alone} == {"temporal"} and len(alone) == 8
    assert [p.events for p in alone] == [p.events for p in both if p.task == "temporal"]
