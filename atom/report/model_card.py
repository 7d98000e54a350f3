"""The model card of a tuned adapter: README.md with the header that Hugging Face reads, evaluation results included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from atom.evaluation.comparison import TUNED
from atom.markdown import escape_markdown, markdown_header, markdown_table
from atom.report.facts import Adapter, Change, RunReport
from atom.report.metrics_table import METRICS
from atom.report.sections import CHANGE_HEADER, change_row, dump_config_yaml
from atom.report.wording import GUARDS, in_the_loop

_SCORED = {"overall": "mean_score", "exact_match": "exact_match"}


def model_card(report: RunReport, adapter: Adapter) -> str:
    """The card as Markdown, to lie beside the adapter's weights. Text from outside is escaped."""
    name = f"{report.name}: AToM adapter for {adapter.base_model}"
    parts = [
        markdown_header(_header(report, adapter, name)),
        f"# {escape_markdown(name)}",
        f"A LoRA adapter that aligns the text-to-motion model {escape_markdown(adapter.base_model)} with event-level feedback, "
        "in the manner of AToM (CVPR 2025, arXiv 2411.18654).",
        *(escape_markdown(sentence, None) for sentence in report.summary),
        "## How to use it",
        'In AToM: `atom generate "a person jumps twice" -o out.mp4 --adapter FOLDER`, FOLDER being where it lies. '
        "It is in peft's own format: `peft.PeftModel.from_pretrained(model, FOLDER)` puts it on the base model.",
        "## Evaluation",
        *(_evaluation(report) if report.gains else ["This run did not evaluate it."]),
        "## How it was made",
        markdown_table(("what", "value"), _making(report, adapter)),
        "The same run again: `atom run --config run.yaml` with this as run.yaml.",
        f"```yaml\n{dump_config_yaml(report).rstrip()}\n```",
        "## Limits",
        "- Judges err: what they can't see of a motion was neither rewarded nor measured.\n"
        "- It knows the kinds of events that its prompts were made of; of other texts nothing is claimed.\n"
        "- No licence is named here: that of the base model and of its data applies.",
    ]
    return "\n\n".join(parts) + "\n"


def _header(report: RunReport, adapter: Adapter, name: str) -> dict[str, Any]:
    header = {
        "library_name": "peft",
        "base_model": adapter.base_model,
        "language": ["en"],
        "tags": ["lora", "text-to-motion", "human-motion", "motion-generation", "preference-optimization"],
    }
    if results := list(_results(report)):
        header["model-index"] = [{"name": name, "results": results}]
    return header


def _results(report: RunReport) -> Iterator[dict[str, Any]]:
    """As huggingface_hub's EvalResult writes them."""
    own = {"name": "held-out prompts of the run", "type": "atom-test-prompts", "split": "test"}
    scores = [
        {"type": f"{judge}_{kind}", "name": f"{kind.replace('_', ' ')}, {judge} judge", "value": figures[name].tuned}
        for judge, figures in report.gains.items()
        for name, kind in _SCORED.items()
        if name in figures
    ]
    tuned = [row for row in report.metrics if row["arm"] == TUNED]
    measured = [{"type": row["metric"], "name": METRICS[row["metric"]], "value": row["mean"]} for row in tuned]
    for dataset, metrics in ((own, scores), (_data(tuned, own), measured)):
        if metrics:
            task = {"type": "text-to-motion", "name": "text to motion"}
            yield {"task": task, "dataset": dataset, "metrics": metrics}


def _data(rows: list[dict[str, Any]], own: dict[str, str]) -> dict[str, str]:
    if not rows or rows[0]["data"] == "corpus":
        return own | {"name": "held-out prompts of the run, against the built-in corpus"}
    return {"name": rows[0]["data"], "type": rows[0]["data"].lower()}


def _evaluation(report: RunReport) -> Iterator[str]:
    for judge, figures in report.gains.items():
        named = (
            [(key, key.replace("_", " ")) for key in figures if key not in GUARDS]
            if judge != report.judge
            else [(key, GUARDS.get(key, key.replace("_", " "))) for key in figures]
        )
        yield f"By the {escape_markdown(judge)} judge:"
        rows: list[tuple[str, Change]] = [(words, figures[key]) for key, words in named]
        yield markdown_table(CHANGE_HEADER, [change_row(words, change) for words, change in rows])


def _making(report: RunReport, adapter: Adapter) -> list[tuple[str, Any]]:
    config, pairs = report.config, report.preferences
    tuning, steps = config["tuning"], config["on_policy"]["steps"]
    told = {
        "run": report.run_id,
        "pairs": f"{pairs['pairs']:,} of {pairs['prompts']:,} prompts" if pairs else None,
        "of these only the tasks": ", ".join(tuning.get("tasks") or ()) or None,
        "judge of the pairs": report.training_judge,
        "loss": f"{tuning['loss_type']}, beta {tuning['beta']}",
        "rounds": config["rounds"],
        f"steps with {in_the_loop(config)} in the loop": steps or None,
        "rank, alpha, targets": f"{tuning['rank']}, {tuning['alpha']}, {tuning['targets']}",
        "seeds": f"{config['seed']}, of training {config['training_seed']}",
        "artifact": f"{adapter.stage}/{adapter.key}",
        "git commit": report.makers[0].commit,
    }
    return [(what, value) for what, value in told.items() if value is not None]
