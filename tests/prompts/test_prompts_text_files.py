"""Files of texts are read a row at a time; a broken row is set aside with its reason and costs no other."""

import json
import re
import tracemalloc

import pytest

from atom.errors import AtomError
from atom.events import Event
from atom.prompts.text_files import find_text_files, iterate_texts


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def read(path):
    return list(iterate_texts(path))


def lines_of(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_text_a_line(write):
    rows = read(write("a.txt", "\ufeffa man bows\r\n\n  she claps #2 times \n"))
    assert [(row.where, row.text, row.word_classes, row.fault) for row in rows] == [
        ("a.txt, line 1", "a man bows", None, ""),
        ("a.txt, line 3", "she claps #2 times", None, ""),
    ]


def test_a_line_that_is_no_utf8_costs_no_other(write):
    rows = read(write("a.txt", b"he bows\nhe \xff claps\nhe jumps\n"))
    assert [row.fault for row in rows] == ["", "the line is not text in UTF-8", ""]
    with pytest.raises(AtomError, match="not text in UTF-8: convert"):
        read(write("b.txt", "he bows".encode("utf-16")))


@pytest.mark.parametrize("ending", ["#0.0#0.0", "#nan#nan", "#1.0#0.5", ""])
def test_a_caption_line_hands_its_word_classes_on(write, ending):
    (row,) = read(write("000001.txt", f"a man bows#a/DET man/NOUN bow/VERB{ending}\n"))
    assert (row.text, row.fault) == ("a man bows", "")
    assert row.word_classes == (("a", "DET"), ("man", "NOUN"), ("bow", "VERB"))


def test_json_lines_may_give_events_and_a_split(write):
    events = [
        {"phrase": "runs", "action": "run forward", "side": None, "count": None},
        {"phrase": "waves", "action": "wave left hand", "side": "left", "count": 1},
    ]
    path = write(
        "a.jsonl",
        lines_of(
            {"text": "he runs and waves", "events": events, "together": [[0, 1]], "split": "test"},
            {"text": "he bows", "events": [], "other": 1},
        ),
    )
    given, plain = read(path)
    assert given.events == (Event("run_forward", None, group=0), Event("wave_left", 1, group=0))
    assert (given.split, given.fault) == ("test", "")
    assert (plain.events, plain.split, plain.fault) == (None, None, "")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "has no `text`"),
        ('{"text": 3}', "has no `text`"),
        ('{"text": "he bows", "split": "dev"}', "the split 'dev' is none of train, val, test"),
        (
            '{"text": "he bows", "events": [{"action": "clap", "phrase": "claps"}]}',
            "phrase 'claps' .* is not in the text",
        ),
        ('{"text": "he bows", "events": [{"action": "bow", "count": 0}]}', "count 0 of 'bow' is less than 1"),
        ('{"text": "he bows", "events": {"action": "bow"}}', "are no list of"),
        (
            '{"text": "he bows", "events": [{"action": "bow"}], "together": [[0, 1]]}',
            "not list places from 0 to 0",
        ),
    ],
)
def test_a_broken_row_has_its_reason(write, line, reason):
    broken, good = read(write("a.jsonl", f'{line}\n{{"text": "he jumps"}}\n'))
    assert re.search(reason, broken.fault), broken.fault
    assert "\n" not in broken.fault
    assert (good.text, good.fault) == ("he jumps", "")


def test_a_folder_is_read_in_a_fixed_order_and_a_dataset_by_its_splits(write, tmp_path):
    write("set/b/2.txt", "he bows")
    write("set/a.txt", "he claps")
    write("set/c.jsonl", '{"text": "he jumps"}')
    write("set/README.md", "he runs")
    assert [row.text for row in iterate_texts(tmp_path / "set")] == ["he claps", "he bows", "he jumps"]
    for number, text in enumerate(["he bows", "he claps", "he jumps", "he runs"]):
        write(f"data/texts/{number}.txt", text)
    write("data/test.txt", "2\n9\n")
    write("data/train.txt", "1\n0\n")
    rows = list(iterate_texts(tmp_path / "data"))
    assert [(row.text, row.split) for row in rows] == [
        ("he claps", "train"),
        ("he bows", "train"),
        ("he jumps", "test"),
    ]


def test_an_id_can_not_lead_out_of_the_dataset(write, tmp_path):
    write("data/texts/0.txt", "he bows")
    write("data/train.txt", "../../secret\n")
    with pytest.raises(AtomError, match="can't be the name of a clip"):
        find_text_files(tmp_path / "data")


def test_a_path_of_nothing_is_an_error(tmp_path):
    with pytest.raises(AtomError, match="no file or folder"):
        find_text_files(tmp_path / "missing")
    with pytest.raises(AtomError, match=r"holds no \.txt or \.jsonl"):
        find_text_files(tmp_path)


def test_progress_counts_every_byte_and_memory_stays_flat(write):
    line = "a person walks forward and waves with the left hand\n"
    path = write("big.txt", line * 200_000)
    sizes = []
    tracemalloc.start()
    number = sum(1 for _ in iterate_texts(path, lambda size: sizes.append(size) if len(sizes) < 3 else None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert number == 200_000 and sizes == [len(line)] * 3
    assert peak < 2e6, "of a file of 10 MB"
