import numpy as np
import pytest

from atom.errors import AtomError
from atom.humanml3d.dataset import HumanML3D

WORDS = "a/DET person/NOUN"


def write_clip(folder, id, frames, captions=f"a person#{WORDS}#0#0\n"):
    """Write a clip in which every row holds its own index, so that tests can see which rows were read."""
    rows = np.repeat(np.arange(frames, dtype=np.float32)[:, None], 263, axis=1)
    np.save(folder / f"new_joint_vecs/{id}.npy", rows)
    (folder / f"texts/{id}.txt").write_text(captions)


def dataset_of(folder, *ids):
    (folder / "test.txt").write_text("\n".join(ids))
    return HumanML3D(folder)


def test_every_caption_comes_with_its_clip(folder):
    dataset = HumanML3D(folder)
    items = list(dataset.read_captioned_motions("test"))
    assert [item.id for item in items] == [id for id in dataset.read_ids("test") for _ in range(3)]
    assert [item.caption for item in items[:3]] == dataset.read_captions("000005")
    for item in items:
        np.testing.assert_array_equal(item.features, np.load(folder / f"new_joint_vecs/{item.id}.npy"))
        assert item.features.dtype == np.float32
    assert dataset.read_statistics().name == "unknown"


def test_ids_come_in_the_order_of_the_file_and_once(folder):
    dataset = dataset_of(folder, "000006", "000005 ", "", "000006")
    assert dataset.read_ids("test") == ["000006", "000005"]


@pytest.mark.parametrize(("frames", "is_kept"), [(39, False), (40, True), (199, True), (200, False)])
def test_clips_of_a_wrong_length_are_left_out(folder, frames, is_kept):
    write_clip(folder, "x", frames)
    quarantined = []
    items = list(dataset_of(folder, "x").read_captioned_motions("test", quarantined))
    assert len(items) == is_kept
    assert quarantined == ([] if is_kept else [("x", f"has {frames} frames, 40 to 199 are allowed")])


def test_times_cut_the_clip(folder):
    spans = ["1.0#3.0", "0.0#2.04", "2.0#nan", "0.5#2.0", "5.0#99", "8.5#20", "0#0"]
    write_clip(folder, "x", 180, "".join(f"part {span}#{WORDS}#{span}\n" for span in spans))
    quarantined = []
    items = list(dataset_of(folder, "x").read_captioned_motions("test", quarantined))
    cut = {item.caption.text: (item.features[0, 0], item.features[-1, 0]) for item in items}
    assert cut == {"part 0#0": (0, 179), "part 1.0#3.0": (20, 59), "part 0.0#2.04": (0, 39), "part 5.0#99": (100, 179)}
    assert quarantined == [
        ("x line 3", "goes from 2 to 0 s, which is no span of time"),
        ("x, 0.5 to 2 s", "has 30 frames, 40 to 199 are allowed"),
        ("x, 8.5 to 20 s", "has 10 frames, 40 to 199 are allowed"),
    ]


def test_damaged_clips_are_left_out_with_the_reason(folder):
    for id, array in (
        ("nan", np.full((50, 263), np.nan)),
        ("wide", np.zeros((50, 300))),
        ("flat", np.zeros(263)),
        ("whole", np.zeros((50, 263), dtype=int)),
        ("objects", np.array([{}])),
    ):
        write_clip(folder, id, 50)
        np.save(folder / f"new_joint_vecs/{id}.npy", array, allow_pickle=True)
    write_clip(folder, "latin", 50)
    (folder / "texts/latin.txt").write_bytes(b"\xe9")
    write_clip(folder, "silent", 50, "")
    write_clip(folder, "good", 50)
    quarantined = []
    dataset = dataset_of(folder, "nan", "wide", "flat", "whole", "objects", "absent", "latin", "silent", "good")
    assert [item.id for item in dataset.read_captioned_motions("test", quarantined)] == ["good"]
    reasons = dict(quarantined)
    assert list(reasons) == ["nan", "wide", "flat", "whole", "objects", "absent", "latin", "silent"]
    for id, words in {
        "nan": "50 of 50 frames hold NaN",
        "wide": "(50, 300)",
        "flat": "(263,)",
        "whole": "int64",
        "objects": "is not a complete NumPy array",
        "absent": "no such file",
        "latin": "UTF-8",
        "silent": "no caption",
    }.items():
        assert words in reasons[id] and "\n" not in reasons[id]


def test_one_caption_each_is_drawn_by_seed_and_id_alone(folder):
    captions = "".join(f"caption {i}#{WORDS}#0#0\n" for i in range(5)) + f"part#{WORDS}#1#4\n"
    names = [f"c{i}" for i in range(40)]
    for id in names:
        write_clip(folder, id, 100, captions)
    dataset = dataset_of(folder, *names)

    def draw(seed):
        return [(item.id, item.caption.text) for item in dataset.draw_one_caption_each("test", seed)]

    first = draw(0)
    assert first == draw(0) and first != draw(1)
    assert [id for id, _ in first] == [id for id in names for _ in range(2)]  # the part is a motion of its own
    assert {text for _, text in first} == {*(f"caption {i}" for i in range(5)), "part"}
    (folder / "new_joint_vecs/c0.npy").unlink()
    assert draw(0) == first[2:]


def test_clips_are_read_lazily(folder):
    dataset = HumanML3D(folder)
    items = dataset.draw_one_caption_each("train", 0)
    first = next(items)
    for path in (folder / "new_joint_vecs").iterdir():
        path.unlink()
    quarantined = []
    assert first.id == "000000" and list(items) == []
    assert list(dataset.read_captioned_motions("train", quarantined)) == [] and len(quarantined) == 50


def test_names_from_outside_do_not_leave_the_folder(folder):
    np.save(folder.parent / "secret.npy", np.zeros((50, 263), np.float32))
    for name in ("../../secret", "/etc/passwd", ".hidden", "a/b"):
        with pytest.raises(AtomError, match="can't be the name"):
            HumanML3D(folder).read_clip(name)
        with pytest.raises(AtomError, match="can't be the name"):
            HumanML3D(folder).read_ids(name)
        with pytest.raises(AtomError, match="can't be the name"):
            dataset_of(folder, "000005", name).read_ids("test")


def test_the_error_of_a_missing_split_lists_the_others(folder):
    (folder / "val.txt").unlink()
    with pytest.raises(AtomError, match="no such file, the dataset has the splits train, test, train_val, all"):
        HumanML3D(folder).read_ids("val")


def test_a_folder_of_another_layout_is_refused(tmp_path):
    with pytest.raises(AtomError, match="no folder new_joint_vecs"):
        HumanML3D(tmp_path)
