"""A small dataset of procedural motions in HumanML3D's layout, and a copy of it that each test may break."""

import shutil
from itertools import chain

import numpy as np
import pytest

from atom.corpus.corpus_shards import make_clip
from atom.humanml3d.dataset import HumanML3D
from atom.motion.feature_statistics import measure_statistics
from atom.motion.mirroring import mirror_features

TRAIN = [
    f"{number:06d}" for number in (*range(4), *range(7, 28))
]  # enough clips, with their mirror images, to measure statistics
MEMBERS = {"train": TRAIN, "val": ["000004"], "test": ["000005", "000006"]}
FRAMES = 48
CAPTIONS = """a person walks forward#a/DET person/NOUN walk/VERB forward/ADV#0.0#0.0
someone goes ahead, slowly.#someone/PRON go/VERB ahead/ADV slowly/ADV#nan#nan
a man strolls#a/DET man/NOUN stroll/VERB#0.0#0.0
"""


def _clips(rng):
    while True:
        yield make_clip(rng).features


@pytest.fixture(scope="session")
def _original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("humanml3d")
    for name in ("new_joint_vecs", "texts"):
        (folder / name).mkdir()
    rng = np.random.default_rng(0)
    splits = {split: [*ids, *(f"M{id}" for id in ids)] for split, ids in MEMBERS.items()}
    for id in chain(*MEMBERS.values()):
        features = next(clip for clip in _clips(rng) if len(clip) >= FRAMES)[:FRAMES]
        np.save(folder / f"new_joint_vecs/{id}.npy", features)
        np.save(folder / f"new_joint_vecs/M{id}.npy", mirror_features(features))
        for name in (id, f"M{id}"):
            (folder / f"texts/{name}.txt").write_text(CAPTIONS)
    splits |= {"train_val": splits["train"] + splits["val"], "all": list(chain(*splits.values()))}
    for split, ids in splits.items():
        (folder / f"{split}.txt").write_text("\n".join(ids) + "\n")
    statistics = measure_statistics(map(HumanML3D(folder).read_clip, splits["train"]))
    np.save(folder / "Mean.npy", statistics.mean)
    np.save(folder / "Std.npy", statistics.std)
    return folder


@pytest.fixture
def folder(_original, tmp_path):
    return shutil.copytree(_original, tmp_path / "HumanML3D")
