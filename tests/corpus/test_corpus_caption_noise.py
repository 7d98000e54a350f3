"""Noisy captions have the errors, and the error rates, that the documentation of `CaptionNoise` gives."""

import numpy as np
import pytest

from atom.corpus.caption_noise import CaptionNoise, corrupt_events, write_noisy_caption
from atom.events import MAX_COUNT, TASKS, Event
from atom.prompts.grammar import sample_events
from atom.prompts.parsing import parse_events

EVENTS = (Event("walk_forward"), Event("jump_up", 3), Event("bow"))


def draw_noisy_events(noise, events=EVENTS, draws=3000):
    rng = np.random.default_rng(0)
    return [corrupt_events(events, rng, noise) for _ in range(draws)]


def test_without_noise_captions_are_true():
    rng = np.random.default_rng(0)
    for _ in range(300):
        events = sample_events(rng)
        assert parse_events(write_noisy_caption(events, rng)).events == events


def test_about_a_third_of_the_captions_are_wrong():
    rng = np.random.default_rng(1)
    wrong = 0
    for number in range(3000):
        events = sample_events(rng, TASKS[number % 3], "train")
        wrong += parse_events(write_noisy_caption(events, rng, CaptionNoise())).events != events
    assert 0.29 < wrong / 3000 < 0.36


@pytest.mark.parametrize(
    ("noise", "rate"),
    [
        (CaptionNoise(drop=0.3, swap=0, miscount=0), 0.3),
        (CaptionNoise(drop=0, swap=0.3, miscount=0), 0.3),
        (CaptionNoise(drop=0, swap=0, miscount=0.3), 0.3),
        (CaptionNoise(), 1 - 0.88 * 0.84 * 0.74),
    ],
)
def test_rates_are_as_given(noise, rate):
    wrong = np.mean([events != EVENTS for events in draw_noisy_events(noise)])
    assert abs(wrong - rate) < 0.03


def test_a_drop_leaves_out_any_one_event():
    results = set(draw_noisy_events(CaptionNoise(drop=1, swap=0, miscount=0)))
    assert results == {EVENTS[1:], EVENTS[:2], EVENTS[::2]}


def test_a_swap_exchanges_neighbours():
    results = set(draw_noisy_events(CaptionNoise(drop=0, swap=1, miscount=0)))
    assert results == {(EVENTS[1], EVENTS[0], EVENTS[2]), (EVENTS[0], EVENTS[2], EVENTS[1])}


def test_a_miscount_omits_the_count_half_of_the_time_and_is_one_off_otherwise():
    counts = np.array([events[1].count for events in draw_noisy_events(CaptionNoise(drop=0, swap=0, miscount=1))])
    assert set(counts) == {1, 2, 4}
    assert abs(np.mean(counts == 1) - 0.5) < 0.03
    assert abs(np.mean(counts == 4) - 0.25) < 0.03
    most = {e[0].count for e in draw_noisy_events(CaptionNoise(0, 0, 1), (Event("clap", MAX_COUNT),))}
    assert most == {1, MAX_COUNT - 1}


def test_a_single_event_that_happens_once_is_never_changed():
    single = (Event("bow"),)
    assert set(draw_noisy_events(CaptionNoise(drop=1, swap=1, miscount=1), single)) == {single}
