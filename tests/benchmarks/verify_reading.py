"""How well the caption reader reads captions that people have labelled, and how fast.

    python tests/benchmarks/verify_reading.py [FILE.jsonl ...] [--captions FILE_OR_FOLDER ...] [--errors]

FILE holds labelled captions, one JSON object a line (default: ../shared/data/captions/captions.jsonl, skipped where
absent). `--captions` takes text without labels, of which the share that gives events is printed: a file with a caption
a line, an `annotations.json` of Mathux/TMR, or a folder of HumanML3D's `*.txt`, whose word classes are used.

Matching: an event read matches a labelled one where their phrases share at least half of the characters of the longer
phrase; one to one, the greatest share first. A labelled phrase stands where the text holds it first after those of
the same wording before it. Counts, sides and order are compared on matched events only. A pair of events is in order
where both sides have it in one group of `together`, or neither has and the same event comes first. A caption is all
right where every event is matched, none is read besides, and counts, sides and order agree.
"""

import argparse
import json
import random
import sys
import time
from itertools import combinations
from pathlib import Path

from atom.captions import ReadCaption, read_caption

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "captions" / "captions.jsonl"
LIMITS = {
    "precision": 0.92,
    "recall": 0.92,
    "counts": 0.97,
    "sides": 0.97,
    "order": 0.97,
    "captions all right": 0.75,
    "readable captions read": 1.0,
}


def locate(text: str, phrases: list[str]) -> list[tuple[int, int]]:
    """Gives the places of labelled phrases.

    Args:
        text: the caption.
        phrases: its labelled phrases.

    Returns:
        (start, end) of each phrase; equal phrases take the places one after the other.
    """
    spans, next_start = [], {}
    for phrase in phrases:
        start = text.find(phrase, next_start.get(phrase, 0))
        if start < 0:
            start = max(text.find(phrase), 0)
        next_start[phrase] = start + 1
        spans.append((start, start + len(phrase)))
    return spans


def match(labelled: list[tuple[int, int]], read: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs labelled and read spans one to one by the rule in the module's docstring.

    Args:
        labelled: spans of the labels.
        read: spans of the reading.

    Returns:
        (place in `labelled`, place in `read`) of each match.
    """
    shares = []
    for i, (a, b) in enumerate(labelled):
        for j, (c, d) in enumerate(read):
            share = max(0, min(b, d) - max(a, c)) / max(b - a, d - c, 1)
            if share >= 0.5:
                shares.append((-share, i, j))
    pairs, used_labelled, used_read = [], set(), set()
    for _, i, j in sorted(shares):
        if i not in used_labelled and j not in used_read:
            pairs.append((i, j))
            used_labelled.add(i)
            used_read.add(j)
    return sorted(pairs)


def _relation(first: int, second: int, groups) -> str:
    if any(first in group and second in group for group in groups):
        return "together"
    return "before" if first < second else "after"


def compare(label: dict, caption: ReadCaption) -> dict:
    """Compares one labelled caption with its reading.

    Args:
        label: the labelled caption.
        caption: what the reader found.

    Returns:
        Numbers of events, matches, and right counts, sides, actions and pairs; `right` for the whole caption.
    """
    events = label["events"]
    pairs = match(locate(label["text"], [e["phrase"] for e in events]), [(e.start, e.end) for e in caption.events])
    counts = sum(events[i]["count"] == caption.events[j].count for i, j in pairs)
    sides = sum(events[i]["side"] == caption.events[j].side for i, j in pairs)
    actions = sum(events[i]["action"] == caption.events[j].action for i, j in pairs)
    countable = sum(events[i]["countable"] == caption.events[j].countable for i, j in pairs)
    order = [
        _relation(i, k, label["together"]) == _relation(j, m, caption.together)
        for (i, j), (k, m) in combinations(pairs, 2)
    ]
    whole = len(pairs) == len(events) == len(caption.events) == counts == sides and all(order)
    return {
        "labelled": len(events),
        "read": len(caption.events),
        "matched": len(pairs),
        "counts": counts,
        "sides": sides,
        "actions": actions,
        "countable": countable,
        "pairs": len(order),
        "order": sum(order),
        "right": whole,
        "task": label["task"] == caption.task,
        "readable": label["readable"],
        "found": caption.readable or not label["readable"],
    }


def score(labels: list[dict], readings: list[ReadCaption]) -> dict[str, float]:
    """Adds the comparisons of all captions up to shares.

    Args:
        labels: the labelled captions.
        readings: what the reader found, parallel to them.

    Returns:
        Each figure by its name.
    """
    rows = [compare(label, reading) for label, reading in zip(labels, readings)]
    total = {key: sum(row[key] for row in rows) for key in rows[0]}
    matched = max(total["matched"], 1)
    return {
        "precision": total["matched"] / max(total["read"], 1),
        "recall": total["matched"] / max(total["labelled"], 1),
        "counts": total["counts"] / matched,
        "sides": total["sides"] / matched,
        "order": total["order"] / max(total["pairs"], 1),
        "captions all right": total["right"] / len(rows),
        "readable captions read": sum(r["found"] for r in rows if r["readable"]) / max(total["readable"], 1),
        "task": total["task"] / len(rows),
        "countable": total["countable"] / matched,
        "actions worded alike": total["actions"] / matched,
    }


def load_captions(path: Path) -> list[tuple[str, list[tuple[str, str]] | None]]:
    """Loads captions without labels, with word classes where the files carry them.

    Args:
        path: a file with a caption a line, a folder of HumanML3D's files, or KIT-ML's annotations as .json.

    Returns:
        (caption, its word classes or None), each caption once.
    """
    if path.is_dir():
        found = []
        for file in sorted(path.rglob("*.txt")):
            found += [_humanml3d_line(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        return list({text: (text, tags) for text, tags in found}.values())
    if path.suffix == ".json":
        data = json.loads(path.read_text(encoding="utf-8"))
        texts = {a["text"].strip() for item in data.values() for a in item["annotations"]}
        return [(text, None) for text in sorted(texts)]
    lines = dict.fromkeys(line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [_humanml3d_line(line) for line in lines if line]


def _humanml3d_line(line: str) -> tuple[str, list[tuple[str, str]] | None]:
    fields = line.split("#")
    if len(fields) < 2:
        return line, None
    tags = [tuple(pair.rsplit("/", 1)) for pair in fields[1].split() if "/" in pair]
    return fields[0], tags


def main() -> int:
    """Prints the figures; returns 1 where one is below its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[DEFAULT])
    parser.add_argument("--captions", nargs="*", type=Path, default=[])
    parser.add_argument("--errors", action="store_true", help="print every caption that isn't all right")
    parser.add_argument("--sample", type=int, default=0, help="print the reading of so many captions without labels")
    options = parser.parse_args()
    failed = False
    for file in options.files:
        if not file.exists():
            print(f"{file}: absent, skipped")
            continue
        failed |= _bench_labelled(file, options.errors)
    for path in options.captions:
        failed |= _bench_unlabelled(path, options.sample)
    return int(failed)


def _bench_labelled(file: Path, show: bool) -> bool:
    labels = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    readings = [read_caption(label["text"]) for label in labels]
    repeats = max(1, 400 // len(labels))
    start = time.process_time()
    for _ in range(repeats):
        for label in labels:
            read_caption(label["text"])
    speed = repeats * len(labels) / (time.process_time() - start)
    print(f"{file}: {len(labels)} captions, {speed:,.0f} captions/s as plain text")
    failed = False
    for name, value in score(labels, readings).items():
        limit = LIMITS.get(name)
        low = limit is not None and value < limit
        failed |= low
        print(f"  {name:24} {value:.3f}" + (f"  (at least {limit})" if limit else "") + ("  TOO LOW" if low else ""))
    if show:
        _print_errors(labels, readings)
    return failed


def _print_errors(labels: list[dict], readings: list[ReadCaption]) -> None:
    for label, reading in zip(labels, readings):
        if compare(label, reading)["right"]:
            continue
        print(f"{label['id']}: {label['text']}")
        for sign, events in (("-", label["events"]), ("+", [e.to_json() for e in reading.events])):
            for e in events:
                print(f"   {sign} {e['phrase']!r} => {e['action']} side={e['side']} count={e['count']}")
        if label["together"] or reading.together:
            print(f"   together: labelled {label['together']}, read {[list(g) for g in reading.together]}")


def _bench_unlabelled(path: Path, sample: int) -> bool:
    captions = load_captions(path)
    start = time.process_time()
    readings = [read_caption(text, tags) for text, tags in captions]
    seconds = time.process_time() - start
    share = sum(r.readable for r in readings) / max(len(readings), 1)
    tagged = sum(1 for _, tags in captions if tags)
    print(
        f"{path}: {len(captions)} captions ({tagged} with word classes), {share:.4f} give events (at least 0.97), "
        f"{len(captions) / seconds:,.0f} captions/s"
    )
    for reading in random.Random(0).sample(readings, min(sample, len(readings))):
        print(reading.text)
        for event in reading.events:
            print(f"   {event.phrase!r} => {event.action} side={event.side} count={event.count}")
    return share < 0.97


if __name__ == "__main__":
    sys.exit(main())
