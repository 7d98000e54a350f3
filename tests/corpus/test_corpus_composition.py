"""The procedural corpus: every action can be performed, feet stay put, knees bend forward."""

import numpy as np
import pytest

from atom.corpus.composition import make_motion
from atom.corpus.corpus_shards import draw_events, make_clip
from atom.errors import AtomError
from atom.events import ACTIONS, Event, assign_split, postures_fit
from atom.motion.physics import count_backward_knees, foot_skate


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_is_physically_sound(action):
    count = 3 if ACTIONS[action].countable else 1
    before = [Event("sit_down")] if ACTIONS[action].starts == "low" else []
    motion = make_motion([*before, Event(action, count)], np.random.default_rng(5))
    joints = motion.joints
    assert 41 <= len(joints) <= 197
    assert len(joints) % 4 == 1
    assert np.isfinite(joints).all()
    assert joints[..., 1].min() > -0.02
    assert count_backward_knees(joints) == 0
    toes = np.linalg.norm(np.diff(joints[:, [10, 11]], axis=0), axis=-1) * 20
    planted = motion.contacts[1:] & motion.contacts[:-1]
    assert toes[planted].mean() < 0.03


def test_the_same_seed_gives_the_same_motion():
    events = [Event("jump_up", 2), Event("wave_left")]
    first, again = (make_motion(events, np.random.default_rng(1)).joints for _ in range(2))
    assert np.array_equal(first, again)


def test_feet_hardly_slide_over_many_sequences():
    rng = np.random.default_rng(2)
    skates = []
    for _ in range(25):
        events = draw_events(rng)
        assert postures_fit(events) and assign_split(events) == "train"
        try:
            skates.append(float(foot_skate(make_motion(events, rng).joints)))
        except AtomError:
            continue
    assert np.nanmean(skates) < 0.03


def test_impossible_sequences_are_refused():
    with pytest.raises(AtomError, match="follow"):
        make_motion([Event("sit_down"), Event("run_forward")], np.random.default_rng(0))


def test_clips_fill_whole_tokens():
    clip = make_clip(np.random.default_rng(3))
    assert clip.features.shape[1] == 263 and len(clip.features) % 4 == 0 and len(clip.features) <= 196
