"""AToM's labels file: what is read, what is quarantined and why, and the rows that AToM's loader makes of it."""

import json
import os

import numpy as np
import pytest
import transformers
from datasets import Dataset

from atom.errors import AtomError
from atom.preferences.labels import DEGREE, LabelledPair, get_token_path, read_labels, write_labels
from atom.preferences.training_rows import DEGREES_OF_TYPE, SMOOTHING, UNSURE, build_atom_training_rows

WORDS = [*SMOOTHING]


def sample(name, **more):
    return {"features": f"features/{name}.npy", "gif": f"gifs/{name}.gif", "seed": 3, "from": "m", **more}


def annotation(choice="sample_1", degree="Better", user="a"):
    return {"choice": choice, DEGREE: degree, "user": user}


def pair(number, *annotations, tokens=((1, 2), (3,)), **more):
    line = {
        "id": number,
        "prompt": f"prompt {number}",
        "sample_1": sample(f"{number}_1"),
        "sample_2": sample(f"{number}_2"),
        "chosen": list(annotations) or [annotation()],
        **more,
    }
    return LabelledPair(line, tokens)


def test_written_labels_are_read_back_with_the_keys_of_other_tools(tmp_path):
    pairs = [
        pair(7, annotation("sample_2", "Much better"), annotation("skipped", "skipped"), notes={"seen": [1, "ü"]}),
        pair(8, annotation(degree=UNSURE), annotation("sample_2", "Slightly better", "b"), tokens=((511,), (0, 0))),
        pair(9, annotation(degree=None), sample_1=sample("9_1", features="data2/features/9_1.npy", speed=0.1)),
        pair("ten", atom={"tokens": False}, tokens=None),
    ]
    write_labels(tmp_path / "new", pairs)
    found = read_labels(tmp_path / "new")
    assert found.pairs == pairs and found.quarantined == []
    assert [each.choice for each in found.pairs] == ["skipped", "sample_2", "sample_1", "sample_1"]
    tokens = np.load(tmp_path / "new/data3/tokens/9_1_token.npy")
    assert tokens.shape == (1, 2) and tokens.dtype == np.int64


def test_the_peers_sample_keeps_every_row(shared, tmp_path):
    folder = shared / "parity/preference_labels/data"
    found = read_labels(folder)
    expected = json.loads((folder.parent / "expected.json").read_text())
    assert len(found.pairs) == 12 and found.quarantined == []
    assert [each.id for each in found.pairs if each.choice == "skipped"] == expected["dropped_as_skipped"]
    assert [each.id for each in found.pairs if each.degree == UNSURE] == expected["unsure"]
    write_labels(tmp_path, found.pairs)
    assert read_labels(tmp_path) == found
    lines = [json.loads(line) for line in (folder / "preference_labels.jsonl").read_text().splitlines()]
    assert [json.loads(line) for line in (tmp_path / "preference_labels.jsonl").read_text().splitlines()] == lines


@pytest.mark.parametrize(
    ("features", "tokens"),
    [
        ("features/1_1.npy", "tokens/1_1_token.npy"),
        ("data2/features/1_1.npy", "data3/tokens/1_1_token.npy"),
        ("a/features/features.npy", "a/tokens/tokens_token.npy"),
    ],
)
def test_paths_of_token_files(features, tokens):
    assert get_token_path(features) == tokens


BAD_LINES = {
    "cut off": ('{"id": 1, "prompt": "a', "not a JSON object"),
    "no object": ("[1, 2]", "not a JSON object"),
    "deep": ("[" * 100_000, "not a JSON object"),
    "no text": (b'{"id": 1, "prompt": "\xff"}', "not a JSON object"),
    "no id": (pair(None).line, "id None"),
    "empty prompt": (pair(1, prompt=" ").line, "prompt"),
    "no sample": (pair(1, sample_2=None).line, "sample_2"),
    "no path": (pair(1, sample_1={"features": 3}).line, "features of sample_1 is 3"),
    "no annotation": (pair(1).line | {"chosen": []}, "chosen"),
    "unknown choice": (pair(1, annotation("sample_3")).line, "unknown choice 'sample_3'"),
    "unknown choice at the end": (pair(1, annotation(), annotation("sample_3")).line, "unknown choice 'sample_3'"),
    "unknown degree at the end": (pair(1, annotation(), annotation(degree="Best")).line, "degree of preference 'Best'"),
    "odd choice": (pair(1, annotation(["sample_1"])).line, "unknown choice"),
    "unknown degree": (pair(1, annotation(degree="Best")).line, "unknown degree of preference 'Best'"),
    "no token file": (pair(1).line, "tokens/1_1_token.npy is missing"),
    "above": (pair(1, sample_1=sample("../../1_1")).line, "is outside of"),
    "absolute": (pair(1, sample_1={"features": "/features/1.npy"}).line, "is outside of"),
    "drive": (pair(1, sample_1={"features": "C:\\features\\1.npy"}).line, "is outside of"),
    "no name": (pair(1, sample_1={"features": "a\0b.npy"}).line, "is outside of"),
    "linked": (pair(1, sample_1={"features": "link/features/0_1.npy"}).line, "is outside of"),
}


@pytest.mark.parametrize("fault", BAD_LINES)
def test_a_bad_line_is_quarantined_with_its_reason(tmp_path, fault):
    folder = tmp_path / "labels"
    write_labels(folder, [pair(0)])
    (folder / "link").symlink_to(tmp_path / "outside")
    write_labels(tmp_path / "outside", [pair(0)])
    line, reason = BAD_LINES[fault]
    data = line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
    with (folder / "preference_labels.jsonl").open("ab") as file:
        file.write(b"\n" + data + b"\n")
    found = read_labels(folder)
    assert found.pairs == [pair(0)]
    ((number, message),) = found.quarantined
    assert number == 3 and reason in message and "\n" not in message


def test_only_the_last_annotation_must_be_known(tmp_path):
    """Earlier ones may be of other tools."""
    pairs = [pair(0, annotation("both", "Best"), annotation("sample_2"))]
    write_labels(tmp_path, pairs)
    found = read_labels(tmp_path)
    assert found.pairs == pairs and found.quarantined == [] and found.pairs[0].choice == "sample_2"


class Trap:
    """Unpickling it leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


BAD_TOKENS = {
    "fractions": (np.array([[1.0, 2.0]]), "no integers"),
    "truth": (np.array([[True]]), "no integers"),
    "flat": (np.array([1, 2]), "shape (2,)"),
    "two rows": (np.array([[1], [2]]), "shape (2, 1)"),
    "empty": (np.zeros((1, 0), dtype=int), "no tokens"),
    "end token": (np.array([[1, 513]]), "token 513 is not in the codebook"),
    "negative": (np.array([[-1]]), "token -1"),
    "text": (b"no array", "not a NumPy array"),
    "cut": (b"\x93NUMPY\x01\x00", "not a NumPy array"),
    "huge": (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<i8', 'fortran_order': False, 'shape': (1, 999999999999999)}".ljust(117)
        + b"\n",
        "not a NumPy array",
    ),
}


@pytest.mark.parametrize("fault", [*BAD_TOKENS, "trap"])
def test_a_bad_token_file_quarantines_its_line_and_runs_no_code(tmp_path, fault):
    write_labels(tmp_path, [pair(0), pair(1)])
    path = tmp_path / "tokens/1_2_token.npy"
    content, reason = BAD_TOKENS.get(fault, (None, "not a NumPy array"))
    if fault == "trap":
        np.save(path, np.array([[Trap(tmp_path / "mark")]], dtype=object))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    found = read_labels(tmp_path)
    assert found.pairs == [pair(0)] and not (tmp_path / "mark").exists()
    ((number, message),) = found.quarantined
    assert number == 2 and "1_2_token.npy" in message and reason in message


def test_a_file_without_a_usable_line_is_refused(tmp_path):
    with pytest.raises(AtomError, match="can't be read"):
        read_labels(tmp_path)
    (tmp_path / "preference_labels.jsonl").write_text("\n")
    with pytest.raises(AtomError, match="empty"):
        read_labels(tmp_path)
    (tmp_path / "preference_labels.jsonl").write_text("{}\n")
    with pytest.raises(AtomError, match="line 1: id None"):
        read_labels(tmp_path)


def test_only_valid_lines_are_written(tmp_path):
    with pytest.raises(AtomError, match="is outside of"):
        write_labels(tmp_path / "a", [pair(0), pair(1, sample_1=sample("../../1"))])
    with pytest.raises(AtomError, match="unknown choice"):
        write_labels(tmp_path / "a", [pair(1, annotation("both"))])
    same = [pair(0), pair(1, sample_1=sample("0_1"), tokens=((9,), (3,)))]
    with pytest.raises(AtomError, match="pair 1: another pair has other tokens"):
        write_labels(tmp_path / "a", same)
    assert not (tmp_path / "a").exists()


def test_the_loaders_rows_are_atoms(shared):
    folder = shared / "parity/preference_labels"
    pairs = read_labels(folder / "data").pairs
    runs = json.loads((folder / "expected.json").read_text())["runs"]
    assert len(runs) == 10
    for run in runs:
        rows = build_atom_training_rows(
            pairs,
            run["seed"],
            add_unsure=run["add_unsure"],
            label_smoothing=run["use_label_smoothing"],
            preference_type=run["preference_type"],
            use_skipped=run["use_skipped"],
            codes=run["codebook_size"],
        )
        assert (rows.train, rows.eval) == (run["train"], run["eval"])
        suffix = "_with_skipped" if run["use_skipped"] else ""
        for part in ("train", "eval"):
            assert rows.ids[part] == run[f"ids_written_to_{part}{suffix}.txt"]


def labelled(count, seed):
    rng = np.random.default_rng(seed)
    kinds = [annotation("skipped", "skipped"), *(annotation(f"sample_{n}", word) for n in (1, 2) for word in WORDS)]
    return [pair(n, kinds[rng.integers(9)], tokens=((n,), (n, 1))) for n in range(count)]


@pytest.mark.parametrize("count", [6, 31, 120])
@pytest.mark.parametrize("preference_type", ["all", "slightly_better"])
def test_the_rows_are_those_of_hugging_face_datasets_and_pandas(count, preference_type):
    pairs, seed = labelled(count, count), 2222 + count
    decided = [each for each in pairs if each.choice != "skipped"]
    by_place = Dataset.from_dict({"place": list(range(len(decided)))})
    parts = by_place.train_test_split(test_size=0.1, shuffle=True, seed=seed)
    rows = build_atom_training_rows(pairs, seed, preference_type=preference_type)
    transformers.set_seed(seed)
    for part, found, written in (("train", rows.train, "train"), ("test", rows.eval, "eval")):
        assert rows.ids[written] == [str(decided[place].id) for place in parts[part]["place"]]
        wanted = DEGREES_OF_TYPE.get(preference_type, [word for word in WORDS if word != UNSURE])
        kept = [place for place in parts[part]["place"] if decided[place].degree in wanted]
        frame = Dataset.from_dict({"place": kept}).shuffle(seed=seed).to_pandas().sample(frac=1.0)
        assert [row["id"] for row in found] == [decided[place].id for place in frame["place"]]


def test_pairs_that_the_loader_can_not_use_are_refused():
    with pytest.raises(AtomError, match="at least 2"):
        build_atom_training_rows([pair(0), pair(1, annotation("skipped", "skipped"))], 0)
    with pytest.raises(AtomError, match="pair 1 has no tokens"):
        build_atom_training_rows([pair(0), pair(1, tokens=None)], 0)


@pytest.mark.parametrize(
    ("preference_type", "degrees"),
    [
        ("all", {"Much better", "Better", "Slightly better"}),
        ("all_better", {"Much better", "Better"}),
        ("much_better", {"Much better"}),
        ("better", {"Better"}),
        ("slightly_better", {"Slightly better"}),
    ],
)
def test_each_type_of_preferences_keeps_its_degrees(preference_type, degrees):
    pairs = [pair(n, annotation(degree=WORDS[n % len(WORDS)])) for n in range(40)]
    rows = build_atom_training_rows(pairs, 3, preference_type=preference_type)
    of = {each.id: each.degree for each in pairs}
    assert {of[row["id"]] for row in (*rows.train, *rows.eval)} == degrees
