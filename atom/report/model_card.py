"""The model card of a tuned adapter: README.md with the metadata header of Hugging Face and the evaluation results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from atom.evaluation.comparison import TUNED
from atom.generation.loading_example import LOADING_EXAMPLE, LOADING_TEXT
from atom.markdown import escape_markdown, markdown_header, markdown_table
from atom.report.facts import Adapter, Change, RunReport
from atom.report.metrics_table import METRICS
from atom.report.sections import CHANGE_HEADER, change_row, dump_config_yaml
from atom.report.wording import GUARDS, name_figure, name_reward_source

_RESULT_NAMES = {"overall": "mean_score", "exact_match": "exact_match"}


def render_model_card(report: RunReport, adapter: Adapter) -> str:
    """Renders the card, to be placed beside the adapter's weights. Text from outside is escaped.

    Args:
        report: the facts of the run.
        adapter: the adapter that the run ended with.

    Returns:
        The card as Markdown.
    """
    title = f"{report.name}: AToM adapter for {adapter.base_model}"
    parts = [
        markdown_header(_metadata(report, adapter, title)),
        f"# {escape_markdown(title)}",
        f"A LoRA adapter that aligns the text-to-motion model {escape_markdown(adapter.base_model)} with event-level "
        "feedback, as in AToM (CVPR 2025, arXiv 2411.18654).",
        *(escape_markdown(sentence, None) for sentence in report.summary),
        "## How to use it",
        'In AToM: `atom generate "a person jumps twice" -o out.mp4 --adapter FOLDER`, where FOLDER holds the adapter. '
        "It is in peft's own format.",
        LOADING_TEXT,
        f"```python\n{LOADING_EXAMPLE}```",
        "## Evaluation",
        *(_evaluation_tables(report) if report.gains else ["The run did not evaluate the adapter."]),
        "## Training",
        markdown_table(("setting", "value"), _training_settings(report, adapter)),
        "To reproduce the run, save the following as run.yaml and call `atom run --config run.yaml`.",
        f"```yaml\n{dump_config_yaml(report).rstrip()}\n```",
        "## Limits",
        "- Judges err: whatever they can't see in a motion was neither rewarded nor measured.\n"
        "- The adapter was tuned on the kinds of events in its prompts; there is no claim about other texts.\n"
        "- This card names no licence: the licences of the base model and of its data apply.",
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(report: RunReport, adapter: Adapter, title: str) -> dict[str, Any]:
    metadata = {
        "library_name": "peft",
        "base_model": adapter.base_model,
        "language": ["en"],
        "tags": ["lora", "text-to-motion", "human-motion", "motion-generation", "preference-optimization"],
    }
    if results := list(_results(report)):
        metadata["model-index"] = [{"name": title, "results": results}]
    return metadata


def _results(report: RunReport) -> Iterator[dict[str, Any]]:
    """In the layout of huggingface_hub's `EvalResult`."""
    test_prompts = {"name": "held-out prompts of the run", "type": "atom-test-prompts", "split": "test"}
    scores = [
        {"type": f"{judge}_{kind}", "name": f"{kind.replace('_', ' ')}, {judge} judge", "value": figures[name].tuned}
        for judge, figures in report.gains.items()
        for name, kind in _RESULT_NAMES.items()
        if name in figures
    ]
    tuned = [row for row in report.metrics if row["arm"] == TUNED]
    measured = [{"type": row["metric"], "name": METRICS[row["metric"]], "value": row["mean"]} for row in tuned]
    for dataset, metrics in ((test_prompts, scores), (_reference_data(tuned, test_prompts), measured)):
        if metrics:
            task = {"type": "text-to-motion", "name": "text to motion"}
            yield {"task": task, "dataset": dataset, "metrics": metrics}


def _reference_data(rows: list[dict[str, Any]], test_prompts: dict[str, str]) -> dict[str, str]:
    if not rows or rows[0]["data"] == "corpus":
        return test_prompts | {"name": "held-out prompts of the run, against the built-in corpus"}
    return {"name": rows[0]["data"], "type": rows[0]["data"].lower()}


def _evaluation_tables(report: RunReport) -> Iterator[str]:
    for judge, figures in report.gains.items():
        named = (
            [(key, name_figure(key)) for key in figures if key not in GUARDS]
            if judge != report.judge
            else [(key, GUARDS.get(key, name_figure(key))) for key in figures]
        )
        yield f"By the {escape_markdown(judge)} judge:"
        rows: list[tuple[str, Change]] = [(words, figures[key]) for key, words in named]
        yield markdown_table(CHANGE_HEADER, [change_row(words, change) for words, change in rows])


def _training_settings(report: RunReport, adapter: Adapter) -> list[tuple[str, Any]]:
    config, pairs = report.config, report.preferences
    tuning, steps = config["tuning"], config["on_policy"]["steps"]
    settings = {
        "run": report.run_id,
        "pairs": f"{pairs['pairs']:,} of {pairs['prompts']:,} prompts" if pairs else None,
        "tasks of the pairs": ", ".join(tuning.get("tasks") or ()) or None,
        "judge of the pairs": report.training_judge,
        "loss": f"{tuning['loss_type']}, beta {tuning['beta']}",
        "rounds": config["rounds"],
        f"steps with {name_reward_source(config)} in the loop": steps or None,
        "r, lora_alpha, target_modules": f"{tuning['r']}, {tuning['lora_alpha']}, {tuning['target_modules']}",
        "seeds": f"{config['seed']}, {config['training_seed']} for training",
        "artifact": f"{adapter.stage}/{adapter.key}",
        "git commit": report.makers[0].commit,
    }
    return [(name, value) for name, value in settings.items() if value is not None]
