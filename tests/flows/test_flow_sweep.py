"""Settings of the tuning side by side: what is tried, what is shared, and what the table says."""

import pandas as pd
import pytest
from flow_runs import SMALL, drawn_plots

from atom.errors import AtomError
from atom.report.plots import plot_sweep
from flows.sweep import plan_trials, rank_settings, run_trials
from storage import Store


def names(*arguments):
    return [trial.name for trial in plan_trials(*arguments)]


def test_all_combinations_and_the_points_are_tried():
    grid = ["tuning.beta=0.1,0.3", "tuning.r=4,8"]
    points = ["tuning.loss_type=simpo tuning.average_log_prob=true"]
    tried = names([], grid, points, 1, None)
    assert tried == ["loss_type=simpo, average_log_prob=true"] + [
        f"beta={beta}, r={rank}" for beta in (0.1, 0.3) for rank in (4, 8)
    ]
    assert names([], [], [], 1, None) == ["defaults"]


def test_a_budget_keeps_the_points_and_draws_the_same_combinations_again():
    grid = ["tuning.beta=0.1,0.2,0.3,0.4,0.5"]
    tried = names([], grid, ["tuning.loss_type=dpo"], 1, 3)
    assert len(tried) == 3 and tried[0] == "loss_type=dpo" and tried == names([], grid, ["tuning.loss_type=dpo"], 1, 3)


def test_the_seeds_of_a_setting_differ_in_nothing_else():
    (trial,) = plan_trials(["tuning.r=4"], [], ["tuning.beta=0.2"], 3, None)
    assert [config.training_seed for config in trial.configs] == [0, 1, 2]
    assert {config.tuning.model_dump_json() for config in trial.configs} == {trial.configs[0].tuning.model_dump_json()}
    assert trial.configs[0].tuning.r == 4 and trial.configs[0].tuning.beta == 0.2


@pytest.mark.parametrize(
    ("grid", "points", "reason"),
    [
        (["tuning.beta"], [], "must be field=value,value"),
        (["tuning.beta=0.1,none"], [], "the setting tuning.beta=none: "),
        ([], ["tuning.loss_type=orpo"], "the setting tuning.loss_type=orpo: .*set average_log_prob to true"),
    ],
)
def test_a_setting_that_can_not_be_is_named_before_any_runs(grid, points, reason):
    with pytest.raises(AtomError, match=reason):
        plan_trials([], grid, points, 1, None)


def test_a_sweep_shares_the_pairs_and_ranks_the_settings(server, tmp_path):
    trials = plan_trials(SMALL, ["tuning.learning_rate=1e-9,3e-3"], [], 2, None)
    grown = []
    table = run_trials(trials, str(tmp_path), lambda rows: grown.append(len(rows)))
    assert grown == [len(table) // 2, len(table)]
    overall = rank_settings(table)
    assert set(overall["judge"]) == {"kinematic", "learned"} and (overall["seeds"] == 2).all()
    first = overall[overall["judge"] == "kinematic"]
    assert list(first["gain"]) == sorted(first["gain"], reverse=True)
    still = overall[overall["setting"] == "learning_rate=1e-9"]
    assert (still["gain"] == 0).all() and (still["least"] == 0).all()
    assert (overall["least"] <= overall["gain"]).all() and (overall["gain"] <= overall["most"]).all()
    runs = Store(str(tmp_path)).runs()
    made = [stage for run in runs for stage in run["stages"] if stage["name"] == "preferences"]
    assert len(made) == 4 and sum(stage["reused"] for stage in made) == 3
    plot = plot_sweep({judge: rows.to_dict("records") for judge, rows in overall.groupby("judge", sort=False)})
    with drawn_plots():
        png = plot.png
    assert png.startswith(b"\x89PNG") and len(png) > 1000 and "learning_rate=1e-9 +0.00" in plot.alt


def test_the_order_is_that_of_the_first_judge():
    rows = [
        {"figure": "overall", "judge": judge, "setting": setting, "gain": gain}
        for judge, gains in (("kinematic", (0.1, 0.3)), ("learned", (0.5, 0.2)))
        for setting, gain in zip(("a", "b"), gains)
    ]
    assert list(rank_settings(pd.DataFrame(rows))["setting"]) == ["b", "b", "a", "a"]


def test_a_setting_that_comes_to_nothing_is_told_and_the_others_go_on(server, tmp_path):
    trials = plan_trials(
        [*SMALL, "evaluation.judges=[kinematic]", "resources.retries=0"],
        [],
        ["tuning.target_modules=query", "tuning.r=2"],
        1,
        None,
    )
    failed = []
    table = run_trials(trials, str(tmp_path), on_failure=lambda trial, error: failed.append((trial.name, str(error))))
    ((name, reason),) = failed
    assert name == "target_modules=query" and "can't change the layers" in reason
    assert set(table["setting"]) == {"r=2"} and (table["seconds"] > 0).all()
    with pytest.raises(AtomError, match="can't change the layers"):
        run_trials(trials[:1], str(tmp_path))
