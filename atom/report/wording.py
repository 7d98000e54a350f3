"""The summary of a run in sentences that claim no more than the figures show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from atom.evaluation.comparison import EVENT_GROUPS
from atom.judging.coverage import JudgeCoverage
from atom.report.facts import Change, RunReport, WinRate

GUARDS = {
    "length_ratio": "length over the truth",
    "foot_skate": "foot skate, m/s",
    "jerk": "jerk, m/s³",
    "diversity": "diversity, m",
    "multimodality": "multimodality, m",
}
"""Guard metrics, which show reward hacking, with their names in tables."""


def summarise_run(report: RunReport) -> list[str]:
    """The summary of a run: the gain and the judge that measured it, how the model was tuned, whether guard metrics
    moved, what was not judged. The first sentence is the most important."""
    return [
        *(_describe_evaluation(report) if report.gains else _describe_pairs(report)),
        *describe_coverage(report.coverage),
    ]


def name_figure(figure: str) -> str:
    """The name of a figure for people: "exact match", "2 events", "4 or more events"."""
    if figure in EVENT_GROUPS:
        number = figure.removeprefix("events_").replace("_", " ")
        return f"{number} event" if number == "1" else f"{number} events"
    return figure.replace("_", " ")


def describe_coverage(coverage: Sequence[JudgeCoverage]) -> list[str]:
    """What judges did not score and why, and the shares of the judge "auto", a sentence each. Empty where all judges
    scored all motions."""
    return [sentence for judge in coverage for sentence in _describe_judge_coverage(judge)]


def _describe_judge_coverage(judge: JudgeCoverage) -> Iterator[str]:
    def share(number: int) -> str:
        return f"{number:,} of {judge.motions:,} motions ({format_percent(number / judge.motions)})"

    if judge.by_vision is not None:
        by_joints = judge.motions - judge.not_judged - judge.by_vision
        yield (
            f"The {judge.judge} judge sent {share(judge.by_vision)} to the vision judge and "
            f"{by_joints:,} ({format_percent(by_joints / judge.motions)}) to the kinematic judge."
        )
    if judge.not_judged:
        yield (
            f"The {judge.judge} judge did not judge {share(judge.not_judged)}: their prompts have an event that it "
            "can't see. They have no score and count in no mean."
        )
    if judge.failed:
        yield f"The {judge.judge} judge gave no score to {share(judge.failed)}, for another reason."


def join_words(words: Sequence[str]) -> str:
    """The words as a list in a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def format_interval(change: Change, digits: int = 2) -> str:
    """The interval of a gain.

    Args:
        change: the figure.
        digits: decimal places.

    Returns:
        A text such as "+0.10 to +0.30", empty where there is no interval.
    """
    if change.gain_low is None or change.gain_high is None:
        return ""
    return f"{change.gain_low:+.{digits}f} to {change.gain_high:+.{digits}f}"


def format_percent(share: float) -> str:
    """A share of 0 to 1 as a whole percentage."""
    return f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _describe_evaluation(report: RunReport) -> Iterator[str]:
    (judge, figures), *others = report.gains.items()
    overall = figures["overall"]
    prompts = f"By the {judge} judge, on {overall.n:,} held-out prompts"
    yield f"{prompts}, the mean score went from {_describe_change(overall)}."
    yield _describe_tuning(report)
    if "exact_match" in figures:
        exact_match = _describe_change(figures["exact_match"])
        yield f"The share of motions that match the prompt exactly went from {exact_match}."
    yield from (_describe_wins(rate) for rate in report.win_rates if (rate.judge, rate.task) == (judge, "overall"))
    yield _describe_judge_role(report, judge)
    for other, other_figures in others:
        yield _describe_second_judge(report, judge, other, other_figures["overall"])
    if guards := {name: figures[name] for name in GUARDS if name in figures}:
        yield _describe_guards(guards)
    if report.baselines[judge]:
        yield _describe_baselines(report, judge)


def _describe_pairs(report: RunReport) -> Iterator[str]:
    pairs = report.preferences
    if pairs is None:
        last = report.stages[-1].name if report.stages else "nothing"
        yield f"The run is {report.state}; its last stage is {last!r}, and there is nothing to compare yet."
        return
    of_all = f" of {pairs['of_prompts']:,}" if "of_prompts" in pairs else ""
    tasks = join_words([f"{row['pairs']:,} {row['task']}" for row in pairs["tasks"]])
    yield f"{pairs['pairs']:,} pairs of {pairs['prompts']:,}{of_all} prompts were built ({tasks})."
    if report.training_judge:
        yield f"The {report.training_judge} judge chose them. This run compares nothing on held-out prompts."


def _describe_tuning(report: RunReport) -> str:
    config, pairs = report.config, report.preferences
    if config["external"]["base"]:
        return "Both models are external; this run judged their motions for the same prompts."
    steps = [f"The generator {Path(config['generation']['checkpoint']).name!r} was tuned"]
    if pairs:
        rounds = config["rounds"]
        in_rounds = f" in {rounds} rounds" if rounds > 1 else ""
        loss = config["tuning"]["loss_type"].upper()
        steps.append(f"by {loss} on {pairs['pairs']:,} pairs of {pairs['prompts']:,} training prompts{in_rounds}")
    if on_policy_steps := config["on_policy"]["steps"]:
        steps.append(f"then for {on_policy_steps:,} steps with {name_reward_source(config)} in the loop")
    names = config["prompts"]["tasks"]
    tasks = f"{'task' if len(names) == 1 else 'tasks'} {join_words(names)}"
    return f"{' '.join(steps[:2])}{''.join(f', {step}' for step in steps[2:])}, for the {tasks}."


def name_reward_source(config: Mapping[str, Any]) -> str:
    """What gives the rewards of on-policy tuning. Old records lack the field, because the judge was the only choice."""
    return "the judge" if config["on_policy"].get("reward", "judge") == "judge" else "a reward model"


def _describe_change(change: Change) -> str:
    interval = format_interval(change)
    gain = f"{change.gain:+.2f}" + (f", 95 % interval {interval}" if interval else "")
    return f"{change.base:.2f} to {change.tuned:.2f} ({gain}): {change.verdict}"


def _describe_wins(rate: WinRate) -> str:
    wins, ties, losses = (format_percent(share.share) for share in (rate.wins, rate.ties, rate.losses))
    return f"The tuned model wins {wins} of the prompts, ties {ties} and loses {losses}."


def _describe_judge_role(report: RunReport, judge: str) -> str:
    if report.training_judge == judge:
        gave_rewards = report.config["on_policy"]["steps"] and name_reward_source(report.config) == "the judge"
        role = "gave the rewards and chose the pairs" if gave_rewards else "chose the pairs"
        return f"The {judge} judge also {role} for tuning, so its gain alone does not prove better motion."
    return f"The {judge} judge had no part in tuning."


def _describe_second_judge(report: RunReport, judge: str, other: str, overall: Change) -> str:
    role = "which also had a part in tuning" if report.training_judge == other else "which had no part in tuning"
    interval = format_interval(overall)
    gain = f"{overall.gain:+.2f}" + (f" ({interval})" if interval else "")
    agreement = next((row for row in report.agreement if set(row.judges) == {judge, other}), None)
    kappa = (
        ""
        if agreement is None or agreement.kappa is None
        else (f"; on {agreement.n:,} motions the two judges agree about exact match with kappa {agreement.kappa:.2f}")
    )
    return f"The {other} judge, {role}, finds {gain}: {overall.verdict}{kappa}."


def _describe_guards(guards: dict[str, Change]) -> str:
    names = {name: words.split(",")[0] for name, words in GUARDS.items()}  # without the unit
    noise = [names[name] for name, change in guards.items() if change.verdict == "within noise"]
    unknown = [names[name] for name, change in guards.items() if change.verdict == "too few prompts"]
    moved = [
        f"{names[name]} went from {change.base:.3g} to {change.tuned:.3g} ({change.verdict})"
        for name, change in guards.items()
        if change.verdict not in ("within noise", "too few prompts")
    ]
    parts = [
        join_words(moved),
        f"{join_words(noise)} did not move beyond noise" if noise else "",
        f"there are too few prompts to measure {join_words(unknown)}" if unknown else "",
    ]
    return f"Length and physics: {'; '.join(filter(None, parts))}."


def _describe_baselines(report: RunReport, judge: str) -> str:
    behind, ahead, even = [], [], []
    for baseline in report.baselines[judge]:
        change = baseline.tuned_over_baseline
        group = {"better": ahead, "worse": behind}.get(change.verdict, even)
        group.append(f"{baseline.name} ({change.gain:+.2f})")
    parts = [
        f"ahead of {join_words(ahead)}" if ahead else "",
        f"behind {join_words(behind)}" if behind else "",
        f"about even with {join_words(even)}" if even else "",
    ]
    return f"Compared with the baselines, the tuned model is in mean score {join_words(list(filter(None, parts)))}."
