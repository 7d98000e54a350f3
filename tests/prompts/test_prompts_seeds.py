"""Seed texts decide the actions of prompts; an unreadable one is an error that says what to do."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom.config import PromptConfig
from atom.errors import AtomError
from atom.events import ACTIONS, TASKS, postures_fit
from atom.prompts.grammar import sample_balanced_compositions, sample_events, write_prompts, write_split
from atom.prompts.seeds import read_seeds


@pytest.fixture
def written(tmp_path):
    def write(content, name="seeds.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_without_a_path_every_action_is_as_likely():
    seeds = read_seeds(None)
    assert seeds.weights == seeds.all_weights == dict.fromkeys(ACTIONS, 1.0)
    assert (seeds.texts, seeds.understood, seeds.open_actions) == (0, 0, [])
    assert seeds.digest == read_seeds(None).digest


def test_weights_are_shares_of_the_events(written):
    seeds = read_seeds(written("a man jumps three times, then bows\nhe jumps\n\nshe bows and jumps\nhe moonwalks\n"))
    assert seeds.weights == {"jump_up": 0.6, "bow": 0.4}
    assert (seeds.texts, seeds.understood, seeds.with_open_actions) == (4, 3, 1)
    assert seeds.open_actions == [("moonwalk", 1)]
    assert seeds.all_weights == pytest.approx({"jump_up": 0.5, "bow": 1 / 3, "moonwalk": 1 / 6})


def test_the_most_frequent_open_actions_are_kept(written):
    things = ["ball", "stick", "rope", "box", "chair", "bag", "rock", "stone", "bottle", "cup", "door", "wall", "table"]
    texts = [f"he bows and {verb} a {thing}" for verb in ("pushes", "kisses") for thing in things] + ["he juggles"] * 30
    actions = read_seeds(written("\n".join(texts))).open_actions
    assert len(actions) == 20
    assert actions[0] == ("juggle", 30)


def test_an_event_that_repeats_the_one_before_is_no_action_of_its_own(written):
    seeds = read_seeds(written("he jumps and repeats the motion"))
    assert seeds.all_weights == {"jump_up": 1.0}


def test_given_events_go_before_the_text(written):
    row = {"text": "he does it", "events": [{"action": "wave right hand", "count": None, "phrase": "does it"}]}
    assert read_seeds(written(json.dumps(row), "seeds.jsonl")).weights == {"wave_right": 1.0}


def test_of_a_dataset_only_the_training_captions_count(written, tmp_path):
    written("he bows#he/PRON bow/VERB#0#0", "data/texts/000001.txt")
    written("he squats#he/PRON squat/VERB#0#0", "data/texts/000002.txt")
    written("000001", "data/train.txt")
    written("000002", "data/test.txt")
    assert read_seeds(str(tmp_path / "data")).weights == {"bow": 1.0}


def test_seed_texts_without_a_known_action_are_no_use_to_the_grammar_alone(written):
    path = written("he moonwalks\nhe juggles\n...\n")
    assert read_seeds(path).all_weights == {"juggle": 0.5, "moonwalk": 0.5}
    config = PromptConfig(train_per_task=2, test_per_task=1, seeds=path)
    with pytest.raises(AtomError, match=r"none of the 3 texts .* known action \('moonwalk', 'juggle'\).*writer=llm"):
        write_prompts(config, 0)
    assert len(write_split(config.model_copy(update={"writer": "llm"}), 0, "val", 2)) == 6


def test_of_a_humanml3d_line_the_caption_counts(written):
    line = "a person claps twice.#a/DET person/NOUN kick/VERB jump/VERB#0.0#0.0\n"
    seeds = read_seeds(written(line))
    assert seeds.all_weights == {"clap": 1.0}


def test_a_folder_is_read_with_its_subfolders(written, tmp_path):
    written("he bows", "texts/000001.txt")
    written("he squats#he/PRON squat/VERB#0.0#0.0", "texts/more/000002.txt")
    written("he jumps", "texts/README.md")
    seeds = read_seeds(str(tmp_path / "texts"))
    assert seeds.weights == {"bow": 0.5, "squat": 0.5}


def test_the_digest_is_that_of_the_texts_and_not_of_their_place(written):
    first = read_seeds(written("he bows\nhe jumps", "one.txt")).digest
    assert read_seeds(written("he bows\r\n\r\nhe jumps\r\n", "elsewhere/two.txt")).digest == first
    assert read_seeds(written("he bows\nhe jumps twice", "three.txt")).digest != first


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00h", "is not text in UTF-8"),
        (b"he bows\x00\x01", "is not text in UTF-8"),
        ("hello\n...\n", "none of the 2 texts"),
        ("", "none of the 0 texts"),
    ],
)
def test_what_tells_no_event_is_an_error_in_one_line(written, content, message):
    path = written(content)
    with pytest.raises(AtomError, match=message) as raised:
        read_seeds(path)
    assert path in str(raised.value)
    assert "prompts.seeds" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_path_without_texts_is_an_error(tmp_path):
    with pytest.raises(AtomError, match=r"no file or folder .*nowhere.*prompts\.seeds"):
        read_seeds(str(tmp_path / "nowhere"))
    with pytest.raises(AtomError, match=r"holds no \.txt or \.jsonl file"):
        read_seeds(str(tmp_path))


def test_the_example_prompts_of_the_authors(shared):
    understood = {
        task: read_seeds(str(shared / "data" / f"atom_example_{task}.txt")).understood
        for task in ("integrity", "temporal", "frequency")
    }
    assert understood == {"integrity": 3, "temporal": 4, "frequency": 2}


ALWAYS = ["jump_up", "bow", "clap"]  # enough for compositions of every task


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([*TASKS, None]),
    st.dictionaries(st.sampled_from(sorted(ACTIONS)), st.sampled_from([0.0, 1e-12, 0.3, 1.0, 30.0])),
)
def test_weighted_compositions_keep_to_the_pool_and_to_the_postures(seed, task, weights):
    weights = weights | dict.fromkeys(ALWAYS, 1.0)
    rng = np.random.default_rng(seed)
    for _ in range(5):
        events = sample_events(rng, task, weights=weights)
        assert postures_fit(events)
        assert all(weights.get(event.action, 0) > 0 for event in events)
        assert all(first.action != second.action for first, second in pairwise(events))
        assert sum(ACTIONS[event.action].ends == "low" for event in events) <= 1


@pytest.mark.parametrize("task", TASKS)
def test_actions_are_used_in_proportion_to_their_weights(task):
    weights = {action: 1.0 + number % 4 for number, action in enumerate(ACTIONS)}
    rng = np.random.default_rng(0)
    compositions = list(sample_balanced_compositions(rng, task, "train", 300, PromptConfig(), weights))
    assert len(set(compositions)) == 300
    used = Counter(event.action for events in compositions for event in events)
    ratios = {
        action: used[action] / used.total() / (weight / sum(weights.values())) for action, weight in weights.items()
    }
    ratios.pop("get_up")  # can't be used more often than sitting and kneeling
    assert min(ratios.values()) > 0.7
    assert max(ratios.values()) < 1.4


@pytest.mark.parametrize("pool", [[], ["get_up"], ["bow"], ["walk_forward", "turn_left"]])
def test_a_pool_that_makes_no_composition_is_an_error(pool):
    with pytest.raises(AtomError, match=r"no composition .* more actions to choose from than"):
        sample_events(np.random.default_rng(0), "frequency", "test", weights=dict.fromkeys(pool, 1.0))
