import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from atom.errors import AtomError
from atom.generation.generator import Generator
from atom.humanml3d.dataset import HumanML3D
from atom.humanml3d.motion_tokens import tokenise_split

COUNT = 56


class Encoder:
    """A code is the root height of its first frame in centimetres. Clips in `refused` fail; after `calls`, all fail."""

    def __init__(self, refused=(), calls=None):
        self.refused, self.calls, self.lengths = refused, calls, []

    def __call__(self, clips):
        if self.calls is not None and len(self.lengths) >= self.calls:
            raise KeyboardInterrupt
        self.lengths.append([len(clip) for clip in clips])
        if any(np.array_equal(clip, refused[: len(clip)]) for clip in clips for refused in self.refused):
            raise AtomError("can't be encoded")
        return [(clip[::4, 3] * 100).astype(int).tolist() for clip in clips]


def codes(output, id):
    return np.load(output / f"TOKENS/{id}.npy")


def cut(folder, id, frames):
    path = folder / f"new_joint_vecs/{id}.npy"
    np.save(path, np.load(path)[:frames])


def test_a_split_becomes_codes_in_the_layout_of_motiongpt(folder, tmp_path):
    cut(folder, "000005", 43)
    dataset, output, progress = HumanML3D(folder), tmp_path / "out", []
    result = tokenise_split(
        dataset, "test", Encoder(), output, encoder="a", progress=lambda done, total: progress.append((done, total))
    )
    assert (result.encoded, result.reused, result.quarantined) == (4, 0, []) and progress == [(4, 4)]
    assert sorted(path.stem for path in (output / "TOKENS").iterdir()) == sorted(dataset.read_ids("test"))
    for id, n in (("000005", 10), ("M000005", 12)):
        row = codes(output, id)
        assert row.shape == (1, n) and row.dtype == np.int64
        np.testing.assert_array_equal(row[0], (dataset.read_clip(id)[: 4 * n : 4, 3] * 100).astype(int))
    rows = pq.read_table(output / "test.parquet").to_pylist()
    assert [row["id"] for row in rows] == dataset.read_ids("test")
    for row in rows:
        assert row["tokens"] == codes(output, row["id"])[0].tolist() and row["frames"] == 4 * len(row["tokens"])


def test_clips_are_cut_to_whole_codes_and_batched_by_length(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("atom.humanml3d.motion_tokens._BATCH_SIZE", 20)
    for number, id in enumerate(HumanML3D(folder).read_ids("all")):
        cut(folder, id, 48 - number % 8)
    encode = Encoder()
    tokenise_split(HumanML3D(folder), "all", encode, tmp_path / "out", encoder="a")
    lengths = [length for batch in encode.lengths for length in batch]
    assert lengths == sorted(lengths) and set(lengths) == {40, 44, 48}
    assert [len(batch) for batch in encode.lengths] == [20, 20, 16]


def test_an_interrupted_call_resumes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("atom.humanml3d.motion_tokens._BATCH_SIZE", 10)
    dataset, output = HumanML3D(folder), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        tokenise_split(dataset, "all", Encoder(calls=3), output, encoder="a")
    assert not (output / "all.parquet").exists()
    progress, encode = [], Encoder()
    result = tokenise_split(dataset, "all", encode, output, encoder="a", progress=lambda *at: progress.append(at))
    assert (result.encoded, result.reused) == (COUNT - 30, 30) and sum(map(len, encode.lengths)) == COUNT - 30
    assert progress == [(40, COUNT), (50, COUNT), (COUNT, COUNT)]
    whole = tmp_path / "whole"
    tokenise_split(dataset, "all", Encoder(), whole, encoder="a")
    assert pq.read_table(output / "all.parquet").equals(pq.read_table(whole / "all.parquet"))


def test_damaged_and_outdated_codes_are_encoded_again(folder, tmp_path):
    dataset, output = HumanML3D(folder), tmp_path / "out"
    tokenise_split(dataset, "test", Encoder(), output, encoder="a")
    right = codes(output, "000006")
    (output / "TOKENS/000006.npy").write_bytes(b"\x93NUMPY")
    np.save(output / "TOKENS/M000006.npy", np.zeros(5))
    cut(folder, "000005", 40)
    later = (output / "TOKENS/000005.npy").stat().st_mtime + 5
    os.utime(folder / "new_joint_vecs/000005.npy", (later, later))
    result = tokenise_split(dataset, "test", Encoder(), output, encoder="a")
    assert (result.encoded, result.reused) == (3, 1)
    np.testing.assert_array_equal(codes(output, "000006"), right)
    assert codes(output, "000005").shape == (1, 10) and codes(output, "M000006").shape == (1, 12)


def test_a_clip_that_fails_does_not_affect_others(folder, tmp_path):
    dataset, output = HumanML3D(folder), tmp_path / "out"
    refused = dataset.read_clip("000002")
    (folder / "new_joint_vecs/000001.npy").unlink()
    cut(folder, "000003", 39)
    result = tokenise_split(dataset, "train", Encoder(refused=[refused]), output, encoder="a")
    assert dict(result.quarantined).keys() == {"000001", "000002", "000003"} and result.encoded == 47
    reasons = dict(result.quarantined)
    assert (
        "no such file" in reasons["000001"]
        and reasons["000002"] == "can't be encoded"
        and "39 frames" in reasons["000003"]
    )
    ids = pq.read_table(output / "train.parquet")["id"].to_pylist()
    assert len(ids) == 47 and not {"000001", "000002", "000003"} & set(ids)


def test_a_wrong_number_of_codes_is_not_written(folder, tmp_path):
    result = tokenise_split(
        HumanML3D(folder), "val", lambda clips: [[1, 2]] * len(clips), tmp_path / "out", encoder="a"
    )
    assert result.encoded == 0 and dict(result.quarantined)["000004"].startswith("48 frames became 2 codes")
    assert list((tmp_path / "out/TOKENS").iterdir()) == []


def test_codes_of_two_encoders_are_kept_apart(folder, tmp_path):
    dataset, output = HumanML3D(folder), tmp_path / "out"
    tokenise_split(dataset, "val", Encoder(), output, encoder="first")
    with pytest.raises(AtomError, match="holds the codes of encoder first, not of second"):
        tokenise_split(dataset, "test", Encoder(), output, encoder="second")
    tokenise_split(dataset, "test", Encoder(), output, encoder="first")
    (output / "encoder.txt").unlink()
    with pytest.raises(AtomError, match="an unknown encoder"):
        tokenise_split(dataset, "test", Encoder(), output, encoder="first")


def test_a_generator_encodes_as_it_does_alone(folder, tmp_path):
    generator, dataset, output = Generator.load(), HumanML3D(folder), tmp_path / "out"
    tokenise_split(dataset, "test", generator.encode, output, encoder=generator.weights_hash)
    for id in dataset.read_ids("test"):
        assert codes(output, id)[0].tolist() == generator.encode([dataset.read_clip(id)])[0]
