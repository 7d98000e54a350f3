"""Sets of external motions in every accepted form, and the faults in them."""

import csv
import hashlib
import json
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.external.motion_set import derive_prompts, find_unread_texts, read_motion_set, read_prompts
from atom.external.motion_table import open_motion_table
from atom.motion.features import features_to_joints, joints_to_features

TWICE, WAVE = "a person jumps twice", "a person bows, then waves with the left hand"
ROWS = ((TWICE, "a"), (TWICE, "b"), (WAVE, "c"))


@pytest.fixture(scope="module")
def bodies():
    """Three motions of different lengths by name."""
    events = {"a": [Event("jump_up", 2)], "b": [Event("jump_up", 1)], "c": [Event("bow"), Event("wave_left")]}
    return {name: make_motion(composition, np.random.default_rng(7)).joints for name, composition in events.items()}


@pytest.fixture
def folder(tmp_path, bodies):
    """A folder of motion files without an index: joints, joints in an archive, features."""
    (tmp_path / "set" / "motions").mkdir(parents=True)
    np.save(tmp_path / "set/motions/a.npy", bodies["a"])
    np.savez(tmp_path / "set/motions/b.npz", joints=bodies["b"])
    np.save(tmp_path / "set/motions/c.npy", joints_to_features(bodies["c"]))
    return tmp_path / "set"


FILES = {"a": "motions/a.npy", "b": "motions/b.npz", "c": "motions/c.npy"}


def json_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def one_row(path, **columns):
    return json_lines(path / "index.jsonl", [{"text": TWICE, "file": "motions/a.npy"}, {"text": WAVE, **columns}])


def write_index(path, form, rows):
    if form == "jsonl":
        json_lines(path / "index.jsonl", rows)
    elif form == "csv":
        with (path / "index.csv").open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(
                {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()}
                for row in rows
            )
    else:
        pq.write_table(pa.Table.from_pylist(rows), path / "index.parquet")


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_folder_with_an_index_is_read_with_all_of_its_columns(folder, bodies, form):
    columns = {
        "task": "integrity",
        "split": "test",
        "events": [{"action": "bow", "count": 2, "phrase": "bows"}],
        "seed": 2**53 + 1,
        "tokens": [3, 511],
    }
    rows = [
        {"text": text, "file": FILES[name], "prompt_id": None, "sample": None} | dict.fromkeys(columns)
        for text, name in ROWS
    ]
    rows[2] |= columns | {"sample": 4, "prompt_id": "mine-1"}
    write_index(folder, form, rows)
    motion_set = read_motion_set(folder)
    assert motion_set.quarantined == [] and motion_set.origin == "set"
    assert [(entry.text, entry.sample) for entry in motion_set.entries] == [(TWICE, 0), (TWICE, 1), (WAVE, 4)]
    plain, *_, full = motion_set.entries
    assert (plain.task, plain.split, plain.events, plain.seed, plain.tokens) == (None, None, None, None, ())
    assert (full.task, full.split, full.seed, full.tokens) == ("integrity", "test", 2**53 + 1, (3, 511))
    assert full.events == (Event("bow", 2),) and full.events[0].phrase == "bows" and full.prompt_id == "mine-1"
    assert plain.digest == hashlib.sha256((folder / FILES["a"]).read_bytes()).hexdigest()
    assert plain.prompt_id == motion_set.entries[1].prompt_id != full.prompt_id
    np.testing.assert_array_equal(motion_set.joints(plain), bodies["a"])
    np.testing.assert_array_equal(motion_set.joints(motion_set.entries[1]), bodies["b"])
    np.testing.assert_array_equal(motion_set.joints(full), features_to_joints(joints_to_features(bodies["c"])))


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("kind", ["joints", "features"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_table_of_motions_is_the_same_however_it_is_written(tmp_path, bodies, form, kind, nested):
    motions = {name: bodies[name] if kind == "joints" else joints_to_features(bodies[name]) for name in bodies}
    rows = [{"text": text, kind: (motions[name] if nested else motions[name].ravel()).tolist()} for text, name in ROWS]
    path = tmp_path / f"motions.{form}"
    json_lines(path, rows) if form == "jsonl" else pq.write_table(pa.Table.from_pylist(rows), path)
    motion_set = read_motion_set(path)
    assert motion_set.quarantined == []
    for entry, (_, name) in zip(motion_set.entries, ROWS):
        expected = motions[name] if kind == "joints" else features_to_joints(motions[name])
        np.testing.assert_array_equal(motion_set.joints(entry), expected)
        # The digest depends on the numbers alone, so all four ways to write a motion share one.
        flat = open_motion_table(json_lines(tmp_path / "flat.jsonl", [{kind: motions[name].ravel().tolist()}]))
        assert entry.digest == next(flat.rows()).digest
    assert len({entry.digest for entry in motion_set.entries}) == 3


@pytest.mark.parametrize("missing", [None, float("nan"), [], " "])
def test_a_value_that_a_format_writes_for_none_is_none(tmp_path, bodies, missing):
    columns = dict.fromkeys(("prompt_id", "task", "split", "sample", "seed", "tokens", "events", "file"), missing)
    rows = [columns | {"text": text, "joints": bodies["a"].tolist()} for text in (TWICE, WAVE)]
    motion_set = read_motion_set(json_lines(tmp_path / "m.jsonl", rows))
    assert motion_set.quarantined == []
    for entry in motion_set.entries:
        assert (entry.task, entry.split, entry.events, entry.seed, entry.tokens) == (None, None, None, None, ())
        assert (entry.sample, entry.file) == (0, "")


def test_samples_of_a_table_are_numbered_after_those_that_are_given_and_none_is_there_twice(tmp_path, bodies):
    motion = bodies["a"].tolist()
    samples = [None, 2, None, None, 0, 2]
    path = json_lines(tmp_path / "m.jsonl", [{"text": TWICE, "joints": motion, "sample": n} for n in samples])
    motion_set = read_motion_set(path)
    assert [entry.sample for entry in motion_set.entries] == [0, 2, 3, 4]
    assert motion_set.quarantined == [
        ("m.jsonl, line 5", "sample 0 of this prompt is already in m.jsonl, line 1"),
        ("m.jsonl, line 6", "sample 2 of this prompt is already in m.jsonl, line 2"),
    ]


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_a_table_of_pandas_with_fixed_lists_and_gaps_is_read_in_any_order(tmp_path, bodies, dtype):
    """More motions than one batch holds, in uneven row groups; one row has no motion."""
    rng = np.random.default_rng(0)
    motions = [bodies["a"][:20] + 0.01 * step * np.eye(3)[step % 2 * 2] for step in range(150)]  # along x and z
    kind = pa.list_(pa.float16() if dtype == "float16" else pa.float64(), 20 * 66)
    values = [motion.ravel().astype(dtype) for motion in motions]
    values[77] = None
    table = pa.table(
        {
            "text": [f"a person jumps {'twice' if row % 2 else 'once'}" for row in range(150)],
            "sample": pa.array([float(row // 2) for row in range(150)]),
            "joints": pa.array(values, kind),
        }
    )
    pq.write_table(table, tmp_path / "m.parquet", row_group_size=70)
    motion_set = read_motion_set(tmp_path / "m.parquet")
    assert motion_set.quarantined == [
        ("m.parquet, row 78", "needs one motion: a `file`, or `joints` or `features` in the row")
    ]
    for number in [0, 1, 66, 65, 148, 3, 70, 69, *rng.integers(0, 149, 20)]:
        entry = motion_set.entries[number]
        row = number + (number >= 77)
        assert entry.where == f"m.parquet, row {row + 1}" and entry.sample == row // 2
        np.testing.assert_allclose(motion_set.joints(entry), motions[row], atol=1e-3)


def test_threads_read_a_table_side_by_side(tmp_path, bodies):
    rows = [{"text": TWICE, "joints": (bodies["a"][:8] + row).ravel().tolist()} for row in range(200)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    motion_set = read_motion_set(tmp_path / "m.parquet")
    with ThreadPoolExecutor(4) as pool:
        starts = list(pool.map(lambda entry: motion_set.joints(entry)[0, 0, 0], motion_set.entries[::-1]))
    np.testing.assert_allclose(np.array(starts[::-1]) - bodies["a"][0, 0, 0], np.arange(200), atol=1e-4)


def mdm_file(path, bodies, repetitions=2, **changes):
    """As MDM writes it: each text once, then all of them again; motions padded to one length."""
    texts = [TWICE, WAVE]
    lengths = np.array([40, 52] * repetitions)
    motion = np.stack([bodies[name][:52].transpose(1, 2, 0) for name in ("a", "c", "b", "a")[: 2 * repetitions]])
    content = {
        "motion": motion,
        "text": texts * repetitions,
        "lengths": lengths,
        "num_samples": 2,
        "num_repetitions": repetitions,
    } | changes
    np.save(path, content, allow_pickle=True)
    return path


@pytest.fixture
def long_bodies(bodies):
    return {name: np.concatenate([body, np.repeat(body[-1:], 60, axis=0)]) for name, body in bodies.items()}


def test_mdms_results_are_read_repetition_by_repetition(tmp_path, long_bodies):
    mdm_file(tmp_path / "results.npy", long_bodies)
    motion_set = read_motion_set(tmp_path)
    assert [(entry.text, entry.sample) for entry in motion_set.entries] == [
        (TWICE, 0),
        (WAVE, 0),
        (TWICE, 1),
        (WAVE, 1),
    ]
    for entry, name, length in zip(motion_set.entries, ("a", "c", "b", "a"), (40, 52, 40, 52)):
        np.testing.assert_array_equal(motion_set.joints(entry), long_bodies[name][:length])


def test_mdms_results_written_by_an_older_numpy_are_read(tmp_path, long_bodies):
    mdm_file(tmp_path / "results.npy", long_bodies, num_samples=np.int64(2))
    content = (tmp_path / "results.npy").read_bytes()
    older = content.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    assert older != content
    size = content.index(b"\x80\x04\x95") + 3  # where protocol 4 has the length of its frame
    frame = int.from_bytes(content[size : size + 8], "little") - (len(content) - len(older))
    (tmp_path / "results.npy").write_bytes(older[:size] + frame.to_bytes(8, "little") + older[size + 8 :])
    assert len(read_motion_set(tmp_path / "results.npy").entries) == 4


class Evil:
    def __reduce__(self):
        return (eval, ("1",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": [TWICE, Evil(), TWICE, WAVE]}, r"could run code when opened \(it asks for builtins\.eval\)"),
        ({"lengths": np.array([Evil()] * 4, dtype=object)}, "could run code when opened"),
        ({"motion": np.zeros((4, 21, 3, 52), np.float32)}, r"shape \(4, 21, 3, 52\)"),
        ({"motion": np.zeros((3, 22, 3, 52), np.float32)}, "3 motions, 4 texts and 4 lengths"),
        ({"text": [0, 1, 2, 3]}, "texts are not strings"),
    ],
)
def test_mdms_results_can_run_no_code_and_must_be_whole(tmp_path, long_bodies, capsys, changes, message):
    path = mdm_file(tmp_path / "results.npy", long_bodies, **changes)
    with pytest.raises(AtomError, match=message):
        read_motion_set(path)
    assert "owned" not in capsys.readouterr().out


def test_other_arrays_and_cut_off_results_are_refused(tmp_path, long_bodies):
    np.save(tmp_path / "plain.npy", long_bodies["a"])
    with pytest.raises(AtomError, match=r"plain\.npy: says no text: put it into a \.txt beside it"):
        read_motion_set(tmp_path / "plain.npy")
    path = mdm_file(tmp_path / "results.npy", long_bodies)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(AtomError, match="is damaged"):
        read_motion_set(path)
    path.write_bytes(pickle.dumps({"motion": 1}))
    with pytest.raises(AtomError, match="is damaged"):
        read_motion_set(path)


ROW_FAULTS = {
    "no text": ({"text": "  ", "file": "motions/b.npz"}, "has no `text`"),
    "no motion": ({}, "needs one motion"),
    "two motions": ({"file": "motions/b.npz", "joints": [[[0, 0, 0]] * 22] * 8}, "needs one motion"),
    "a way out": ({"file": "../motions/a.npy"}, "leads out of the set's folder"),
    "an absolute path": ({"file": "/etc/a.npy"}, "leads out of the set's folder"),
    "a drive": ({"file": "C:\\a.npy"}, "leads out of the set's folder"),
    "a link that leads out": ({"file": "motions/link.npy"}, "leads out of the set's folder"),
    "another kind of file": ({"file": "motions/a.mp4"}, r"is no \.npy, \.npz, \.pkl, \.bvh"),
    "a missing file": ({"file": "motions/z.npy"}, "can't be read"),
    "sample": ({"file": "motions/b.npz", "sample": -1}, "sample -1 is no whole number"),
    "sample with a fraction": ({"file": "motions/b.npz", "sample": 1.5}, "sample 1.5 is no whole number"),
    "seed": ({"file": "motions/b.npz", "seed": True}, "seed True is no whole number"),
    "task": ({"file": "motions/b.npz", "task": "order"}, "task 'order' is none of integrity, temporal, frequency"),
    "split": ({"file": "motions/b.npz", "split": "dev"}, "split 'dev' is none of train"),
    "prompt_id": ({"file": "motions/b.npz", "prompt_id": "../x"}, r"prompt_id '\.\./x' must be"),
    "token": ({"file": "motions/b.npz", "tokens": [1, 99999]}, "token 99999 is no whole number from 0 to 32767"),
    "tokens": ({"file": "motions/b.npz", "tokens": {"a": 1}}, "no list of codebook entries"),
    "events": ({"file": "motions/b.npz", "events": "bows"}, "events 'bows' are not JSON"),
    "no action": ({"file": "motions/b.npz", "events": [{"action": " "}]}, "an action has 1 to"),
    "count": ({"file": "motions/b.npz", "events": [{"action": "bow", "count": 0}]}, "count 0 of 'bow' is less than 1"),
    "side": (
        {"file": "motions/b.npz", "events": [{"action": "wave left hand", "side": "right"}]},
        "given as right, and its words name left",
    ),
    "uneven joints": ({"joints": [[1, 2], [3]]}, "no even table of numbers"),
    "words for joints": ({"joints": "abc"}, "no even table of numbers"),
    "sample twice": (
        {"text": TWICE, "file": "motions/b.npz", "sample": 0},
        r"sample 0 of this prompt is already in index\.jsonl, line 1",
    ),
}


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_a_faulty_row_is_set_aside_with_its_reason(folder, fault):
    columns, message = ROW_FAULTS[fault]
    (folder / "motions/link.npy").symlink_to("/etc/passwd")
    one_row(folder, **columns)
    motion_set = read_motion_set(folder)
    assert [entry.file for entry in motion_set.entries] == ["motions/a.npy"]
    ((where, reason),) = motion_set.quarantined
    assert where == "index.jsonl, line 2"
    assert re.search(message, reason), reason


def test_lines_that_are_no_objects_and_rows_that_are_too_long_are_set_aside(folder):
    (folder / "index.jsonl").write_text(f'{{"text": "{TWICE}", "file": "motions/a.npy"}}\n\n[1]\n{{"text": "x", "fi')
    motion_set = read_motion_set(folder)
    assert [(where, reason[:20]) for where, reason in motion_set.quarantined] == [
        ("index.jsonl, line 3", "is not a JSON object"),
        ("index.jsonl, line 4", "is not JSON: it is c"),
    ]
    (folder / "index.jsonl").unlink()
    (folder / "index.csv").write_text(f"text,file\n{TWICE},motions/a.npy\n{WAVE},motions/b.npz,3\n")
    assert read_motion_set(folder).quarantined == [("index.csv, line 3", "has more columns than the 2 named")]


def test_one_prompt_id_stands_for_one_text(folder):
    motion_set = read_set(folder, {"text": TWICE, "prompt_id": "p"}, {"text": WAVE, "prompt_id": "p"})
    ((where, reason),) = motion_set.quarantined
    assert where == "index.jsonl, line 2" and "stands for another text in index.jsonl, line 1" in reason


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "is no set of motions"),
        ("a.jsonl", b"", "holds no motion that can be used, a row needs"),
        ("a.jsonl", b"[]\n", "the first of 1 faults, a.jsonl, line 1: is not a JSON object"),
        ("a.parquet", b"PAR1 but not really", "is not a Parquet file"),
        ("a.csv", b"text,file\n\xff\xfe,a.npy\n", "no comma-separated table in UTF-8"),
    ],
)
def test_a_set_that_can_not_be_read_at_all_is_an_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AtomError, match=message) as raised:
        read_motion_set(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_a_folder_needs_one_index(tmp_path):
    with pytest.raises(
        AtomError, match="holds no motion that can be used, each needs a text and a file of a known format"
    ):
        read_motion_set(tmp_path)
    with pytest.raises(AtomError, match="no such file"):
        read_motion_set(tmp_path / "missing.jsonl")
    (tmp_path / "index.jsonl").touch()
    (tmp_path / "index.csv").touch()
    with pytest.raises(AtomError, match=r"holds index\.jsonl and index\.csv, keep the right one"):
        read_motion_set(tmp_path)


def test_a_damaged_page_of_a_parquet_table_is_an_error(tmp_path, bodies):
    rows = [{"text": TWICE, "joints": bodies["a"].ravel().tolist()}] * 3
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    content = bytearray((tmp_path / "m.parquet").read_bytes())
    content[100:2000] = bytes(1900)
    (tmp_path / "m.parquet").write_bytes(content)
    with pytest.raises(AtomError, match=r"m\.parquet: can't be read to its end"):
        read_motion_set(tmp_path / "m.parquet")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda body: np.where(np.arange(len(body))[:, None, None] == 5, np.nan, body),
            "NaN or infinity, first frame 5",
        ),
        (lambda body: body[:3], "has 3 frames"),
        (lambda body: body[:, :20], r"shape \(\d+, 20, 3\)|no motion that is known"),
        (lambda body: body[:, :21], r"joints are in another order|\(\d+, 21, 3\)"),  # as many as KIT-ML has
        (lambda body: body * 100, "metres"),
    ],
)
def test_an_array_that_is_no_motion_is_found_when_it_is_loaded(folder, bodies, spoil, message):
    np.save(folder / "motions/b.npy", spoil(bodies["b"]))
    one_row(folder, file="motions/b.npy")
    motion_set = read_motion_set(folder)
    assert len(motion_set.entries) == 2
    with pytest.raises(AtomError, match=message):
        motion_set.joints(motion_set.entries[1])
    json_lines(folder / "table.jsonl", [{"text": WAVE, "joints": spoil(bodies["b"]).tolist()}])
    motion_set = read_motion_set(folder / "table.jsonl")
    with pytest.raises(AtomError, match=f"table.jsonl, line 1: .*{message}"):
        motion_set.joints(motion_set.entries[0])


def test_numbers_that_are_no_whole_frames_are_found_when_loaded(tmp_path):
    motion_set = read_motion_set(json_lines(tmp_path / "m.jsonl", [{"text": WAVE, "joints": [0.0] * 667}]))
    with pytest.raises(AtomError, match=r"m\.jsonl, line 1: has shape \(667,\)"):
        motion_set.joints(motion_set.entries[0])


def read_set(folder, *rows):
    json_lines(folder / "index.jsonl", [{"file": "motions/a.npy", **row} for row in rows])
    return read_motion_set(folder)


def test_prompts_take_events_from_the_text_and_the_task_from_the_events(folder):
    motion_set = read_set(folder, {"text": TWICE}, {"text": WAVE}, {"text": TWICE}, {"text": "a person bows"})
    prompts, quarantined = derive_prompts(motion_set, split="test")
    assert quarantined == []
    assert [prompt.task for prompt in prompts] == ["frequency", "temporal", "integrity"]
    expected = [(Event("jump_up", 2),), (Event("bow", None), Event("wave_left", None)), (Event("bow", None),)]
    assert [prompt.events for prompt in prompts] == expected
    assert {prompt.split for prompt in prompts} == {"test"} and {prompt.source for prompt in prompts} == {"set"}
    assert [entry.prompt_id for entry in motion_set.entries] == [prompts[n].prompt_id for n in (0, 1, 0, 2)]
    assert derive_prompts(read_set(folder, {"text": TWICE}))[0][0].prompt_id == prompts[0].prompt_id


def test_the_columns_of_a_row_take_precedence_over_the_text(folder):
    columns = {"events": [{"action": "clap", "count": 3}], "task": "integrity", "split": "val"}
    motion_set = read_set(
        folder, {"text": "someone applauds a lot", "sample": 1}, {"text": "someone applauds a lot", **columns}
    )
    (prompt,), quarantined = derive_prompts(motion_set)
    assert quarantined == [] and prompt.events == (Event("clap", 3),)
    assert (prompt.task, prompt.split) == ("integrity", "val")


def test_events_in_words_are_the_same_as_those_that_are_read(folder):
    rows = [
        {"text": "does it", "events": [{"action": "wave left hand", "side": "left", "count": 1}]},
        {"text": "he hurls a ball"},
        {"text": "he throws it far", "events": [{"action": "hurl ball", "phrase": "throws it"}]},
    ]
    prompts, quarantined = derive_prompts(read_set(folder, *rows))
    assert quarantined == []
    assert [prompt.events for prompt in prompts] == [
        (Event("wave_left", 1),),
        (Event("hurl ball", None),),
        (Event("hurl ball", None),),
    ]


def test_texts_without_a_motion_and_rows_that_disagree_have_no_prompt(folder):
    bow, jump = [{"action": "bow"}], [{"action": "jump_up"}]
    motion_set = read_set(
        folder,
        {"text": "a red table"},
        {"text": "a person bows and juggles"},
        {"text": "..."},
        {"text": "hm", "events": bow},
        {"text": "hm", "events": jump},
        {"text": TWICE},
    )
    prompts, quarantined = derive_prompts(motion_set)
    assert [prompt.text for prompt in prompts] == ["a person bows and juggles", TWICE]
    assert [where[-1] for where, _ in quarantined] == ["1", "3", "4"]
    reasons = [reason for _, reason in quarantined]
    assert "'a red table' can't be read (No verb" in reasons[0] and "no words" in reasons[1]
    assert "rows disagree on the events: see index.jsonl, line 4 and index.jsonl, line 5" in reasons[2]


def test_prompts_files_are_read_strictly(tmp_path):
    rows = [{"text": TWICE}, {"text": "hm", "events": [{"action": "bow"}], "prompt_id": "p", "split": "test"}]
    path = json_lines(tmp_path / "p.jsonl", rows)
    first, second = read_prompts(path)
    assert (first.task, first.split, second.prompt_id, second.split) == ("frequency", "train", "p", "test")
    for more, message in (
        ([rows[0]], "line 3: the prompt .* twice"),
        ([{"text": "a red table"}], "line 3: 'a red table' can't be read"),
    ):
        json_lines(path, rows + more)
        with pytest.raises(AtomError, match=message):
            read_prompts(path)
    with pytest.raises(AtomError, match="no such file"):
        read_prompts(tmp_path / "q.jsonl")
    path.write_text("\n")
    with pytest.raises(AtomError, match="holds no prompt"):
        read_prompts(path)


def test_texts_whose_events_no_row_gives_are_read_once_each():
    rows = [
        ("p0", "he jumps", ()),
        ("p1", "she bows", None),
        ("p0", "he jumps", None),
        ("p2", "he claps", None),
        ("p1", "she bows", None),
    ]
    entries = [SimpleNamespace(prompt_id=prompt, text=text, events=events) for prompt, text, events in rows]
    assert find_unread_texts(SimpleNamespace(entries=entries)) == ["she bows", "he claps"]
