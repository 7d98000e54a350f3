"""`atom prompts read`: the events of texts as a table and as JSON, whatever the texts hold."""

import json
import subprocess
import sys

import pytest

from atom.commands.prompts import _printable

SIMULTANEOUS = "a man waves his right hand twice while walking, then hurls a ball"


def objects(out):
    return [json.loads(line) for line in out.splitlines()]


def test_a_text_is_shown_as_a_table(atom, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    status, out, _ = atom("prompts", "read", SIMULTANEOUS)
    rows = [line.split() for line in out.splitlines()]
    assert status == 0
    assert ["waves", "his", "right", "hand", "twice", "wave", "right", "hand", "right", "2", "1"] in rows
    assert ["hurls", "a", "ball", "hurl", "ball"] in rows
    assert "frequency" in out


def test_json_has_the_form_of_labelled_captions(atom):
    (row,) = objects(atom("prompts", "read", SIMULTANEOUS, "--json")[1])
    assert row == {
        "text": SIMULTANEOUS,
        "task": "frequency",
        "readable": True,
        "events": [
            {
                "phrase": "waves his right hand twice",
                "action": "wave right hand",
                "side": "right",
                "count": 2,
                "countable": True,
            },
            {"phrase": "walking", "action": "walk", "side": None, "count": None, "countable": False},
            {"phrase": "hurls a ball", "action": "hurl ball", "side": None, "count": None, "countable": True},
        ],
        "together": [[0, 1]],
    }


def test_events_stand_in_the_order_of_happening(atom):
    (row,) = objects(atom("prompts", "read", "before she sits down, a woman claps three times", "--json")[1])
    assert [event["action"] for event in row["events"]] == ["clap", "sit down"]


@pytest.mark.parametrize("name", ["plain.txt", "tagged.txt", "rows.jsonl"])
def test_files_of_every_form_are_read(atom, tmp_path, name, monkeypatch):
    texts = ["a man juggles", "a woman bows twice"]
    lines = {
        "plain.txt": texts,
        "tagged.txt": [f"{text}#{' '.join(f'{word}/X' for word in text.split())}#0.0#0.0" for text in texts],
        "rows.jsonl": [json.dumps({"text": text}) for text in texts],
    }[name]
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    rows = objects(atom("prompts", "read", str(tmp_path / name), "--json")[1])
    assert [(row["text"], row["events"][0]["action"], row["task"]) for row in rows] == [
        ("a man juggles", "juggle", "integrity"),
        ("a woman bows twice", "bow", "frequency"),
    ]
    monkeypatch.chdir(tmp_path)
    _, out, _ = atom("prompts", "read", name)
    assert "2 texts, 2 with events (1 integrity, 0 temporal, 1 frequency), 2 events, 1 of them open" in out


def test_word_classes_of_a_caption_file_decide(atom, tmp_path):
    read = {}
    for word_class in ("NOUN", "VERB"):  # of a word that no list holds
        path = tmp_path / f"{word_class}.txt"
        path.write_text(f"he blik forward#he/PRON blik/{word_class} forward/ADV#0#0\n")
        (row,) = objects(atom("prompts", "read", str(path), "--json")[1])
        read[word_class] = [event["phrase"] for event in row["events"]]
    assert read == {"NOUN": ["forward"], "VERB": ["blik forward"]}


def test_given_events_go_first_and_contradictory_ones_have_a_reason(atom, tmp_path):
    good = {"text": "he does it", "events": [{"phrase": "does it", "action": "wave left hand", "count": 3}]}
    bad = {"text": "he kicks", "events": [{"action": "kick with left leg", "side": "right"}]}
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(good)}\n{json.dumps(bad)}\nno json\n")
    first, second, third = objects(atom("prompts", "read", str(tmp_path / "a.jsonl"), "--json")[1])
    (event,) = first["events"]
    assert (event["action"], event["side"], event["count"]) == ("wave left hand", "left", 3)
    assert not second["readable"] and second["events"] == []
    assert "line 2: the side of 'kick with left leg' is given as right" in second["note"]
    assert not third["readable"] and "line 3: the line is not JSON" in third["note"]


BAD_TEXTS = {
    "empty": "",
    "spaces": "  ",
    "signs": "?! ...",
    "no verb": "a red wooden table",
    "another language": "der alte Mann geht langsam nach vorne",
    "another script": "一个人向前走",
    "HTML without motion": "<table class='x'></table>",
    "one long word": "x" * 10_000,
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_a_text_that_can_not_be_read_has_a_reason(atom, name):
    status, out, _ = atom("prompts", "read", BAD_TEXTS[name], "--json")
    (row,) = objects(out)
    assert (status, row["text"], row["readable"], row["events"]) == (0, BAD_TEXTS[name], False, [])
    assert row["note"]
    assert row["note"].split()[0] in atom("prompts", "read", BAD_TEXTS[name])[1]


def test_long_texts_are_read_as_far_as_they_go(atom):
    thirty = ", then ".join(f"{act}s" for act in ["he jump", *["jump", "clap", "bow"] * 9, "jump", "kick"])
    (row,) = objects(atom("prompts", "read", thirty, "--json")[1])
    assert len(row["events"]) == 30
    long = "he jumps, then bows" + ", then jumps, then bows" * 500
    (row,) = objects(atom("prompts", "read", long, "--json")[1])
    assert row["text"] == long and row["readable"]
    assert "characters" in row["note"] or "first" in row["note"]
    out = atom("prompts", "read", long)[1]
    assert f"({len(long):,} characters)" in " ".join(out.split())


def test_a_text_can_not_steer_the_terminal(atom):
    out = atom("prompts", "read", "he \x1b[31mjumps\x07, [red]then[/red] \x9bbows <script>")[1]
    assert not {"\x1b", "\x07", "\x9b"} & set(out)
    assert "[red]then[/red]" in out and "<script>" in out


@pytest.mark.parametrize("path", ["missing.txt", "no/such/folder", "MISSING.JSONL"])
def test_a_missing_file_is_an_error_and_no_text(atom, path):
    status, out, err = atom("prompts", "read", path)
    assert (status, out) == (2, "") and "no such file" in err


def test_a_binary_file_is_an_error_in_one_line(atom, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\x00\x01")
    status, _, err = atom("prompts", "read", str(tmp_path / "a.txt"), "--json")
    assert status == 2 and "not text in UTF-8" in err and err.count("\n") == 1


def test_a_big_file_needs_no_more_memory_than_a_small_one(tmp_path):
    code = (
        "import resource, sys; sys.argv = ['atom', 'prompts', 'read', sys.argv[1], '--json']\n"
        "from atom.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    kilobytes = []
    for number in (100, 20_000):
        path = tmp_path / f"{number}.txt"
        path.write_text("a man walks forward, then waves with his left hand\n" * number)
        run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        assert run.stdout.count("\n") == number
        kilobytes.append(int(run.stderr.split()[-1]))
    assert kilobytes[1] < kilobytes[0] + 10_000


def test_the_reader_meets_the_labels_of_real_captions(atom, shared, tmp_path):
    path = shared / "data" / "captions" / "captions.jsonl"
    if not path.is_file():
        pytest.skip("no labelled captions here")
    labels = [json.loads(line) for line in path.read_text().splitlines()]
    (tmp_path / "texts.txt").write_text("".join(f"{label['text']}\n" for label in labels))
    rows = objects(atom("prompts", "read", str(tmp_path / "texts.txt"), "--json")[1])
    assert [row["text"] for row in rows] == [label["text"].strip() for label in labels]
    assert all(row["readable"] or not label["readable"] for row, label in zip(rows, labels))
    assert all(event["phrase"] in row["text"] for row in rows for event in row["events"])
    tasks = [row["task"] == label["task"] for row, label in zip(rows, labels)]
    assert sum(tasks) / len(tasks) > 0.95


@pytest.mark.parametrize(("length", "shown"), [(300, "a" * 300), (301, "a" * 300 + " ... (301 characters)")])
def test_a_text_of_up_to_300_characters_is_shown_whole(length, shown):
    assert _printable("a" * length) == shown
    assert _printable("a\x1bb") == "a b"
