"""The procedural corpus: every action can be performed, feet stay put, knees bend forward."""

import numpy as np
import pytest

from atom.corpus.composition import make_motion
from atom.corpus.corpus_shards import draw_events, make_clip
from atom.corpus.event_animation import minimum_jerk
from atom.errors import AtomError
from atom.events import ACTIONS, Event, assign_split, postures_fit
from atom.motion.physics import count_backward_knees, foot_skate
from atom.motion.skeleton import JOINT_INDEX


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


def test_a_motion_starts_at_the_origin_and_faces_ahead():
    joints = make_motion([Event("walk_forward")], np.random.default_rng(4)).joints
    np.testing.assert_allclose(joints[0, 0, [0, 2]], 0, atol=1e-6)
    across = joints[0, JOINT_INDEX["l_hip"]] - joints[0, JOINT_INDEX["r_hip"]]
    assert across[0] > 0.9 * np.linalg.norm(across)  # its left is +X
    assert joints[-1, 0, 2] > 0.5 > abs(joints[-1, 0, 0])


def test_movements_ease_in_and_out_without_a_jerk():
    """The minimum-jerk polynomial: no velocity and no acceleration at both ends, 15/8 of the mean speed between."""
    time = np.linspace(0, 1, 1001)
    place = minimum_jerk(time)
    speed, acceleration = np.gradient(place, time), np.gradient(np.gradient(place, time), time)
    assert (place[0], place[500], place[-1]) == (0, pytest.approx(0.5), pytest.approx(1))
    np.testing.assert_allclose([speed[0], speed[500], speed[-1]], [0, 15 / 8, 0], atol=1e-3)
    np.testing.assert_allclose(acceleration[[0, -1]], 0, atol=0.1)
    assert minimum_jerk(np.array([-1.0, 2.0])).tolist() == [0, 1]


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


def test_a_motion_that_just_fits_stays_and_a_longer_one_is_sped_up():
    events = [Event("walk_forward"), Event("jump_up", 2)]
    free = make_motion(events, np.random.default_rng(3)).joints

    def within(frames):
        return make_motion(events, np.random.default_rng(3), frames).joints

    assert np.array_equal(within(len(free)), free)
    assert len(within(len(free) - 1)) < len(free)
    with pytest.raises(AtomError, match=f"more than {len(free) // 2}"):
        within(len(free) // 2)


def test_clips_fill_whole_tokens():
    clip = make_clip(np.random.default_rng(3))
    assert clip.features.shape[1] == 263 and len(clip.features) % 4 == 0 and len(clip.features) <= 196
