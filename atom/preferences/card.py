"""The dataset card of exported preferences: a README.md with the metadata that Hugging Face reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atom.markdown import escape_markdown, markdown_header, markdown_table
from atom.preferences.export_format import ExportFormat
from atom.preferences.pairs import DEGREES
from atom.preferences.summary import UNSPECIFIED, summarise_pairs
from storage import PREFERENCES

EXAMPLES = 5  # pairs shown in the card

# Measured with TRL 1.16.0 and small models: a T5 fails in DPOTrainer with "You must specify exactly one of input_ids or
# inputs_embeds", while ORPO and CPO train it; DPOTrainer appends the end token's text before it tokenises.
TRL_LIMITS = (
    "TRL 1.16 tunes no encoder-decoder, such as MotionGPT's T5, but in its experimental ORPO and CPO trainers: "
    "DPOTrainer fails in the first step.",
    "DPOTrainer adds the end token itself. With a tokenizer that also does, as T5's does, each motion ends in two: "
    "turn that off in the tokenizer.",
)

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGEST = "1M<n<10M"
_HF_SPLITS = {"val": "validation"}
_MEANS = (
    ("chosen_score", "mean score of the chosen", ".2f"),
    ("rejected_score", "mean score of the rejected", ".2f"),
    ("longer_by", "chosen longer by, tokens", "+.2f"),
)
_DECIDED_BY = {
    "score": "by the gap of a judge's scores",
    "comparison": "by a comparison of both motions, shown in both orders",
    "annotator": "by an annotator",
}


def build_preference_table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """A table of the pairs with one column for each task.

    Its rows are the counts of prompts, of pairs and of pairs with each degree, the mean scores, and the mean number of
    tokens by which the chosen motion is longer; a cell is empty where no pair has the value. Returns the header and the
    rows, both as texts.
    """
    entries = summarise_pairs(rows)["tasks"]
    degrees = Counter((row["task"] or UNSPECIFIED, row["degree"]) for row in rows)
    lines = [[name, *(f"{entry[name]:,}" for entry in entries)] for name in ("prompts", "pairs")]
    for word in (*(word for _, word in DEGREES), None):
        counts = [degrees[entry["task"], word] for entry in entries]
        if any(counts):
            lines.append([word or "no degree", *(f"{count:,}" for count in counts)])
    for name, label, number_format in _MEANS:
        means = [entry[name] for entry in entries]
        lines.append([label, *("" if mean is None else format(mean, number_format) for mean in means)])
    return ["task", *(entry["task"] for entry in entries)], lines


def build_dataset_card(
    rows: Sequence[Mapping[str, Any]],
    export_format: ExportFormat,
    about: Mapping[str, Any],
    data_files: Mapping[str, str],
    *,
    with_motions: bool = False,
) -> str:
    """Writes the dataset card.

    Args:
        rows: of the preferences table.
        export_format: of the files beside the card.
        about: how the pairs were made. Its `name` and `license` go into the metadata, the rest into a table.
        data_files: the file of each split.
        with_motions: whether joints and features are exported too.

    Returns:
        Markdown. Text from outside is escaped.
    """
    about = dict(about)
    name, licence = (
        " ".join(str(about.pop(key, default)).split())  # on one line, or a line break could end the YAML header early
        for key, default in (("name", "Motion preferences"), ("license", "other"))
    )
    sections = [
        _header(name, licence, len(rows), data_files),
        f"# {escape_markdown(name)}",
        "Pairs of human motions made for the same text, of which one was found better: a preference set for "
        "text-to-motion models, in the manner of MotionPrefer (AToM, CVPR 2025, arXiv 2411.18654).",
        "## How it was made",
        markdown_table(("what", "value"), [(key, value) for key, value in about.items() if value is not None]),
        _count_decided_by(rows),
        "## What is in it",
        markdown_table(*build_preference_table(rows)),
        "A token is 4 frames. Where chosen and rejected motions differ much in length, the pairs also teach length.",
        markdown_table(("prompt", "task", "degree"), [_example_cells(row) for row in _sample_evenly(rows, EXAMPLES)]),
        "## Files and columns",
        _describe_files(export_format, with_motions),
        "## Limits",
        _limits(rows, export_format, licence),
    ]
    return "\n\n".join(sections) + "\n"


def describe_run_preferences(record: Mapping[str, Any], rounds: Sequence[int]) -> dict[str, Any]:
    """How the pairs of a run were made, for its dataset card.

    Args:
        record: of the run.
        rounds: whose pairs are exported.

    Returns:
        Texts and numbers by label.
    """
    config = record["config"]
    generation, judging, pairing = config["generation"], config["judging"], config["preferences"]
    return {
        "name": f"Motion preferences of {config['name']}",
        "run": record["run_id"],
        "rounds": ", ".join(map(str, rounds)),
        "generator": Path(generation["checkpoint"]).name,  # the whole path would reveal the owner's folders
        "motions a prompt": generation["candidates"],
        "temperature": generation["temperature"],
        "judge": judging["judge"],
        "judge's model": judging["vision"]["model"] if judging["judge"] in ("vision", "auto") else None,
        "least gap of scores": pairing["min_gap"],
        "most pairs a prompt": pairing["pairs_per_prompt"],
        "length guard": "none"
        if pairing["length_tolerance"] is None
        else f"chosen at most {pairing['length_tolerance']} tokens longer on average in a task",
    }


def _header(name: str, licence: str, pairs: int, data_files: Mapping[str, str]) -> str:
    splits = [{"split": _HF_SPLITS.get(split, split), "path": path} for split, path in data_files.items()]
    header = {
        "pretty_name": name,
        "license": licence,
        "language": ["en"],
        "task_categories": ["other"],
        "size_categories": [next((word for most, word in _SIZES if pairs < most), _LARGEST)],
        "tags": ["preference", "text-to-motion", "human-motion", "motion-generation", "dpo", "trl"],
        "configs": [{"config_name": "default", "data_files": splits}],
    }
    return markdown_header(header)


def _count_decided_by(rows: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(row["decided_by"] for row in rows)
    parts = [f"{counts[key]:,} {label}" for key, label in _DECIDED_BY.items() if counts[key]]
    return f"{len(rows):,} pairs of {len({row['prompt_id'] for row in rows}):,} prompts: {', '.join(parts)}."


def _example_cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["prompt"], row["task"] or UNSPECIFIED, row["degree"] or UNSPECIFIED


def _sample_evenly(rows: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    return [rows[i * len(rows) // count] for i in range(count)] if len(rows) > count else list(rows)


def _describe_files(export_format: ExportFormat, with_motions: bool) -> str:
    if export_format == "atom":
        return _describe_atom_files(with_motions)
    columns = {field.name: field.metadata[b"description"].decode() for field in PREFERENCES.schema}
    if export_format == "trl":
        columns = {
            "prompt": "the text in the generator's prompt template",
            "chosen": "the better motion as text; with 512 codes <motion_id_512> codes <motion_id_513>",
            "rejected": "the worse motion as text",
            "raw_prompt": "the text itself; only where it differs from prompt",
            "score_chosen": columns.pop("chosen_score"),
            "score_rejected": columns.pop("rejected_score"),
            **{
                name: words
                for name, words in columns.items()
                if name not in ("prompt", "chosen_tokens", "rejected_tokens")
            },
        }
        usage = (
            "The standard, non-conversational preference format of TRL, a JSON object a line. The tokenizer needs the "
            "motion tokens added before training, with 512 codes `<motion_id_0>` to `<motion_id_514>`."
        )
    else:
        usage = '`datasets.load_dataset("FOLDER")` opens it; so do pandas and DuckDB.'
    if with_motions:
        columns |= {
            "chosen_joints, rejected_joints": "float32, metres, Y up, 20 a second, flattened: reshape(-1, 22, 3)",
            "chosen_features, rejected_features": "float32, HumanML3D's features, not normalised: reshape(-1, 263)",
        }
    return f"{usage}\n\n{markdown_table(('column', 'meaning'), columns.items())}"


def _describe_atom_files(with_motions: bool) -> str:
    files = {
        "preference_labels.jsonl": "an object a line: id, prompt, sample_1, sample_2, chosen (the last annotation "
        "counts); under `atom` what AToM's loader ignores: task, split, events, margin, scores, motion ids",
        "tokens/ID_1_token.npy, tokens/ID_2_token.npy": "codebook entries of sample_1 and sample_2, int64 (1, n)",
    }
    if with_motions:
        files |= {
            "arrays/ID_1.npy, arrays/ID_2.npy": "joints (frames, 22, 3), float32, metres, Y up, 20 frames a second",
            "features/ID_1.npy, features/ID_2.npy": "HumanML3D's features (frames - 1, 263), not normalised",
        }
    text = "The layout of AToM and InstructMotion. Whether the better motion is sample_1 or sample_2 is random."
    return f"{text}\n\n{markdown_table(('file', 'content'), files.items())}"


def _limits(rows: Sequence[Mapping[str, Any]], export_format: ExportFormat, licence: str) -> str:
    limits = ["Tokens mean something only with the codebook of the generator that made them."]
    if any(row["decided_by"] != "annotator" for row in rows):
        checked = any(row["decided_by"] == "annotator" for row in rows)
        unchecked = "Only some pairs were decided by annotators" if checked else "Nobody checked the pairs"
        limits.append(f"Judges make mistakes, and no pair is about what they can't see of a motion. {unchecked}.")
    if lacking := sum(not row["chosen_tokens"] for row in rows):
        limits.append(f"{lacking:,} pairs have no tokens, as their generator has no codebook.")
    if export_format == "trl":
        limits += TRL_LIMITS
    if licence == "other":
        limits.append("No licence was named; ask whoever made the motions and the texts before you use them.")
    return "\n".join(f"- {limit}" for limit in limits)
