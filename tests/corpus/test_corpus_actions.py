"""The corpus is the same in every version: checkpoints, evaluators and caches rest on it.

A row holds the frames of an action's motion and four checksums of its joints, which move by more than the tolerance
when a joint moves by a few centimetres in a few frames. Who changes the corpus on purpose writes the rows anew.
"""

import numpy as np
import pytest

from atom.corpus.composition import make_motion
from atom.events import ACTIONS, Event

CHECKSUMS = {
    "walk_forward": (61, -0.5291, 11.32, -0.4225, -5.0812),
    "walk_backward": (61, 0.0233, 16.3286, -0.5196, -0.3149),
    "sidestep_left": (41, -0.3404, -16.8679, -0.2337, -13.1329),
    "sidestep_right": (41, -0.5025, -16.6989, 0.1688, -15.323),
    "run_forward": (61, -0.89, 4.6848, -0.3939, -9.4531),
    "turn_left": (41, -0.7159, -14.7827, -0.2258, -13.8581),
    "turn_right": (41, -0.076, -13.519, -0.0276, -13.9125),
    "turn_around": (41, -0.3693, -11.3182, -0.2074, -12.9364),
    "spin": (73, -0.1617, 25.6337, -0.5428, -9.911),
    "jump_up": (57, -0.2434, 8.718, -0.4109, 0.5959),
    "jump_forward": (57, -0.467, 6.7165, -0.4819, -0.2639),
    "hop_left": (53, -0.333, 3.9908, -0.3814, 1.8592),
    "hop_right": (53, -0.3187, 5.9809, -0.3558, -1.5552),
    "squat": (49, -0.3118, 7.5827, -0.2465, 2.9794),
    "sit_down": (41, -0.2543, -24.9131, -0.0588, -5.854),
    "kneel_down": (41, -0.3283, 0.7256, -0.3179, -18.1132),
    "get_up": (53, -0.2773, 0.0213, -0.34, 2.0268),
    "bow": (57, -0.2459, 8.8944, -0.4221, 0.9269),
    "wave_left": (57, -0.2726, 2.5954, -0.3919, -1.3037),
    "wave_right": (57, -0.2515, 4.0837, -0.4193, 4.5488),
    "raise_arm_left": (53, -0.2815, 3.0641, -0.3346, 0.4515),
    "raise_arm_right": (53, -0.2906, 0.7885, -0.341, 2.8373),
    "raise_arms": (57, -0.2439, 6.6241, -0.4186, 2.8946),
    "clap": (41, -0.4207, -18.1018, -0.0364, -7.8969),
    "punch_left": (49, -0.2765, -3.6785, -0.2662, 5.5889),
    "punch_right": (49, -0.3235, -5.0774, -0.2555, 2.5173),
    "kick_left": (53, -0.2756, 0.1761, -0.3565, 0.5424),
    "kick_right": (53, -0.2864, -2.3352, -0.3308, 1.3823),
    "throw_left": (41, -0.5012, -21.8459, -0.116, -12.8902),
    "throw_right": (41, -0.3103, -23.6336, -0.003, -9.2023),
    "lunge_left": (65, -0.1868, 6.2766, -0.483, -7.996),
    "lunge_right": (65, -0.175, 6.5898, -0.4953, -8.1514),
    "jumping_jack": (49, -0.3961, -15.9353, -0.1902, 1.1027),
    "pick_up": (45, -0.3677, 0.3531, -0.1478, -0.2087),
}


def _checksums(action: str) -> tuple[float, ...]:
    before = [Event("sit_down")] if ACTIONS[action].starts == "low" else []
    events = [*before, Event(action, 2 if ACTIONS[action].countable else 1)]
    joints = make_motion(events, np.random.default_rng(8)).joints
    waves = np.cos(np.outer(np.arange(joints.size), 1 + np.arange(4)))
    return len(joints), *(joints.ravel() @ waves * 20 / len(joints))


def test_every_action_has_its_checksums():
    assert set(CHECKSUMS) == set(ACTIONS)


@pytest.mark.parametrize("action", CHECKSUMS)
def test_the_motion_of_an_action_stays_as_it_is(action):
    assert _checksums(action) == pytest.approx(CHECKSUMS[action], abs=1e-3)
