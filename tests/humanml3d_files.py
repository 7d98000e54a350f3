"""A dataset of procedural motions in HumanML3D's layout, and Guo's evaluator with random weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch

from atom.corpus.corpus_shards import make_clip
from atom.evaluation.evaluator.networks import MotionEncoder, MovementEncoder, TextEncoder
from atom.motion.feature_statistics import measure_statistics
from atom.motion.skeleton import MIN_FRAMES
from atom.prompts.wording import caption

TAGS = "a/DET person/NOUN do/VERB something/NOUN"
WORDS = ("a", "person", "do", "something", "sos", "eos", "unk")


def write_dataset(folder: Path, train: int = 40, test: int = 40) -> None:
    """Write clips with true captions, the splits train and test, Mean.npy and Std.npy."""
    for name in ("new_joint_vecs", "texts"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    ids = [f"{number:06d}" for number in range(train + test)]
    clips = []
    for name in ids:
        clip = make_clip(rng)
        while len(clip.features) < MIN_FRAMES:
            clip = make_clip(rng)
        clips.append(clip.features)
        np.save(folder / f"new_joint_vecs/{name}.npy", clip.features)
        (folder / f"texts/{name}.txt").write_text(f"{caption(clip.events, rng)[0]}#{TAGS}#0.0#0.0\n")
    (folder / "train.txt").write_text("\n".join(ids[:train]) + "\n")
    (folder / "test.txt").write_text("\n".join(ids[train:]) + "\n")
    statistics = measure_statistics(clips)
    np.save(folder / "Mean.npy", statistics.mean)
    np.save(folder / "Std.npy", statistics.std)


def write_evaluator(folder: Path, movement: int = 512, text: int = 512, motion: int = 1024, words: int = 300) -> None:
    """Write finest.tar with layers of these sizes, and word vectors of size `words`; the defaults are as published."""
    torch.manual_seed(0)
    folder.mkdir()
    parts = {
        "movement_encoder": MovementEncoder(259, movement, movement),
        "text_encoder": TextEncoder(words, 15, text, text),
        "motion_encoder": MotionEncoder(movement, motion, text),
    }
    torch.save({name: part.state_dict() for name, part in parts.items()} | {"epoch": 90}, folder / "finest.tar")
    np.save(folder / "our_vab_data.npy", np.random.default_rng(0).normal(size=(len(WORDS), words)))
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(list(WORDS)))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: i for i, word in enumerate(WORDS)}))
