"""A sound dataset has no finding; each way to break it gives its own finding."""

import json
import shutil

import numpy as np
import pytest

from atom.errors import AtomError
from atom.humanml3d.dataset import HumanML3D
from atom.humanml3d.dataset_checks import FINDING_KINDS, MAX_MEASURED_CLIPS, check_dataset, sample_clips

WORDS = "a/DET person/NOUN"


def features(folder, id):
    return folder / f"new_joint_vecs/{id}.npy"


def change(folder, id, edit):
    """Replace a clip by `edit` of it."""
    np.save(features(folder, id), edit(np.load(features(folder, id))), allow_pickle=True)


def append(path, text):
    path.write_text(path.read_text() + text)


def remove_clip(folder, id):
    features(folder, id).unlink()
    (folder / f"texts/{id}.txt").unlink()
    for path in folder.glob("*.txt"):
        path.write_text("\n".join(name for name in path.read_text().split() if name != id))


def with_nan(clip):
    clip[5, 100] = np.nan
    return clip


def normalise_all(folder):
    mean, std = np.load(folder / "Mean.npy"), np.load(folder / "Std.npy")
    change(folder, "000005", lambda clip: (clip - mean) / std)


def growing_legs(clip):
    clip[:, 4:67] *= np.linspace(1, 1.4, len(clip))[:, None]
    return clip


def in_millimetres(clip):
    clip[:, 3:67] *= 1000
    return clip


def scale_statistics(folder, name, block, factor):
    values = np.load(folder / f"{name}.npy")
    values[block] *= factor
    np.save(folder / f"{name}.npy", values)


def shift_mean(folder):
    mean = np.load(folder / "Mean.npy")
    mean[3] += 10
    np.save(folder / "Mean.npy", mean)


# the change to the dataset, the expected findings, and a part of the first place that the first finding names
FAULTS = {
    "split of bytes": (lambda f: (f / "val.txt").write_bytes(b"\xff\xfe"), ["split"], "val.txt"),
    "split with a path": (lambda f: append(f / "test.txt", "../x\n"), ["split"], "'../x' can't be the name"),
    "no texts": (
        lambda f: shutil.rmtree(f / "texts"),
        ["no captions folder", "no captions"],
        "HumanML3D",
    ),
    "id without anything": (lambda f: append(f / "train.txt", "999999\n"), ["absent"], "999999"),
    "features gone": (lambda f: features(f, "M000001").unlink(), ["no features"], "M000001"),
    "captions gone": (lambda f: (f / "texts/000001.txt").unlink(), ["no captions"], "000001"),
    "id in train and test": (
        lambda f: append(f / "test.txt", "000001\n"),
        ["overlap", "mirror leak"],
        "000001 in train and test",
    ),
    "mirror image in another split": (
        lambda f: [
            append(f / "test.txt", "M000004\n"),
            (f / "val.txt").write_text("000004\n"),
            (f / "train_val.txt").unlink(),
        ],
        ["mirror leak", "no split"],
        "M000004: val and test",
    ),
    "test clips in train_val": (
        lambda f: append(f / "train_val.txt", "000005\nM000005\n"),
        ["overlap"],
        "000005 in train_val and test",
    ),
    "damaged by mirroring": (
        lambda f: append(f / "texts/M000001.txt", f"he walks clock wise#{WORDS}#0#0\nhe stands upleft#{WORDS}#0#0\n"),
        ["mirrored words"],
        "M000001: clock wise",
    ),
    "truncated file": (
        lambda f: features(f, "000003").write_bytes(features(f, "000003").read_bytes()[:-9]),
        ["unreadable"],
        "000003",
    ),
    "pickled file": (lambda f: change(f, "000003", lambda _: np.array([{}])), ["unreadable"], "000003"),
    "joints instead of features": (
        lambda f: change(f, "000003", lambda _: np.zeros((50, 22, 3))),
        ["width"],
        "(50, 22, 3)",
    ),
    "251 features": (lambda f: change(f, "000003", lambda clip: clip[:, :251]), ["width"], "251)"),
    "normalised": (normalise_all, ["normalised"], "000005"),
    "captions in latin-1": (lambda f: (f / "texts/000002.txt").write_bytes(b"\xe9#a/B#0#0"), ["encoding"], "000002"),
    "mean of 3 numbers": (lambda f: np.save(f / "Mean.npy", np.zeros(3)), ["statistics"], "(3,)"),
    "mean and std swapped": (
        lambda f: [
            (f / "Mean.npy").rename(f / "x"),
            (f / "Std.npy").rename(f / "Mean.npy"),
            (f / "x").rename(f / "Std.npy"),
        ],
        ["statistics"],
        "",
    ),
    "mean of other data": (shift_mean, ["mean"], "root height: feature 3"),
    "std of other data": (lambda f: scale_statistics(f, "Std", slice(67, 193), 5), ["std"], "rotations: 5 times"),
    "std of features, not of blocks": (
        lambda f: scale_statistics(f, "Std", slice(70, 71), 1.5),
        ["uneven"],
        "rotations",
    ),
    "NaN": (lambda f: change(f, "000002", with_nan), ["not finite"], "000002"),
    "a body in millimetres": (lambda f: change(f, "000005", in_millimetres), ["body"], "000005"),
    "legs that grow": (lambda f: change(f, "000005", growing_legs), ["body"], "000005"),
    "mirror image alone": (lambda f: remove_clip(f, "000001"), ["orphan"], "M000001"),
    "id named twice": (lambda f: append(f / "train.txt", "000001\n"), ["twice"], "000001 in train"),
    "the same clip under two names": (
        lambda f: shutil.copy(features(f, "000002"), features(f, "000001")),
        ["duplicate"],
        "000002 = 000001",
    ),
    "broken caption": (lambda f: append(f / "texts/000002.txt", "hello\n"), ["lines"], "000002 line 4: has 1 fields"),
    "no caption": (lambda f: (f / "texts/000002.txt").write_text("\n"), ["empty"], "000002"),
    "no std": (lambda f: (f / "Std.npy").unlink(), ["no statistics"], "Std.npy"),
    "39 frames": (lambda f: change(f, "000005", lambda clip: clip[:39]), ["short"], "000005: 39 frames"),
    "no frames": (lambda f: change(f, "000005", lambda clip: clip[:0]), ["short"], "000005: 0 frames"),
    "200 frames": (
        lambda f: change(f, "000005", lambda clip: np.repeat(clip, 6, axis=0)[:200]),
        ["long"],
        "000005: 200 frames",
    ),
    "a part that is not there": (
        lambda f: append(f / "texts/000002.txt", f"later#{WORDS}#20#30\n"),
        ["part"],
        "000002, 20 to 30 s: 0 frames",
    ),
    "no val.txt": (lambda f: (f / "val.txt").unlink(), ["no split"], "val.txt"),
    "a clip in no split": (
        lambda f: np.save(features(f, "000099"), np.load(features(f, "000005"))[1:]),
        ["unused"],
        "000099",
    ),
}


def test_a_sound_dataset_has_no_finding(folder):
    progress = []
    report = check_dataset(folder, lambda done, total: progress.append((done, total)))
    assert report.findings == () and report.is_sound
    splits = {"train": 50, "val": 2, "test": 4, "train_val": 52, "all": 56}
    assert report.counts == {**splits, "clips": 56, "frames": 56 * 48, "captions": 168}
    assert progress == [(done, 112) for done in range(1, 113)]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_own_finding(folder, fault):
    spoil, kinds, place = FAULTS[fault]
    spoil(folder)
    report = check_dataset(folder)
    assert [finding.kind for finding in report.findings] == kinds
    first = report.findings[0]
    assert place in first.where[0] and first.count >= 1 and first.remedy
    assert (first.severity, first.what, first.remedy) == FINDING_KINDS[first.kind]
    assert report.is_sound == (FINDING_KINDS[kinds[0]][0] != "error")


def test_few_clips_say_nothing_about_statistics(folder):
    shift_mean(folder)
    (folder / "train.txt").write_text("\n".join(HumanML3D(folder).read_ids("train")[:-1]))
    assert check_dataset(folder).findings == ()


def test_a_finding_counts_all_places_and_names_the_first(folder):
    for path in (folder / "texts").iterdir():
        path.write_text("")
    (finding,) = check_dataset(folder).findings
    assert finding.count == 56
    assert finding.where == ("000000", "000001", "000002", "000003", "000004")


def test_the_worst_comes_first_and_the_report_is_data(folder):
    (folder / "val.txt").unlink()
    change(folder, "000002", with_nan)
    (folder / "texts/000001.txt").write_bytes(b"\xe9")
    report = check_dataset(folder)
    assert [finding.severity for finding in report.findings] == ["error", "warning", "note"]
    read = json.loads(json.dumps(report.to_dict()))
    assert read["sound"] is False and read["findings"][1]["where"] == ["000002"]


def test_every_kind_of_fault_is_tried():
    tried = {kind for _, kinds, _ in FAULTS.values() for kind in kinds} | {"motiongpt"}
    assert tried == set(FINDING_KINDS)


def test_the_statistics_of_motiongpt_are_recognised(folder, shared):
    for name in ("Mean", "Std"):
        shutil.copyfile(shared / f"data/humanml3d/motiongpt_{name.lower()}.npy", folder / f"{name}.npy")
    (finding,) = check_dataset(folder).findings
    assert (finding.kind, finding.severity) == ("motiongpt", "error")
    shutil.copyfile(shared / "data/humanml3d/HumanML3D_Std.npy", folder / "Std.npy")
    (finding,) = check_dataset(folder).findings
    assert finding.kind == "statistics" and "give both of one pair" in finding.where[0]


@pytest.mark.parametrize("pair", ["HumanML3D_{}", "motiongpt_{}"])
def test_a_real_clip_is_sound_when_raw_and_found_when_normalised(folder, shared, pair):
    data = shared / "data/humanml3d"
    clip = np.load(data / "new_joint_vecs_012314.npy")
    np.save(features(folder, "000005"), clip)
    assert check_dataset(folder).findings == ()
    names = ("Mean", "Std") if pair.startswith("H") else ("mean", "std")
    mean, std = (np.load(data / f"{pair.format(name)}.npy") for name in names)
    np.save(features(folder, "000005"), ((clip - mean) / std).astype(np.float32))
    assert [finding.kind for finding in check_dataset(folder).findings] == ["normalised"]


def test_a_large_split_is_sampled_evenly():
    class Numbers:
        def read_clip(self, id):
            if id == 0:
                raise AtomError("broken")
            return id

    ids = list(range(3 * MAX_MEASURED_CLIPS))
    assert list(sample_clips(Numbers(), ids)) == ids[3::3]
    assert list(sample_clips(Numbers(), ids, max_clips=None)) == ids[1:]
    assert list(sample_clips(Numbers(), [])) == []


def test_a_folder_of_another_layout_is_refused(tmp_path):
    with pytest.raises(AtomError, match="no folder new_joint_vecs"):
        check_dataset(tmp_path)


def test_nothing_is_written(folder):
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    check_dataset(folder)
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before
    assert HumanML3D(folder).read_ids("val") == ["000004", "M000004"]
