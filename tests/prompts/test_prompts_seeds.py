"""Seed texts decide the actions of prompts; an unreadable one is an error that says what to do."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom.config import PromptConfig
from atom.errors import AtomError
from atom.events import ACTIONS, TASKS, postures_fit
from atom.prompts.grammar import sample_balanced_compositions, sample_events
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
    assert seeds.weights == dict.fromkeys(ACTIONS, 1.0)
    assert (seeds.texts, seeds.understood, seeds.not_understood) == (0, 0, [])
    assert seeds.digest == read_seeds(None).digest


def test_weights_are_shares_of_the_events(written):
    seeds = read_seeds(written("a man jumps three times, then bows\nhe jumps\n\nshe bows and jumps\nhe moonwalks\n"))
    assert seeds.weights == {"jump_up": 0.6, "bow": 0.4}
    assert (seeds.texts, seeds.understood) == (4, 3)
    assert seeds.not_understood == [("moonwalks", 1)]


def test_the_commonest_phrases_that_are_not_understood_are_kept(written):
    texts = [f"he bows and {word}" for number in range(30) for word in ["juggles", f"zq{'x' * number}"]]
    unknown = read_seeds(written("\n".join(texts))).not_understood
    assert len(unknown) == 20
    assert unknown[0] == ("juggles", 30)


def test_of_a_humanml3d_line_the_caption_counts(written):
    line = "a person claps twice.#a/DET person/NOUN kick/VERB jump/VERB#0.0#0.0\n"
    seeds = read_seeds(written(line))
    assert seeds.weights == {"clap": 1.0}
    assert seeds.not_understood == []


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
        ("he moonwalks\nhe juggles\n...\n", "none of the 3 texts"),
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
    with pytest.raises(AtomError, match=r"holds no \.txt file"):
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
