"""What came of a run, in sentences that claim no more than the figures do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from atom.report.facts import Change, RunReport, WinRate

GUARDS = {
    "length_ratio": "length over the truth",
    "foot_skate": "foot skate, m/s",
    "jerk": "jerk, m/s³",
    "diversity": "diversity, m",
    "multimodality": "multimodality, m",
}
"""Figures that a judge might be pleased with for the wrong reasons, as they are called in tables."""

_UNMOVED = ("within noise", "too few prompts")


def summary(report: RunReport) -> list[str]:
    """What was gained, by whose judgement, what was asked, whether guards moved; the first sentence says most."""
    return list(_evaluated(report) if report.gains else _made(report))


def joined(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def interval(change: Change, digits: int = 2) -> str:
    """The interval of a gain, such as "+0.10 to +0.30"; empty where there is none."""
    if change.gain_low is None or change.gain_high is None:
        return ""
    return f"{change.gain_low:+.{digits}f} to {change.gain_high:+.{digits}f}"


def percent(share: float) -> str:
    return f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _evaluated(report: RunReport) -> Iterator[str]:
    (judge, figures), *others = report.gains.items()
    overall = figures["overall"]
    prompts = f"By the {judge} judge, on {overall.n:,} held-out prompts"
    yield f"{prompts}, the mean score went from {_moved(overall)}."
    yield _asked(report)
    if "exact_match" in figures:
        yield f"The share of motions that do exactly what was asked went from {_moved(figures['exact_match'])}."
    yield from (_won(rate) for rate in report.win_rates if (rate.judge, rate.task) == (judge, "overall"))
    yield _part(report, judge)
    for other, found in others:
        yield _second(report, judge, other, found["overall"])
    if guards := {name: figures[name] for name in GUARDS if name in figures}:
        yield _guards(guards)
    if report.baselines[judge]:
        yield _baselines(report, judge)


def _made(report: RunReport) -> Iterator[str]:
    pairs = report.preferences
    if pairs is None:
        last = report.stages[-1].name if report.stages else "nothing"
        yield f"The run is {report.state}; the last of its stages is {last!r}, and there is nothing to compare yet."
        return
    of = f" of {pairs['of_prompts']:,}" if "of_prompts" in pairs else ""
    tasks = joined([f"{row['pairs']:,} {row['task']}" for row in pairs["tasks"]])
    yield f"{pairs['pairs']:,} pairs of {pairs['prompts']:,}{of} prompts were built ({tasks})."
    if report.training_judge:
        yield f"The {report.training_judge} judge chose them. Nothing was compared on held-out prompts in this run."


def _asked(report: RunReport) -> str:
    config, pairs = report.config, report.preferences
    if config["external"]["base"]:
        return "Both models were made elsewhere; their motions for the same prompts were judged here."
    told = [f"The generator {Path(config['generation']['checkpoint']).name!r} was tuned"]
    if pairs:
        rounds = config["rounds"]
        in_rounds = f" in {rounds} rounds" if rounds > 1 else ""
        loss = config["tuning"]["loss_type"].upper()
        told.append(f"by {loss} on {pairs['pairs']:,} pairs of {pairs['prompts']:,} training prompts{in_rounds}")
    if steps := config["on_policy"]["steps"]:
        told.append(f"then for {steps:,} steps with {in_the_loop(config)} in the loop")
    asked = joined(config["prompts"]["tasks"])
    return f"{' '.join(told[:2])}{''.join(f', {part}' for part in told[2:])}, to do what prompts of {asked} ask."


def in_the_loop(config: Mapping[str, Any]) -> str:
    """Who gives the rewards on-policy; records of before there was a choice don't say it."""
    return "the judge" if config["on_policy"].get("reward", "judge") == "judge" else "a reward model"


def _moved(change: Change) -> str:
    within = interval(change)
    told = f"{change.gain:+.2f}" + (f", 95 % interval {within}" if within else "")
    return f"{change.base:.2f} to {change.tuned:.2f} ({told}): {change.verdict}"


def _won(rate: WinRate) -> str:
    wins, ties, losses = (percent(found.share) for found in (rate.wins, rate.ties, rate.losses))
    return f"The tuned model wins {wins} of the prompts, ties {ties} and loses {losses}."


def _part(report: RunReport, judge: str) -> str:
    if report.training_judge == judge:
        rewarded = report.config["on_policy"]["steps"] and in_the_loop(report.config) == "the judge"
        did = "gave the rewards and chose the pairs" if rewarded else "chose the pairs"
        return (
            f"The {judge} judge also {did} that the model was tuned on, so its gain alone is no proof of better motion."
        )
    return f"The {judge} judge had no part in tuning."


def _second(report: RunReport, judge: str, other: str, overall: Change) -> str:
    part = "which also had a part in tuning" if report.training_judge == other else "which had no part in tuning"
    within = interval(overall)
    told = f"{overall.gain:+.2f}" + (f" ({within})" if within else "")
    agreed = next((found for found in report.agreement if set(found.judges) == {judge, other}), None)
    kappa = (
        ""
        if agreed is None or agreed.kappa is None
        else (f"; the two agree on what is an exact match with kappa {agreed.kappa:.2f} on {agreed.n:,} motions")
    )
    return f"The {other} judge, {part}, finds {told}: {overall.verdict}{kappa}."


def _guards(guards: dict[str, Change]) -> str:
    names = {name: words.split(",")[0] for name, words in GUARDS.items()}
    moved = [
        f"{names[name]} went from {found.base:.3g} to {found.tuned:.3g} ({found.verdict})"
        for name, found in guards.items()
        if found.verdict not in _UNMOVED
    ]
    still = [names[name] for name, found in guards.items() if found.verdict == "within noise"]
    untold = [names[name] for name, found in guards.items() if found.verdict == "too few prompts"]
    parts = [
        f"{joined(moved)}" if moved else "",
        f"{joined(still)} did not move beyond noise" if still else "",
        f"for {joined(untold)} there are too few prompts to tell" if untold else "",
    ]
    told = "; ".join(filter(None, parts))
    return f"Length and physics: {told}."


def _baselines(report: RunReport, judge: str) -> str:
    behind, ahead, even = [], [], []
    for found in report.baselines[judge]:
        change = found.tuned_over_baseline
        where = {"better": ahead, "worse": behind}.get(change.verdict, even)
        where.append(f"{found.name} ({change.gain:+.2f})")
    parts = [
        f"ahead of {joined(ahead)}" if ahead else "",
        f"behind {joined(behind)}" if behind else "",
        f"about even with {joined(even)}" if even else "",
    ]
    return f"Against plainer ways to the same end, the tuned model is in mean score {joined([p for p in parts if p])}."
