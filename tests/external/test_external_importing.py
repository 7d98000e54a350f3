"""Folders of generators as sets, and their import: texts, samples, records, rows set aside, memory that stays flat."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from atom.errors import AtomError
from atom.external.importing import import_motions
from atom.external.motion_set import derive_prompts, read_motion_set
from atom.external.prompt_list import read_prompt_list
from atom.motion_formats.conversion import SourceSettings
from atom.motion_formats.formats import find_format
from atom.motion_formats.skeletons import SOMA_30
from tests.motion_formats.source_files import (
    TEXT,
    expected,
    frame_times,
    joints_at,
    smpl_parameters,
    soma_arrays,
    write_json,
    write_mdm,
)


@pytest.fixture(scope="module")
def walk():
    return joints_at(frame_times(20)).astype(np.float32)


@pytest.fixture
def kimodo(tmp_path):
    """Two samples of one prompt, as `kimodo --num_samples 2` leaves them."""
    folder = tmp_path / "kimodo"
    folder.mkdir()
    write_json(folder / "meta.json", {"text": TEXT, "duration": len(frame_times(30)) / 30})
    for number in range(2):
        np.savez(folder / f"motion_{number:02d}.npz", **soma_arrays(SOMA_30, 30))
    return folder


def test_a_generators_folder_is_a_set_as_it_is(kimodo):
    motions = read_motion_set(kimodo)
    assert [(entry.text, entry.sample, entry.where) for entry in motions.entries] == [
        (TEXT, 0, "motion_00.npz"),
        (TEXT, 1, "motion_01.npz"),
    ]
    for entry in motions.entries:
        assert np.abs(motions.joints(entry) - expected(30)).max() < 1e-3
    (prompt,), quarantined = derive_prompts(motions)
    assert (prompt.text, len(prompt.events), quarantined) == (TEXT, 1, [])


def test_an_import_writes_a_set_of_our_own_form_with_what_was_done(kimodo, tmp_path):
    counts = import_motions(read_motion_set(kimodo), tmp_path / "set")
    assert counts.written == 2 and counts.rejected == []
    assert counts.sources == {("kimodo", "30 (file)", "y (format)", "1 m (format)"): 2}
    rows = [json.loads(line) for line in (tmp_path / "set/index.jsonl").read_text().splitlines()]
    assert [row["sample"] for row in rows] == [0, 1] and rows[0]["text"] == TEXT and rows[0]["fps"] == 20
    assert rows[0]["conversion"]["source_frames"] == 91 and rows[0]["conversion"]["fps_from"] == "file"
    imported = read_motion_set(tmp_path / "set")
    for entry, original in zip(imported.entries, read_motion_set(kimodo).entries):
        np.testing.assert_array_equal(imported.joints(entry), read_motion_set(kimodo).joints(original))
        assert imported.convert(entry).record.remarks == ()


def test_a_folder_that_is_not_empty_is_left_alone(kimodo, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine.txt").write_text("keep")
    with pytest.raises(AtomError, match="is not empty, name a new folder"):
        import_motions(read_motion_set(kimodo), tmp_path / "set")


def test_what_cannot_be_used_is_set_aside_with_its_reason(walk, tmp_path):
    source = tmp_path / "mixed"
    source.mkdir()
    write_mdm(source / "results.npy", [walk, walk * 100], [TEXT, "a person runs"])
    np.save(source / "tokens.npy", np.zeros((1, 40), int))
    np.save(source / "x_out.npy", walk[None])  # has no text
    counts = import_motions(read_motion_set(source), tmp_path / "set")
    assert counts.written == 1
    reasons = dict(counts.rejected)
    assert reasons["tokens.npy"].startswith("holds an array (1, 40) of int64, which is no motion that is known here")
    assert reasons["x_out.npy"] == "says no text: put it into a .txt beside it"
    assert "a human leg is 0.2 to 2.0 m" in reasons["results.npy, motion 1"]
    rejected = [json.loads(line) for line in (tmp_path / "set/rejected.jsonl").read_text().splitlines()]
    assert {row["where"]: row["reason"] for row in rejected} == reasons


def test_an_import_of_nothing_usable_has_no_index(walk, tmp_path):
    write_mdm(tmp_path / "results.npy", [walk * 100], [TEXT])
    with pytest.raises(AtomError, match=r"no motion can be used; the first of 1 faults, results.npy: .*human leg"):
        import_motions(read_motion_set(tmp_path / "results.npy"), tmp_path / "set")
    assert not (tmp_path / "set/index.jsonl").exists()


def test_momasks_numbers_find_their_texts_in_the_list_of_prompts(walk, tmp_path):
    for prompt in range(2):
        for repeat in range(2):
            path = tmp_path / f"out/joints/{prompt}/sample{prompt}_repeat{repeat}_len61.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, walk)
    (tmp_path / "prompts.txt").write_text(f"{TEXT}#120\na person jumps # NA\n")
    with pytest.raises(AtomError, match=r"is of prompt 0, whose text no file says: give the prompts with --texts"):
        read_motion_set(tmp_path / "out")
    motions = read_motion_set(tmp_path / "out", texts=read_prompt_list(tmp_path / "prompts.txt"))
    assert [(e.text, e.sample) for e in motions.entries] == [
        (TEXT, 0),
        (TEXT, 1),
        ("a person jumps # NA", 0),
        ("a person jumps # NA", 1),
    ]


def test_rows_of_an_index_say_rate_axis_unit_and_format(tmp_path):
    poses, trans = smpl_parameters(30)  # Y up, where AMASS would be Z up, and no rate in the file
    np.savez(tmp_path / "a.npz", poses=poses, trans=trans)
    np.save(tmp_path / "b.npy", joints_at(frame_times(30))[..., [0, 2, 1]] * [100, -100, 100])
    rows = [
        {"text": TEXT, "file": "a.npz", "fps": 30, "up": "y", "format": "smpl"},
        {"text": TEXT, "file": "b.npy", "fps": "30", "up": "z", "unit": "cm"},
        {"text": TEXT, "joints": joints_at(frame_times(30)).ravel().tolist(), "fps": 30},
        {"text": TEXT, "file": "b.npy", "fps": "fast"},
        {"text": TEXT, "file": "b.npy", "format": "vhs"},
    ]
    (tmp_path / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    motions = read_motion_set(tmp_path)
    assert len(motions.entries) == 3
    for entry in motions.entries:
        assert np.abs(motions.joints(entry) - expected(30)).max() < 1e-3
    assert [reason for _, reason in motions.quarantined] == [
        "fps 'fast' is no frame rate of 5 to 1000 a second",
        "no format is named 'vhs': it is one of " + motions.quarantined[1][1].split("one of ")[1],
    ]


def test_the_same_file_read_in_another_way_is_another_motion(tmp_path, walk):
    np.save(tmp_path / "a.npy", walk)

    def digest(**settings):
        (tmp_path / "index.jsonl").write_text(json.dumps({"text": TEXT, "file": "a.npy"} | settings) + "\n")
        return read_motion_set(tmp_path).entries[0].digest

    assert len({digest(), digest(fps=30), digest(up="z"), digest(unit="cm"), digest(format="joints")}) == 5


def test_what_the_user_says_changes_the_digest_of_a_generators_folder(kimodo):
    digests = {read_motion_set(kimodo, settings=SourceSettings(fps=fps)).entries[0].digest for fps in (None, 25, 50)}
    assert len(digests) == 3
    with pytest.raises(AtomError, match=r"holds no joints of a known skeleton|says no text"):
        read_motion_set(kimodo, form=find_format("joints"), settings=SourceSettings(fps=30))


def test_settings_beside_a_table_of_our_own_form_are_refused(tmp_path, walk):
    np.save(tmp_path / "a.npy", walk)
    (tmp_path / "index.jsonl").write_text(json.dumps({"text": TEXT, "file": "a.npy"}) + "\n")
    with pytest.raises(AtomError, match="write format, fps, up and unit into its rows"):
        read_motion_set(tmp_path, settings=SourceSettings(fps=30))


def test_an_import_that_was_stopped_starts_anew_in_its_folder(kimodo, tmp_path):
    target = tmp_path / "set"
    (target / "motions/0000").mkdir(parents=True)
    (target / "motions/0000/0000000.npy").write_bytes(b"cut o")
    (target / "index.jsonl.partial").write_text("{")
    assert import_motions(read_motion_set(kimodo), target).written == 2
    assert sorted(path.name for path in target.iterdir()) == ["index.jsonl", "motions"]
    with pytest.raises(AtomError, match="is not empty"):
        import_motions(read_motion_set(kimodo), target)


def test_threads_that_read_a_folder_get_their_own_motions(walk, tmp_path):
    """Shards are threads of one process, which share a set."""
    for number in range(8):
        np.save(tmp_path / f"{number}_out.npy", (walk + np.float32([number, 0, 0]))[None])
        (tmp_path / f"{number}_in.txt").write_text(TEXT)
    motions = read_motion_set(tmp_path)
    starts = {entry.where: int(entry.where[0]) + walk[0, 0, 0] for entry in motions.entries}
    with ThreadPoolExecutor(8) as threads:
        entries = motions.entries * 40
        for entry, joints in zip(entries, threads.map(motions.joints, entries)):
            assert joints[0, 0, 0] == pytest.approx(starts[entry.where], abs=1e-4)
