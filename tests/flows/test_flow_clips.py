"""What becomes of a shard of motions when it is drawn."""

import numpy as np
import pytest

from atom.config import load_config
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from flows.stages.clips import make_clips
from storage import MOTIONS, Recipe, Store


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def motions(store):
    """Three motions: a sound one, one with a joint that is nowhere, and an empty one."""
    joints = make_motion([Event("jump_up")], np.random.default_rng(0)).joints[:20]
    broken = joints.copy()
    broken[7, 3, 1] = np.nan
    with store.write(Recipe("motions", 1, MOTIONS, config="test")) as writer:
        writer.rows(
            [
                {
                    "motion_id": name,
                    "prompt_id": "p",
                    "sample": 0,
                    "seed": 0,
                    "tokens": [1],
                    "frames": len(made),
                    "joints": made,
                    "stop_reason": "end",
                }
                for name, made in (("sound", joints), ("broken", broken), ("empty", joints[:0]))
            ]
        )
    return writer.ref


def test_a_broken_motion_is_set_aside_and_counted(store, motions):
    config = load_config(overrides=["rendering.size=64", "rendering.view=orbit"])
    made = make_clips(store.root, config, motions, ["sound", "broken", "empty"]).artifact
    (row,) = store.read(made).to_pylist()
    assert row["motion_id"] == "sound" and store.read_file(made, row["video"]["path"])[4:8] == b"ftyp"
    assert store.manifest("clips", made.key).stats == {"quarantined": 1}


def test_a_view_makes_clips_of_its_own(store, motions):
    keys = {
        make_clips(
            store.root, load_config(overrides=["rendering.size=64", f"rendering.view={view}"]), motions, ["sound"]
        ).artifact.key
        for view in ("follow", "side", "follow")
    }
    assert len(keys) == 2


def test_an_ffmpeg_that_is_missing_is_no_fault_of_the_motions(store, motions, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    with pytest.raises(AtomError, match="ffmpeg"):
        make_clips(store.root, load_config(overrides=["rendering.size=64"]), motions, ["sound"])
    assert store.keys("clips") == []
