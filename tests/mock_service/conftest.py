"""Motions with known events, and pictures of them."""

import io

import numpy as np
import pytest

from atom.corpus.composition import make_motion
from atom.events import Event
from atom.llm_client.request import Picture
from atom.mock_service import MotionIndex
from atom.rendering import render_contact_sheet

EVENTS = {
    "jumps": [Event("jump_up", 2), Event("wave_left")],
    "walks": [Event("walk_forward"), Event("bow", 3), Event("clap", 2)],
}


class RenderedMotion:
    """A motion of the corpus and its picture."""

    def __init__(self, events, seed):
        self.events = events
        self.joints = make_motion(events, np.random.default_rng(seed)).joints
        buffer = io.BytesIO()
        render_contact_sheet(self.joints, size=64).save(buffer, "JPEG")
        self.picture = Picture(buffer.getvalue(), "image/jpeg", "Frames 0 to the last:")


@pytest.fixture(scope="session")
def motions():
    return {name: RenderedMotion(events, seed) for seed, (name, events) in enumerate(EVENTS.items())}


@pytest.fixture
def index(motions):
    return MotionIndex((motion.picture.data, motion.joints) for motion in motions.values())
