"""Which stages a run has and what each of them reads, by its config. No stage is computed."""

import pytest
from planned_run import PlannedRun, quiet

from atom.config import load_config
from atom.errors import AtomError
from flows.stage_runner import StageLimitReached
from flows.stages import metrics as metrics_stage

BARE = ["rounds=1", "on_policy.steps=0", "evaluation.baselines=[]", "evaluation.metrics=null", "prompts_per_shard=100"]


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """`plan("rounds=3", prompts=9, gains=[0.1, 0.0])` gives the run after all of its stages."""
    quiet(monkeypatch)

    def run(*overrides, **settings):
        planned = PlannedRun(load_config(overrides=overrides), tmp_path, **settings)
        planned.run_stages()
        return planned

    return run


def stages(run, *starts):
    return [name for name in run.jobs if name.startswith(starts)]


def arguments(run, name):
    """The arguments of a stage's jobs without the config."""
    return [tuple(each for each in job[1:] if type(each).__name__ != "RunConfig") for job in run.jobs[name]]


def config_of(run, name):
    return next(each for each in run.jobs[name][0] if type(each).__name__ == "RunConfig")


def test_two_rounds_share_the_prompts_and_each_goes_on_from_the_adapter_before(plan):
    run = plan("rounds=2", *BARE[1:])
    assert list(run.jobs) == [
        "prompts", "motions", "clips", "scores", "preferences", "adapter",
        "motions round 2", "scores round 2", "preferences round 2", "adapter round 2",
        "test motions base", "test motions tuned",
        "test scores base kinematic", "test scores base learned",
        "test scores tuned kinematic", "test scores tuned learned", "evaluation",
    ]  # fmt: skip
    assert arguments(run, "motions") == [("prompts", "train", 0, 3, None)]
    assert arguments(run, "motions round 2") == [("prompts", "train", 3, 7, "adapter 0")]
    assert arguments(run, "adapter") == [("preferences 0", None)]
    assert arguments(run, "adapter round 2") == [("preferences round 2 0", "adapter 0")]
    assert arguments(run, "scores round 2") == [("prompts", "motions round 2 0", "kinematic")]
    assert arguments(run, "preferences") == [("prompts", ["motions 0"], ["scores 0"], [])]
    assert arguments(run, "test motions base") == [("prompts", "test", 0, 7, None)]
    assert arguments(run, "test motions tuned") == [("prompts", "test", 0, 7, "adapter round 2 0")]
    assert arguments(run, "evaluation") == [
        (
            "prompts",
            {
                arm: [[f"test motions {arm} 0", [f"test scores {arm} {j} 0" for j in ("kinematic", "learned")]]]
                for arm in ("base", "tuned")
            },
        )
    ]


def test_with_all_prompts_every_round_samples_for_each_of_them(plan):
    run = plan("rounds=3", "round_prompts=all", *BARE[1:])
    for name in ("motions", "motions round 2", "motions round 3"):
        assert [job[2:4] for job in arguments(run, name)] == [(0, 7)]
    assert arguments(run, "motions round 3")[0][-1] == "adapter round 2 0"


def test_shards_cover_a_part_without_gap_or_overlap(plan):
    run = plan("rounds=2", *BARE[1:4], "prompts_per_shard=2", prompts=9)
    assert [job[2:4] for job in arguments(run, "motions")] == [(0, 2), (2, 4)]
    assert [job[2:4] for job in arguments(run, "motions round 2")] == [(4, 6), (6, 8), (8, 9)]
    assert [job[1] for job in arguments(run, "scores round 2")] == [f"motions round 2 {n}" for n in range(3)]


@pytest.mark.parametrize(
    ("gains", "rounds"),
    [([0.5, 0.5, 0.5], 3), ([0.25, 0.25, 0.25], 3), ([0.5, 0.24, 0.5], 2), ([-0.3, 0.5, 0.5], 1), ([None, 0.5], 1)],
)
def test_a_round_that_gains_less_than_it_must_is_the_last(plan, gains, rounds):
    run = plan("rounds=3", "min_round_gain=0.25", *BARE[1:], gains=gains)
    assert len(stages(run, "adapter")) == rounds


def test_without_a_limit_all_rounds_run(plan):
    assert len(stages(plan("rounds=3", *BARE[1:], gains=[-1.0, -1.0]), "adapter")) == 3


def test_on_policy_tuning_goes_on_from_the_last_adapter_and_is_compared_with_it(plan):
    run = plan("rounds=2", *BARE[2:], "on_policy.steps=3")
    assert arguments(run, "on-policy adapter") == [("prompts", "adapter round 2 0")]
    assert arguments(run, "test motions tuned")[0][-1] == "on-policy adapter 0"
    assert arguments(run, "test motions pairs")[0][-1] == "adapter round 2 0"
    assert list(arguments(run, "evaluation")[0][1]) == ["base", "tuned", "ipo alone"]


def test_a_reward_model_learns_from_the_pairs_of_all_rounds(plan):
    run = plan("rounds=2", *BARE[2:], "on_policy.steps=3", "on_policy.reward=model")
    assert arguments(run, "reward model") == [(["preferences 0", "preferences round 2 0"],)]
    assert arguments(run, "on-policy adapter") == [("prompts", "adapter round 2 0", "reward model 0")]
    assert list(run.jobs).index("reward model") < list(run.jobs).index("on-policy adapter")


def test_test_motions_have_a_temperature_of_their_own_and_the_low_one_is_a_part_of_it(plan):
    run = plan(
        *BARE[:2], *BARE[3:], "generation.temperature=0.9", "evaluation.temperature=0.5",
        "evaluation.baselines=[low_temperature]", "evaluation.low_temperature_factor=0.4",
    )  # fmt: skip
    names = ("motions", "test motions base", "test motions tuned", "test motions low_temperature")
    assert [config_of(run, name).generation.temperature for name in names] == pytest.approx([0.9, 0.5, 0.5, 0.2])
    assert arguments(run, "test motions low_temperature")[0][-1] is None
    plain = plan(*BARE[:2], *BARE[3:], "generation.temperature=0.9", "evaluation.baselines=[low_temperature]")
    assert [config_of(plain, name).generation.temperature for name in names] == pytest.approx([0.9, 0.9, 0.9, 0.63])


def test_a_baseline_is_tuned_with_its_own_loss_in_as_many_rounds(plan):
    run = plan("rounds=2", *BARE[1:2], *BARE[3:], "evaluation.baselines=[dpo]")
    assert stages(run, "adapter") == ["adapter", "adapter round 2", "adapter dpo", "adapter dpo round 2"]
    assert config_of(run, "adapter").tuning.loss_type == "ipo"
    assert config_of(run, "adapter dpo round 2").tuning.loss_type == "dpo"
    assert arguments(run, "adapter dpo") == [("preferences dpo 0", None)]
    assert arguments(run, "test motions dpo")[0][-1] == "adapter dpo round 2 0"
    assert "clips dpo" not in run.jobs and "clips round 2" not in run.jobs


@pytest.mark.parametrize(
    ("until", "last"),
    [("prompts", "prompts"), ("motions", "motions"), ("scores", "scores"), ("preferences", "preferences")],
)
def test_a_run_ends_after_its_last_stage(tmp_path, monkeypatch, until, last):
    quiet(monkeypatch)
    run = PlannedRun(load_config(overrides=BARE), tmp_path, until=until)
    with pytest.raises(StageLimitReached):
        run.run_stages()
    assert list(run.jobs)[-1] == last


def test_tuning_ends_after_the_on_policy_part(tmp_path, monkeypatch):
    quiet(monkeypatch)
    run = PlannedRun(load_config(overrides=[*BARE, "rounds=2", "on_policy.steps=2"]), tmp_path, until="tuning")
    with pytest.raises(StageLimitReached):
        run.run_stages()
    assert list(run.jobs)[-2:] == ["adapter round 2", "on-policy adapter"]


def test_only_a_judge_that_asks_a_model_gets_pictures(plan):
    run = plan(*BARE, "judging.judge=vision", "evaluation.judges=[kinematic,vision,auto]", "judging.vision.near_ties=1")
    assert stages(run, "pictures", "test pictures base") == [
        "pictures",
        "test pictures base",
        "test pictures base auto",
    ]
    assert arguments(run, "pictures") == [("prompts", "motions 0", False)]
    assert arguments(run, "test pictures base auto") == [("prompts", "test motions base 0", True)]
    assert arguments(run, "scores") == [("prompts", "motions 0", "pictures 0", "vision")]
    assert arguments(run, "test scores base auto")[0][-2:] == ("test pictures base auto 0", "auto")
    assert arguments(run, "comparisons") == [("prompts", "motions 0", "scores 0", "pictures 0")]
    assert arguments(run, "preferences") == [("prompts", ["motions 0"], ["scores 0"], ["comparisons 0"])]
    alone = plan(*BARE, "judging.judge=vision", "evaluation.judges=[auto]")
    assert "test pictures base" in alone.jobs and "comparisons" not in alone.jobs


def test_clips_are_of_the_first_prompts_of_the_first_shard_or_of_all(plan):
    shards = [*BARE[:4], "prompts_per_shard=3"]
    assert arguments(plan(*shards, "rendering.preview_prompts=2"), "clips") == [("motions 0", ["m0", "m1"])]
    everything = plan(*shards, "rendering.motions=all")
    assert [job[1] for job in arguments(everything, "clips")] == [["m0", "m1", "m2"], ["m3", "m4", "m5"], ["m6"]]
    assert arguments(plan(*shards, "rendering.preview_prompts=0"), "clips") == []


def test_the_coverage_counts_each_scored_shard_once(plan):
    run = plan(*BARE, unjudged=("learned",))
    kinematic, learned = run.record["coverage"]
    assert (kinematic["judge"], kinematic["motions"], kinematic["scored"]) == ("kinematic", 21, 21)
    assert (learned["judge"], learned["motions"], learned["not_judged"]) == ("learned", 14, 14)
    assert run.record["not_judged"] == {"learned": 14}


@pytest.mark.parametrize(
    ("unjudged", "settings", "reason"),
    [
        (("kinematic",), [], r"^scores: the kinematic judge can judge none of 7 motions \(the .*judging\.judge=auto"),
        (("kinematic", "learned"), ["external.base=b", "external.tuned=t"], "evaluation.judges=auto"),
    ],
)  # fmt: skip
def test_a_run_that_nobody_can_judge_stops(tmp_path, monkeypatch, unjudged, settings, reason):
    quiet(monkeypatch)
    with pytest.raises(AtomError, match=reason):
        PlannedRun(load_config(overrides=[*BARE, *settings]), tmp_path, unjudged=unjudged).run_stages()


def test_too_few_scores_stop_the_run_and_just_enough_do_not(tmp_path, monkeypatch):
    quiet(monkeypatch)
    run = PlannedRun(load_config(overrides=["judging.vision.min_scored_fraction=0.75"]), tmp_path)
    run._check_scored_fraction("scores", [None, None, None, "refused: no"])
    run._check_scored_fraction("scores", [])
    with pytest.raises(AtomError) as caught:
        run._check_scored_fraction("scores", [None, None, "refused: no", "cut off", "refused: never"])
    assert "scores: 3 of 5 motions have no score" in str(caught.value)
    assert "refused (2), cut off (1)" in str(caught.value) and "judging.vision.attempt=1" in str(caught.value)


@pytest.mark.parametrize(("unanswered", "stops"), [(0, False), (2, True)])
def test_only_motions_that_a_model_was_asked_about_count_for_the_share_with_a_score(plan, unanswered, stops):
    settings = [*BARE, "external.candidates=c", "judging.judge=auto", "judging.vision.min_scored_fraction=0.5"]
    if not stops:
        assert "preferences" in plan(*settings, unanswered=unanswered).jobs
        return
    with pytest.raises(AtomError, match="scores: 2 of 2 motions have no score"):
        plan(*settings, unanswered=unanswered)


def test_the_scores_of_the_judge_of_the_pairs_are_shown_by_task(tmp_path, monkeypatch):
    parts = quiet(monkeypatch)
    run = PlannedRun(load_config(overrides=BARE), tmp_path)
    run.run_stages()
    (by_task,) = parts.plots.plot_score_histograms.call_args.args
    assert by_task == {"frequency": [3.0] * 7}
    shown = [call.args[1:3] for call in parts.publish_picture.call_args_list]
    assert shown == [(run.run_id, "scores"), (run.run_id, "tuning")]


def test_external_candidates_are_paired_and_external_models_compared(plan):
    run = plan(*BARE, "external.candidates=c", "external.base=b", "external.tuned=t", "prompts_per_shard=4")
    assert "adapter" not in run.jobs and "metrics" not in run.jobs
    assert arguments(run, "motions") == [("prompts", "c", "train", 0, 4), ("prompts", "c", "train", 4, 7)]
    assert arguments(run, "test motions base")[0] == ("prompts", "b", "test", 0, 4)
    assert arguments(run, "test motions tuned")[1] == ("prompts", "t", "test", 4, 7)
    assert "evaluation" in run.jobs
    assert "evaluation" not in plan(*BARE, "external.candidates=c").jobs


def test_metrics_are_on_the_test_motions_or_on_those_of_a_dataset(plan, monkeypatch):
    bare = [*BARE[:3], "prompts_per_shard=100"]
    run = plan(*bare)
    assert arguments(run, "metrics") == [
        ("prompts", {"base": ["test motions base 0"], "tuned": ["test motions tuned 0"]})
    ]
    monkeypatch.setattr(metrics_stage, "dataset_captions", lambda settings, seed: [("k", "t")] * 5)
    run = plan(*bare[:3], "prompts_per_shard=2", "evaluation.metrics.dataset=d", prompts=2)
    assert arguments(run, "dataset motions base") == [(0, 2, None), (2, 4, None), (4, 5, None)]
    assert arguments(run, "dataset motions tuned")[2] == (4, 5, "adapter 0")
    assert arguments(run, "metrics")[0][1]["tuned"] == [f"dataset motions tuned {n}" for n in range(3)]
