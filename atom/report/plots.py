"""Plots of a run as PNG bytes, in colours that colour-blind people can tell apart."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

BASE, TUNED = "#7f8c9a", "#d55e00"


def gains(figures: Mapping[str, Any], names: Sequence[str]) -> bytes:
    """Base and tuned mean score of each name, the gain's 95 % interval as a whisker on the tuned mean."""
    figure, axes = plt.subplots(figsize=(6.4, 0.5 * len(names) + 1.3))
    for row, name in enumerate(names):
        f = figures[name]
        axes.plot([f["base"], f["tuned"]], [row, row], color="#c9ced6", lw=2, zorder=1)
        axes.scatter(f["base"], row, color=BASE, s=60, zorder=3)
        if f["gain_low"] is not None:
            ends = [f["base"] + f["gain_low"], f["base"] + f["gain_high"]]
            axes.plot(ends, [row, row], color=TUNED, lw=2, marker="|", ms=10, zorder=2)
        axes.scatter(f["tuned"], row, color=TUNED, s=60, zorder=3)
    handles = [
        axes.scatter([], [], color=BASE, s=60, label="base"),
        axes.plot([], [], color=TUNED, lw=2, marker="o", ms=8, label="tuned, 95 % interval of the gain")[0],
    ]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("mean score, 1 to 5")
    figure.legend(handles=handles, frameon=False, fontsize=9, loc="upper right", ncols=2)
    return _png(figure, axes, top=0.9)


def scores(by_task: Mapping[str, Sequence[float]]) -> bytes:
    """How often each score from 1 to 5 was given, in half points, a panel a task."""
    figure, panels = plt.subplots(1, len(by_task), figsize=(2.6 * len(by_task), 2.4), sharey=True, squeeze=False)
    edges = [0.75 + 0.5 * step for step in range(10)]
    for axes, (task, values) in zip(panels[0], by_task.items()):
        axes.hist(values, bins=edges, color=TUNED)
        axes.set_title(f"{task}, mean {sum(values) / len(values):.2f}", fontsize=9)
        axes.set_xlabel("score")
        axes.set_xticks(range(1, 6))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("motions")
    return _png(figure, panels[0][0])


def curves(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Loss and share of rightly ordered pairs over the steps of tuning."""
    figure, axes = plt.subplots(figsize=(6.4, 2.6))
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["loss"] for row in rows], color=BASE, lw=1.5)
    axes.set_xlabel("step")
    axes.set_ylabel("loss", color=BASE)
    right = axes.twinx()
    right.plot(steps, [row["accuracy"] for row in rows], color=TUNED, lw=1.5)
    right.set_ylabel("pairs in the right order", color=TUNED)
    right.set_ylim(0, 1.02)
    right.spines["top"].set_visible(False)
    return _png(figure, axes)


def rewards(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Mean reward over the steps with the judge in the loop, each step and the running mean of ten."""
    figure, axes = plt.subplots(figsize=(6.4, 2.6))
    steps, values = [row["step"] for row in rows], [row["reward"] for row in rows]
    axes.plot(steps, values, color=BASE, lw=1, alpha=0.6)
    running = [sum(values[max(i - 9, 0) : i + 1]) / min(i + 1, 10) for i in range(len(values))]
    axes.plot(steps, running, color=TUNED, lw=2)
    axes.set_xlabel("step")
    axes.set_ylabel("reward, 0 to 1")
    return _png(figure, axes)


def settings(rows: Sequence[Mapping[str, Any]], label: str) -> bytes:
    """The gain of each setting with its 95 % interval, a mark a judge; rows of `setting, judge, gain, gain_low,
    gain_high` in the order of the settings."""
    names, judges = list(dict.fromkeys(r["setting"] for r in rows)), list(dict.fromkeys(r["judge"] for r in rows))
    colours = (TUNED, "#0072b2", BASE)
    figure, axes = plt.subplots(figsize=(7.4, 0.42 * len(names) + 1.3))
    for row in rows:
        which = judges.index(row["judge"])
        place = names.index(row["setting"]) + 0.16 * (which - (len(judges) - 1) / 2)
        if row["gain_low"] is not None:
            axes.plot([row["gain_low"], row["gain_high"]], [place, place], color=colours[which % 3], lw=2)
        axes.scatter(row["gain"], place, color=colours[which % 3], s=36, marker="os^"[which % 3], zorder=3)
    handles = [
        axes.scatter([], [], color=colours[i % 3], marker="os^"[i % 3], label=f"{judge} judge")
        for i, judge in enumerate(judges)
    ]
    axes.axvline(0, color="#c9ced6", lw=1)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(label)
    figure.legend(handles=handles, frameon=False, fontsize=9, loc="upper right", ncols=len(judges))
    return _png(figure, axes, top=0.92)


def _png(figure: plt.Figure, axes: plt.Axes, top: float = 1.0) -> bytes:
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout(rect=(0, 0, 1, top))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    plt.close(figure)
    return buffer.getvalue()
