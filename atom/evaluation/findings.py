"""A comparison in words and in one table, for the terminal and the report alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atom.evaluation.compare import Figure

# figure -> how a reader sees it: name, format of a value, format of a difference
LABELS = {
    "overall": ("Score, all tasks (1 to 5)", ".2f", "+.2f"),
    "integrity": ("Score, integrity", ".2f", "+.2f"),
    "temporal": ("Score, temporal", ".2f", "+.2f"),
    "frequency": ("Score, frequency", ".2f", "+.2f"),
    "exact_match": ("Exact match", ".1%", "+.1%"),
    "length_ratio": ("Length against truth", ".2f", "+.2f"),
    "foot_skate": ("Foot skate (m/s)", ".3f", "+.3f"),
    "diversity": ("Diversity between prompts (m)", ".3f", "+.3f"),
    "multimodality": ("Diversity within a prompt (m)", ".3f", "+.3f"),
}
ARM_NAMES = {"base": "base", "tuned": "tuned", "best_of_n": "best of N", "sft": "fine-tuned on the best samples"}


@dataclass(frozen=True)
class FindingRow:
    """One line of the table, as text."""

    name: str
    label: str
    base: str
    tuned: str
    gain: str
    interval: str
    verdict: str


def finding_rows(summary: Mapping[str, Any]) -> list[FindingRow]:
    """The figures of one judge (or one of its baselines) as lines of a table, in reading order."""
    return [
        FindingRow(
            name,
            label,
            format(summary[name]["base"], value_format),
            format(summary[name]["tuned"], value_format),
            format_gain(name, summary[name]["gain"]),
            format_interval(name, summary[name]),
            summary[name]["verdict"],
        )
        for name, (label, value_format, _) in LABELS.items()
        if name in summary
    ]


def format_gain(name: str, gain: float) -> str:
    """`+0.31`, or in percentage points where the figure is a share."""
    text = format(gain, LABELS[name][2]).replace("-", "−")
    return text.replace("%", " pp") if text.endswith("%") else text


def format_interval(name: str, figure: Figure) -> str:
    """`+0.20 to +0.42`, or a dash where there is none."""
    if figure["gain_low"] is None:
        return "–"
    return f"{format_gain(name, figure['gain_low'])} to {format_gain(name, figure['gain_high'])}"


def arm_name(arm: str) -> str:
    return ARM_NAMES.get(arm, arm.replace("_", " "))


def headline(evaluation: Mapping[str, Any], training_judge: str) -> str:
    """One sentence for the judge that trained the model, and one for each judge that did not."""
    summary = evaluation.get(training_judge) or next(iter(evaluation.values()))
    figure = summary["overall"]
    scores = f"a mean score of {figure['tuned']:.2f} against {figure['base']:.2f}"
    gain = f"{format_gain('overall', figure['gain'])}, 95 % interval {format_interval('overall', figure)}"
    opening = {
        "better": "The tuned model follows the text better than the base",
        "worse": "The tuned model follows the text worse than the base",
        "within noise": "Base and tuned can't be told apart: the difference is within noise",
        "too few prompts": "Too few prompts to tell base and tuned apart",
    }[figure["verdict"]]
    sentences = [f"{opening}: {scores} ({gain}) on {figure['n']} held-out prompts."]
    for judge, other in evaluation.items():
        if other is not summary:
            sentences.append(f"The independent judge “{judge}” says: {_in_words(other['overall'])}.")
    return " ".join(sentences)


def cautions(evaluation: Mapping[str, Any], training_judge: str) -> list[str]:
    """What a careful reader has to know before believing the headline; each line follows from the numbers."""
    summary = evaluation.get(training_judge) or next(iter(evaluation.values()))
    found = []
    if set(evaluation) == {training_judge}:
        found.append(
            f"The only judge here, “{training_judge}”, also scored the motions that the model was tuned on. "
            "Its gain alone doesn't show that a person would agree."
        )
    for judge, other in evaluation.items():
        if judge != training_judge and other["overall"]["verdict"] != summary["overall"]["verdict"]:
            found.append(f"The judges disagree: “{judge}” finds {_in_words(other['overall'])}.")
    baselines = summary.get("baselines", {})
    if not baselines:
        found.append(
            "No baseline was run: whether picking the best of several samples, or fine-tuning on the best "
            "samples, would have gained as much isn't known from this run."
        )
    for arm, figures in baselines.items():
        over = figures["tuned_over_baseline"]
        if over["verdict"] != "better":
            found.append(f"The tuned model doesn't beat the baseline “{arm_name(arm)}”: {_in_words(over)}.")
    if summary.get("foot_skate", {}).get("verdict") == "worse":
        found.append(f"Feet slide more than before: {_before_after('foot_skate', summary['foot_skate'])} m/s.")
    length = summary.get("length_ratio")
    if length and length["verdict"] in ("higher", "lower") and abs(length["tuned"] - 1) > abs(length["base"] - 1):
        found.append(f"Lengths moved away from the truth: {_before_after('length_ratio', length)} of the corpus's length.")
    for name, where in (("diversity", "of different prompts"), ("multimodality", "of one prompt")):
        if summary.get(name, {}).get("verdict") == "lower":
            change = _before_after(name, summary[name])
            found.append(f"Motions {where} grew more alike: a mean distance of {change} m.")
    left_out = summary["left_out"]
    if left_out["samples_without_score"]:
        found.append(f"{left_out['samples_without_score']} samples got no score and are left out.")
    if left_out["prompts_of_one_model"]:
        found.append(f"{left_out['prompts_of_one_model']} prompts were scored for one model only and are left out.")
    return found


def _in_words(figure: Figure) -> str:
    amount = f"{format_gain('overall', figure['gain'])}, {format_interval('overall', figure)}"
    word = {"better": "better", "worse": "worse", "within noise": "no difference beyond noise"}
    return f"{word.get(figure['verdict'], figure['verdict'])} ({amount})"


def _before_after(name: str, figure: Figure) -> str:
    value_format = LABELS[name][1]
    return f"{figure['tuned']:{value_format}} instead of {figure['base']:{value_format}}"
