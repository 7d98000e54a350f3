"""Exports to AToM, Hugging Face datasets and TRL: this package and the tools they are for read them back unchanged."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.generation.tokenizer import MotionVocabulary
from atom.motion.features import joints_to_features
from atom.preferences.card import _header
from atom.preferences.exporting import export_preferences
from atom.preferences.importing import import_preferences
from atom.preferences.labels import DEGREE, read_labels, write_labels
from atom.preferences.motion_strings import format_motion_string, parse_motion_string
from atom.preferences.training_rows import build_atom_training_rows
from storage import PREFERENCES, StoreError

FORMATS = ("atom", "datasets", "trl")
ABOUT = {"name": "A set", "generator": "builtin", "judge": "kinematic"}
EVENTS = [{"action": "jump_up", "phrase": "jumps", "count": 2}]

OPEN_EVENTS = [
    {"action": "hurl | ball", "phrase": "hurls a <b>ball</b>", "count": None, "group": 0},
    {"action": "hum", "phrase": "", "count": None, "group": 0},
    {"action": "step forward", "phrase": "takes 12 steps", "count": 12, "group": None},
]


def row(number=0, **changes):
    return {
        "prompt_id": f"p{number}",
        "prompt": f"a person jumps {number} times",
        "task": "frequency",
        "split": "train",
        "events": EVENTS,
        "chosen_tokens": [number, 2, 3],
        "rejected_tokens": [511, number],
        "chosen_score": 5.0,
        "rejected_score": 3.3,
        "margin": 1.7,
        "degree": "Better",
        "decided_by": "score",
        "chosen_motion_id": f"m{number}-a",
        "rejected_motion_id": f"m{number}-b",
    } | changes


ROWS = [
    row(0),
    row(1, prompt='ein "Text" | mit\nZeile, ü und \u2028', task="temporal", events=OPEN_EVENTS),
    row(2, decided_by="comparison", margin=-0.2, chosen_score=4.0, rejected_score=4.2, degree="Slightly better"),
    row(
        3,
        task=None,
        events=[],
        chosen_score=None,
        rejected_score=None,
        margin=None,
        degree=None,
        decided_by="annotator",
    ),
    row(4, split="val", degree="Negligibly better/unsure"),
    row(5, split="test", task="integrity"),
]
STORED = PREFERENCES.from_rows(ROWS).to_pylist()  # as read from the store, with scores rounded to float32


@pytest.fixture(scope="module")
def motions():
    joints = [make_motion([Event("jump_up", 1 + i % 2)], np.random.default_rng(i)).joints for i in range(3)]
    names = [name for each in ROWS for name in (each["chosen_motion_id"], each["rejected_motion_id"])]
    return {name: np.asarray(joints[i % 3][: 12 + i], dtype=np.float32) for i, name in enumerate(names)}


@pytest.mark.parametrize("export_format", FORMATS)
def test_an_export_read_back_is_identical(export_format, tmp_path):
    export_preferences(ROWS, tmp_path / "out", export_format, about=ABOUT)
    imported = import_preferences(tmp_path / "out")
    assert imported.rows == STORED
    assert (imported.quarantined, imported.skipped) == ([], 0)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("export_format", FORMATS)
def test_missing_counts_and_groups_come_back(export_format, tmp_path):
    export_preferences(ROWS, tmp_path / "out", export_format, about=ABOUT)
    (found,) = [each for each in import_preferences(tmp_path / "out").rows if each["prompt_id"] == "p1"]
    assert found["events"] == OPEN_EVENTS


@pytest.mark.parametrize("export_format", FORMATS)
def test_exports_of_earlier_versions_have_no_group_and_are_imported(export_format, tmp_path):
    rows = [row(0), row(1)]  # their events have no group
    export_preferences(rows, tmp_path / "out", export_format, about=ABOUT)
    if export_format == "datasets":
        path = tmp_path / "out/data/train-00000.parquet"
        table = pq.read_table(path)
        event = pa.struct({"action": pa.string(), "phrase": pa.string(), "count": pa.int8()})
        events = pa.array([EVENTS] * len(rows), pa.list_(event))
        place = table.column_names.index("events")
        pq.write_table(table.set_column(place, "events", events), path)
    else:
        path = tmp_path / "out" / {"atom": "preference_labels.jsonl", "trl": "train.jsonl"}[export_format]
        text = path.read_text()
        assert text.count(', "group": null') == len(rows)
        path.write_text(text.replace(', "group": null', ""))
    imported = import_preferences(tmp_path / "out")
    assert imported.rows == PREFERENCES.from_rows(rows).to_pylist() and not imported.quarantined


def test_the_digest_depends_on_the_content_and_not_on_the_format(tmp_path):
    digests = set()
    for export_format in FORMATS:
        export_preferences(ROWS, tmp_path / export_format, export_format, about=ABOUT)
        digests.add(import_preferences(tmp_path / export_format).digest)
    assert len(digests) == 1
    np.save(tmp_path / "atom/tokens/0_1_token.npy", np.array([[17]]))
    assert import_preferences(tmp_path / "atom").digest not in digests


@pytest.mark.parametrize("export_format", ["atom", "datasets"])
def test_motions_are_exported_and_a_generator_without_codebook_needs_no_tokens(export_format, motions, tmp_path):
    bare = [each | {"chosen_tokens": [], "rejected_tokens": []} for each in ROWS[:2]]
    rows = bare + ROWS[2:]
    export_preferences(rows, tmp_path / "out", export_format, about=ABOUT, motions=motions)
    imported = import_preferences(tmp_path / "out")
    assert imported.rows == PREFERENCES.from_rows(rows).to_pylist()
    with pytest.raises(AtomError, match="row 0, chosen_tokens"):
        export_preferences(rows, tmp_path / "other", export_format, about=ABOUT)
    if export_format == "datasets":
        frame = pd.read_parquet(tmp_path / "out/data/train-00000.parquet")
        for kind, shape in (("joints", (-1, 22, 3)), ("features", (-1, 263))):
            stored = frame[f"rejected_{kind}"][3].reshape(shape)
            joints = motions["m3-b"]
            assert np.array_equal(stored, joints if kind == "joints" else joints_to_features(joints))
    else:
        pair = read_labels(tmp_path / "out").pairs[3]
        assert [each.tokens for each in read_labels(tmp_path / "out").pairs[:2]] == [None, None]
        place = 1 + pair.line["atom"]["motion_ids"].index("m3-b")
        assert np.array_equal(np.load(tmp_path / f"out/arrays/3_{place}.npy"), motions["m3-b"])
        assert np.array_equal(np.load(tmp_path / f"out/features/3_{place}.npy"), joints_to_features(motions["m3-b"]))


@pytest.mark.parametrize("export_format", FORMATS)
def test_hugging_face_opens_every_format_by_its_card(export_format, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    export_preferences(ROWS, tmp_path / "out", export_format, about=ABOUT)
    opened = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    if export_format == "atom":
        assert opened["train"]["id"][:] == list(range(6))
        return
    assert {name: len(part) for name, part in opened.items()} == {"train": 4, "validation": 1, "test": 1}
    assert opened["train"]["prompt"][:] == [each["prompt"] for each in ROWS[:4]]
    if export_format == "datasets":
        assert opened["train"].to_list() == STORED[:4]
    else:
        assert opened["test"][0]["chosen"] == "<motion_id_512><motion_id_5><motion_id_2><motion_id_3><motion_id_513>"
        assert opened["test"][0]["score_rejected"] == pytest.approx(3.3)


def test_atoms_loader_trains_on_the_chosen_side(tmp_path):
    export_preferences(ROWS, tmp_path / "out", "atom", about=ABOUT)
    rows = build_atom_training_rows(read_labels(tmp_path / "out").pairs, 2222, add_unsure=True)
    by_id = {imported["id"]: imported for imported in rows.train + rows.eval}
    assert set(by_id) == set(range(6))
    for number, each in enumerate(ROWS):
        assert by_id[number]["chosen"] == format_motion_string(each["chosen_tokens"])
        assert by_id[number]["rejected"] == format_motion_string(each["rejected_tokens"])


def test_the_order_of_the_samples_does_not_reveal_which_is_better(tmp_path):
    rows = [row(number) for number in range(200)]
    export_preferences(rows, tmp_path / "out", "atom", about=ABOUT)
    turned = [
        each
        | {
            "chosen_motion_id": each["rejected_motion_id"],
            "rejected_motion_id": each["chosen_motion_id"],
            "chosen_tokens": each["rejected_tokens"],
            "rejected_tokens": each["chosen_tokens"],
        }
        for each in rows
    ]
    export_preferences(turned, tmp_path / "turned", "atom", about=ABOUT)
    first, other = read_labels(tmp_path / "out").pairs, read_labels(tmp_path / "turned").pairs
    assert 70 < sum(pair.choice == "sample_1" for pair in first) < 130
    assert [pair.tokens for pair in first] == [pair.tokens for pair in other]
    assert all(pair.choice != turn.choice for pair, turn in zip(first, other))


def test_a_new_annotation_turns_the_pair_round(tmp_path):
    export_preferences(ROWS, tmp_path / "out", "atom", about=ABOUT)
    pair = read_labels(tmp_path / "out").pairs[0]
    other = {"sample_1": "sample_2", "sample_2": "sample_1"}[pair.choice]
    added = [*pair.line["chosen"], {"choice": other, DEGREE: "Much better", "user": "ann"}]
    write_labels(tmp_path / "new", [replace(pair, line=pair.line | {"chosen": added})])
    (imported,) = import_preferences(tmp_path / "new").rows
    assert imported["chosen_motion_id"] == "m0-b" and imported["chosen_tokens"] == [511, 0]
    assert (imported["decided_by"], imported["degree"]) == ("annotator", "Much better")
    assert imported["chosen_score"] == pytest.approx(3.3) and imported["margin"] == pytest.approx(-1.7)


@pytest.mark.parametrize("export_format", FORMATS)
def test_the_card_says_what_trl_can_not_do_with_the_export(tmp_path, export_format):
    export_preferences(ROWS, tmp_path / "out", export_format, about=ABOUT)
    limits = (tmp_path / "out/README.md").read_text().partition("## Limits")[2]
    for words in ("no encoder-decoder", "each motion ends in two"):
        assert (words in limits) == (export_format == "trl")


def test_the_trl_format_takes_a_prompt_template(tmp_path):
    export_preferences(ROWS, tmp_path / "out", "trl", about=ABOUT, template="Generate motion: {}")
    first = json.loads((tmp_path / "out/train.jsonl").read_text().splitlines()[0])
    assert first["prompt"] == "Generate motion: a person jumps 0 times"
    assert import_preferences(tmp_path / "out").rows == STORED


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([], {}, "no preferences"),
        ([row(rejected_tokens=[512])], {}, "row 0, rejected_tokens: token 512"),
        ([row(chosen_tokens=[])], {"motions": {"m0-a": np.zeros((8, 22, 3)), "m0-b": np.zeros((8, 22, 3))}}, "row 0"),
        ([row()], {"motions": {}}, "'m0-a' is missing"),
        ([row()], {"export_format": "trl", "motions": {}}, "can't hold motions"),
        ([row()], {"export_format": "trl", "template": "Generate"}, "one {}"),
        ([row()], {"export_format": "csv"}, "unknown format 'csv'"),
    ],
)
def test_invalid_exports_are_refused_before_anything_is_written(rows, options, words, tmp_path):
    options = {"export_format": "datasets"} | options
    with pytest.raises(AtomError, match=words):
        export_preferences(rows, tmp_path / "out", about=ABOUT, **options)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="prompt"):
        export_preferences([row(prompt=None)], tmp_path / "out", "trl", about=ABOUT)


@pytest.mark.parametrize("export_format", ["atom", "datasets"])
def test_a_failure_in_the_middle_leaves_nothing(export_format, motions, tmp_path):
    broken = motions | {"m1-b": np.zeros((8, 22, 3), dtype=np.float32)}  # a body without legs
    with pytest.raises(AtomError, match="leg"):
        export_preferences(ROWS, tmp_path / "out", export_format, about=ABOUT, motions=broken)
    assert list(tmp_path.iterdir()) == []


def test_an_export_needs_an_empty_folder(tmp_path):
    (tmp_path / "out").mkdir()
    export_preferences(ROWS, tmp_path / "out", "trl", about=ABOUT)
    with pytest.raises(AtomError, match="not empty"):
        export_preferences(ROWS, tmp_path / "out", "trl", about=ABOUT)


def header(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_the_card_describes_the_pairs(tmp_path):
    about = {"name": "A set", "license": "cc-by-4.0", "judge": "kinematic", "least gap of scores": 0.5, "model": None}
    export_preferences(ROWS, tmp_path / "out", "datasets", about=about)
    card = (tmp_path / "out/README.md").read_text()
    metadata = header(card)
    assert (metadata["pretty_name"], metadata["license"], metadata["size_categories"]) == (
        "A set",
        "cc-by-4.0",
        ["n<1K"],
    )
    assert metadata["configs"][0]["data_files"][1] == {"split": "validation", "path": "data/val-00000.parquet"}
    assert "| judge | kinematic |" in card and "| least gap of scores | 0.5 |" in card and "| model |" not in card
    assert "6 pairs of 6 prompts: 4 by the gap of a judge's scores, 1 by a comparison" in card
    assert "| task | integrity | temporal | frequency | not told |" in card
    assert "| Better | 1 | 1 | 1 | 0 |" in card and "| no degree | 0 | 0 | 0 | 1 |" in card
    assert "| chosen longer by, tokens | +1.00 | +1.00 | +1.00 | +1.00 |" in card
    assert all(f"| {name} |" in card for name in PREFERENCES.schema.names)


def test_text_from_outside_stays_text_in_the_card(tmp_path):
    nasty = "x | y\n---\nlicense: mit\n# <script>[a](b) `c` " + "long " * 100
    export_preferences([row(prompt=nasty)], tmp_path / "out", "datasets", about={"name": nasty, "judge": nasty})
    card = (tmp_path / "out/README.md").read_text()
    assert header(card)["license"] == "other" and header(card)["pretty_name"] == " ".join(nasty.split())
    body = card.split("---\n", 2)[2]
    assert "\nlicense" not in body
    cells = [line.replace("\\|", "") for line in body.splitlines() if "script" in line and line.startswith("|")]
    assert [line.count("|") for line in cells] == [3, 4]
    assert all("\\<script\\>\\[a\\](b)" in line and len(line) < 300 for line in cells)


# Tables of other tools


def write_lines(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


GOOD = {"prompt": "a person waves", "chosen": format_motion_string([1, 2]), "rejected": [3, 4]}


def test_a_plain_table_of_another_tool_is_imported(tmp_path):
    write_lines(tmp_path / "pairs.jsonl", GOOD, GOOD | {"score_chosen": 4, "score_rejected": 1.5, "id": 9})
    imported = import_preferences(tmp_path / "pairs.jsonl")
    assert [each["decided_by"] for each in imported.rows] == ["annotator", "score"]
    first, second = imported.rows
    assert (first["chosen_tokens"], first["rejected_tokens"]) == ([1, 2], [3, 4])
    for name in ("task", "chosen_score", "margin", "degree"):
        assert first[name] is None
    assert (first["split"], first["events"], second["chosen_score"]) == ("train", [], 4.0)
    assert first["chosen_motion_id"] != first["rejected_motion_id"]
    assert first["prompt_id"] == second["prompt_id"]


def test_the_split_is_that_of_the_files_name(tmp_path):
    for name in ("test-00000", "validation-00000", "train-00000", "training_extra"):
        pd.DataFrame([GOOD | {"rejected": format_motion_string([3]), "prompt": name}]).to_parquet(
            tmp_path / f"{name}.parquet"
        )
    rows = import_preferences(tmp_path).rows
    assert [(each["prompt"], each["split"]) for each in rows] == [
        ("train-00000", "train"),
        ("training_extra", "train"),
        ("validation-00000", "val"),
        ("test-00000", "test"),
    ]


BAD_ROWS = {
    "no JSON": ("{", "not a JSON object"),
    "no object": ("3", "not a JSON object"),
    "no prompt": (GOOD | {"prompt": None}, "prompt None"),
    "no answer": (GOOD | {"chosen": None}, "chosen: None is neither"),
    "messages": (GOOD | {"chosen": [{"role": "assistant", "content": "x"}]}, "chosen: "),
    "words": (GOOD | {"rejected": "walks <motion_id_3>"}, "rejected: "),
    "end in the middle": (GOOD | {"chosen": "<motion_id_512><motion_id_513><motion_id_4>"}, "token 513"),
    "no tokens": (GOOD | {"chosen": "<motion_id_512><motion_id_513>"}, "no tokens"),
    "empty list": (GOOD | {"rejected": []}, "no tokens"),
    "outside": (GOOD | {"rejected": [0, 512]}, "token 512 is not in the codebook"),
    "negative": (GOOD | {"rejected": [-1]}, "token -1"),
    "fractions": (GOOD | {"rejected": [1.0]}, "whole numbers"),
    "truth": (GOOD | {"rejected": [True]}, "whole numbers"),
    "other scale": (GOOD | {"score_chosen": 87.0, "score_rejected": 3.0}, "chosen_score 87 is not from 1 to 5"),
    "other margin": (GOOD | {"margin": 1e300}, "margin 1e+300 is not from -4 to 4"),
    "not finite": (GOOD | {"margin": float("nan")}, "margin nan is not a number"),
    "score in words": (GOOD | {"score_chosen": "high"}, "chosen_score 'high' is not a number"),
    "unknown task": (GOOD | {"task": "style"}, "unknown task 'style'"),
    "unknown degree": (GOOD | {"degree": "Best"}, "unknown degree 'Best'"),
    "count of 0": (GOOD | {"events": [{"action": "bow", "phrase": "bows", "count": 0}]}, "count 0 of 'bow'"),
    "no action": (GOOD | {"events": [{"action": " ", "phrase": "bows", "count": None}]}, "an action has 1 to"),
    "odd events": (GOOD | {"events": [{"action": "wave"}]}, "phrase"),
    "lone surrogate": ('{"prompt": "\\ud800", "chosen": [1], "rejected": [2]}', "prompt"),
}


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_a_bad_row_is_quarantined_with_its_reason(fault, tmp_path):
    bad, reason = BAD_ROWS[fault]
    write_lines(tmp_path / "train.jsonl", bad, GOOD)
    imported = import_preferences(tmp_path)
    assert len(imported.rows) == 1
    ((place, message),) = imported.quarantined
    assert place == "line 1" and reason in message and "\n" not in message


@pytest.mark.parametrize(
    ("values", "is_valid"),
    [
        ({"score_chosen": 5, "score_rejected": 1, "margin": 4}, True),
        ({"score_chosen": 1, "score_rejected": 5, "margin": -4}, True),
        ({"score_chosen": 5.01}, False),
        ({"score_rejected": 0.99}, False),
        ({"margin": 4.01}, False),
        ({"margin": -4.01}, False),
    ],
)
def test_scores_are_from_1_to_5_and_margins_from_minus_4_to_4(tmp_path, values, is_valid):
    write_lines(tmp_path / "train.jsonl", GOOD | values, GOOD)
    assert len(import_preferences(tmp_path).rows) == 1 + is_valid


def test_skipped_pairs_are_counted_and_invalid_extensions_quarantined(tmp_path):
    export_preferences(ROWS, tmp_path / "out", "atom", about=ABOUT)
    pairs = read_labels(tmp_path / "out").pairs
    skipped = replace(pairs[0], line=pairs[0].line | {"chosen": [{"choice": "skipped", DEGREE: "skipped"}]})
    odd = [
        replace(pairs[1], line=pairs[1].line | {"atom": extension})
        for extension in ({"scores": [1]}, {"events": 3}, [1])
    ]
    write_labels(tmp_path / "new", [skipped, *odd, pairs[2]])
    imported = import_preferences(tmp_path / "new")
    assert imported.rows == STORED[2:3] and imported.skipped == 1
    assert [place for place, _ in imported.quarantined] == ["pair 1"] * 3


def test_an_invalid_file_or_folder_is_refused_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    write_lines(tmp_path / "bad.jsonl", GOOD | {"chosen": ""})
    write_lines(tmp_path / "both/train.jsonl", GOOD)
    pd.DataFrame([{"text": "x"}]).to_parquet(tmp_path / "both/train.parquet")
    pd.DataFrame([{"text": "x"}]).to_parquet(tmp_path / "other.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "other.parquet").read_bytes()[:-9])
    for name, words in {
        "none": "not a folder",
        "empty": "no preference_labels.jsonl",
        "bad.jsonl": "0 skipped by annotators, 1 invalid",
        "both": "name the file",
        "other.parquet": "no column 'prompt'",
        "cut.parquet": "not a readable Parquet file",
    }.items():
        with pytest.raises(AtomError, match=words) as error:
            import_preferences(tmp_path / name)
        assert name in str(error.value) and "\n" not in str(error.value)


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = tmp_path / "pairs.parquet"
    pd.DataFrame([GOOD | {"rejected": format_motion_string([i % 500] * 50)} for i in range(500)]).to_parquet(path)
    data = bytearray(path.read_bytes())
    data[200 : len(data) // 2] = bytes(len(data) // 2 - 200)
    path.write_bytes(data)
    with pytest.raises(AtomError, match="damaged"):
        import_preferences(path)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 511), min_size=1, max_size=80))
def test_motion_strings_are_those_of_the_generator_and_are_parsed_back(codes):
    text = format_motion_string(codes)
    assert text == MotionVocabulary(0, 512).text(codes)
    assert parse_motion_string(text) == tuple(codes)
    assert parse_motion_string(f" {text[len('<motion_id_512>') :]}\n") == tuple(codes)


@pytest.mark.parametrize(("pairs", "size"), [(999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K")])
def test_the_header_of_a_card_has_the_words_of_the_hub(pairs, size):
    files = {"train": "data/train.parquet", "val": "data/val.parquet"}
    assert header(_header("Pairs", "mit", pairs, files) + "\n") == {
        "pretty_name": "Pairs",
        "license": "mit",
        "language": ["en"],
        "task_categories": ["other"],
        "size_categories": [size],
        "tags": ["preference", "text-to-motion", "human-motion", "motion-generation", "dpo", "trl"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "data/train.parquet"},
                    {"split": "validation", "path": "data/val.parquet"},
                ],
            }
        ],
    }
