"""Sequences of a dataset's own actions keep to their weights and to what a body can do."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from atom.prompts.action_pool import ActionPool

WEIGHTS = {
    "hurl ball": 6.0,
    "juggle": 3.0,
    "lie down": 2.0,
    "stand up": 2.0,
    "get_up": 1.0,
    "bow": 1.0,
    "wave_left": 1.0,
    "sit_down": 1.0,
}


@pytest.fixture(scope="module")
def sequences():
    pool, rng = ActionPool(WEIGHTS), np.random.default_rng(0)
    return [pool.sample_actions(rng, 4) for _ in range(2000)]


def test_a_body_that_lies_or_sits_rises_before_it_does_anything_else(sequences):
    for actions in sequences:
        for first, second in pairwise(actions):
            assert first != second
            if first in ("lie down", "sit_down"):
                assert second in ("stand up", "get_up", "wave_left")
        assert actions[0] not in ("stand up", "get_up"), "it stands already"
        assert sum(action in ("lie down", "sit_down") for action in actions) <= 1


def test_frequent_actions_are_drawn_often(sequences):
    first = Counter(actions[0] for actions in sequences)
    assert first["hurl ball"] / first["juggle"] == pytest.approx(2, rel=0.2)
    assert first["juggle"] / first["bow"] == pytest.approx(3, rel=0.3)


def test_an_action_that_no_text_could_name_is_left_out():
    weights = {"juggle": 1.0, "zq 9!": 1.0, "x" * 80: 1.0, "jump and clap": 1.0, "bow": 0.0}
    assert set(ActionPool(weights)) == {"juggle"}


def test_an_empty_pool_gives_nothing():
    assert ActionPool({}).sample_actions(np.random.default_rng(0), 2) == []
