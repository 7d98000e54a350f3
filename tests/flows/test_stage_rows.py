"""The rows that the stages write, on a small store: what each reads, counts, leaves out and puts into its key."""

import json
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from planned_run import JOINTS

from atom.config import load_config
from atom.errors import AtomError
from atom.external.motion_generator import derive_sample_seed
from atom.llm_client.request import Answer, Picture
from flows.stages import comparisons, external, motions, pictures, vision_scores
from flows.stages.adapter import task_key_fields, validation_key_fields
from flows.stages.evaluation import make_evaluation
from flows.stages.generators import generator_key_fields
from flows.stages.preferences import make_preferences, read_scored_motions
from flows.stages.scores import make_scores
from flows.stages.tables import iterate_motions, read_prompts, read_prompts_by_id
from storage import COMPARISONS, MOTIONS, PICTURES, PREFERENCES, PROMPTS, SCORES, Recipe, Store


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def save(store):
    """`save(PROMPTS, rows)` gives a reference to an artifact with these rows."""
    number = iter(range(1000))

    def write(table, rows):
        with store.write(Recipe(f"given-{table.name}", 1, table, config=next(number))) as writer:
            writer.rows(rows)
        return writer.ref

    return write


def rows_of(store, result):
    return store.read(result.artifact).to_pylist()


def stats_of(store, result):
    return store.manifest(result.artifact.stage, result.artifact.key).stats


def recipe_of(store, result):
    return store.manifest(result.artifact.stage, result.artifact.key).recipe


def prompt(name, *actions, split="train", task="integrity", rejected=None):
    events = [{"action": action, "phrase": action, "count": 1, "group": None} for action in actions or ("jump_up",)]
    return {
        "prompt_id": name, "text": f"text {name}", "task": task, "events": events, "split": split,
        "source": "grammar", "seed": 0, "rejected": rejected, "answer": None,
    }  # fmt: skip


def motion(name, of="p0", sample=0, frames=5, tokens=(), stop_reason="end", seed=7):
    return {
        "motion_id": name, "prompt_id": of, "sample": sample, "seed": seed, "frames": frames,
        "tokens": list(tokens or map(ord, name)),
        "joints": JOINTS[:frames], "stop_reason": stop_reason,
    }  # fmt: skip


def score(name, value, judge="kinematic", of="p0", vote=0, exact=False, error=None):
    return {
        "motion_id": name, "prompt_id": of, "task": "integrity", "judge": judge, "vote": vote, "score": value,
        "exact": exact, "events": [], "verdicts": [], "rationale": "", "model": None, "answers": [], "tokens": 0,
        "cost": 0.0, "latency": 0.0, "error": error,
    }  # fmt: skip


# Tables.


def test_the_tasks_take_turns_and_a_shard_is_a_part_of_that_order(store, save):
    tasks = ["integrity", "integrity", "integrity", "temporal", "temporal", "frequency"]
    rows = [prompt(f"p{n}", task=task) for n, task in enumerate(tasks)]
    rows += [prompt("t0", split="test"), prompt("bad", rejected="too long"), prompt("t1", split="test", rejected="x")]
    ref = save(PROMPTS, rows)
    names = [row["prompt_id"] for row in read_prompts(store, ref, "train")]
    assert names == ["p0", "p3", "p5", "p1", "p4", "p2"]
    assert [row["prompt_id"] for row in read_prompts(store, ref, "train", 2, 5)] == names[2:5]
    assert [row["prompt_id"] for row in read_prompts(store, ref, "train", 4)] == names[4:]
    assert [row["prompt_id"] for row in read_prompts(store, ref, "test")] == ["t0"]
    wanted = store.read(save(MOTIONS, [motion("a", "p4"), motion("b", "t0"), motion("c", "p4")]))["prompt_id"]
    assert set(read_prompts_by_id(store, ref, wanted)) == {"p4", "t0"}


def test_each_motion_gets_its_own_joints(store, save):
    rows = [motion("a", frames=2), motion("b", frames=0), motion("c", frames=5)]
    found = list(iterate_motions(store.read(save(MOTIONS, rows))))
    assert [each["joints"].shape for each in found] == [(2, 22, 3), (0, 22, 3), (5, 22, 3)]
    np.testing.assert_allclose(found[2]["joints"], JOINTS, atol=2**-13)
    assert [each["motion_id"] for each in found] == ["a", "b", "c"]


# Motions.


def test_motions_are_sampled_for_each_prompt_of_the_shard_with_seeds_of_their_own(store, save, tmp_path, monkeypatch):
    generator = Mock()
    generator.sample.side_effect = lambda texts, seeds, **settings: [
        SimpleNamespace(tokens=[number], stop_reason="empty" if number == 1 else "end") for number in range(len(texts))
    ]
    generator.decode.side_effect = lambda tokens: [JOINTS[: each[0]] for each in tokens]
    loaded = Mock(return_value=generator)
    monkeypatch.setattr(motions, "shared_generator", loaded)
    prompts = save(PROMPTS, [prompt(f"p{n}") for n in range(4)] + [prompt("t0", split="test")])
    settings = ["generation.candidates=3", "generation.evaluation_samples=2", "seed=5", "resources.batch_size=9"]
    config = load_config(overrides=[*settings, "generation.temperature=0.5"])
    made = motions.make_motions(str(tmp_path), config, prompts, "train", 1, 3)
    rows = rows_of(store, made)
    assert [(row["prompt_id"], row["sample"]) for row in rows] == [(f"p{n}", s) for n in (1, 2) for s in range(3)]
    assert [row["seed"] for row in rows] == [derive_sample_seed(5, f"p{n}", s) for n in (1, 2) for s in range(3)]
    assert [row["frames"] for row in rows] == [0, 1, 2, 3, 4, 5] and rows[3]["tokens"] == [3]
    assert rows[4]["motion_id"] == f"{made.artifact.key[:12]}-p2-1" and rows[1]["stop_reason"] == "empty"
    assert stats_of(store, made) == {"quarantined": 1}
    call = generator.sample.call_args
    assert call.args[0] == ["text p1"] * 3 + ["text p2"] * 3
    assert call.kwargs["batch_size"] == 9 and call.kwargs["temperature"] == 0.5
    recipe = recipe_of(store, made)
    place = {"samples": 3, "split": "train", "start": 1, "stop": 3}
    assert place.items() <= recipe["config"].items() and recipe["seed"] == 5 and recipe["inputs"] == [prompts.key]
    tested = motions.make_motions(str(tmp_path), config, prompts, "test", 0, 1, made.artifact)
    assert [row["sample"] for row in rows_of(store, tested)] == [0, 1]
    assert loaded.call_args.args[2] == made.artifact and recipe_of(store, tested)["weights"]["adapter"] == (
        made.artifact.key
    )


def test_the_template_and_the_adapter_are_part_of_a_generators_key_only_where_they_are_set(monkeypatch):
    monkeypatch.setattr("flows.stages.generators.hash_weights", lambda checkpoint: f"hash of {checkpoint}")
    plain, worded = load_config(), load_config(overrides=["generation.template=caption"])
    assert generator_key_fields(plain) == {"generator": "hash of builtin"}
    fields = generator_key_fields(worded, SimpleNamespace(key="abc"))
    assert fields == {"generator": "hash of builtin", "template": "{}", "adapter": "abc"}


# Scores.


def test_a_judge_of_joints_scores_what_it_can_see_and_says_why_it_can_not(store, save, tmp_path):
    prompts = save(PROMPTS, [prompt("p0"), prompt("p1", "jump_up", "juggle"), prompt("p2", "bow")])
    shard = save(MOTIONS, [motion("a"), motion("b", "p1"), motion("c", "p2", frames=0), motion("d", "p1", frames=0)])
    made = make_scores(str(tmp_path), load_config(), prompts, shard)
    seen, unseen, empty, both = rows_of(store, made)
    assert (
        seen["score"] is not None and seen["error"] is None and [v["action"] for v in seen["verdicts"]] == ["jump_up"]
    )
    assert (unseen["score"], unseen["exact"], unseen["verdicts"]) == (None, None, [])
    assert unseen["error"] == "not judged: the kinematic judge can't see 'juggle'" == both["error"]
    assert (empty["score"], empty["exact"], empty["rationale"]) == (1.0, False, "the model gave no motion")
    assert all(
        (row["judge"], row["vote"], row["tokens"], row["cost"]) == ("kinematic", 0, 0, 0.0) for row in (seen, empty)
    )
    assert stats_of(store, made) == {"not_judged": 2}
    strict = make_scores(str(tmp_path), load_config(overrides=["judging.sensitivity=0.5"]), prompts, shard)
    assert strict.artifact.key != made.artifact.key
    learned = make_scores(str(tmp_path), load_config(), prompts, shard, "learned")
    assert {row["judge"] for row in rows_of(store, learned)} == {"learned"}
    again = make_scores(str(tmp_path), load_config(overrides=["judging.sensitivity=0.5"]), prompts, shard, "learned")
    assert again.reused, "the learned judge has no sensitivity"


ANSWER = Answer("{}", None, "stop", "m", 10, 5, 0.25, 1.5, "raw")


def ask_nobody(monkeypatch, module, reply):
    """Answers every question by `reply(*arguments)` in place of the service."""

    async def answer(service, *arguments):
        return reply(*arguments)

    import asyncio

    monkeypatch.setattr(module, "run_requests", lambda config, store, work, progress: asyncio.run(work(None)))
    monkeypatch.setattr(module, "judge_motion" if module is vision_scores else "compare_motions", answer)


def shown(name, of="p0"):
    cell = {"label": "Frame 0:", "media_type": "image/png", "frames": [0], "data": name.encode()}
    return {"motion_id": name, "prompt_id": of, "shown": [cell]}


def test_models_are_asked_about_each_vote_and_what_can_not_be_shown_is_an_error(store, save, tmp_path, monkeypatch):
    asked = []

    def reply(subject, settings, model, vote):
        asked.append((subject.pictures[0].data.decode(), subject.text, model, vote))
        judgement = None if vote else SimpleNamespace(score=4.0, exact=True, rationale="ok", detected=[], verdicts=[])
        return SimpleNamespace(judgement=judgement, error="refused: no" if vote else None, answers=[ANSWER, ANSWER])

    ask_nobody(monkeypatch, vision_scores, reply)
    prompts = save(PROMPTS, [prompt("p0"), prompt("p1", "juggle")])
    shard = save(MOTIONS, [motion("a"), motion("b", "p1"), motion("c", "p1", frames=0), motion("d", "p1")])
    drawn = save(PICTURES, [shown("a"), shown("b", "p1")])
    config = load_config(overrides=["judging.vision.votes=2", "judging.vision.second_model=other"])
    made = vision_scores.make_vision_scores(str(tmp_path), config, prompts, shard, drawn)
    assert sorted(asked) == sorted(
        (name, text, model, vote)
        for name, text in (("a", "text p0"), ("b", "text p1"))
        for model in ("gpt-4o", "other")
        for vote in (0, 1)
    )
    rows = {(row["motion_id"], row["judge"], row["vote"]): row for row in rows_of(store, made)}
    assert len(rows) == 8 + 2 + 2
    right, refused = rows["a", "vision", 0], rows["a", "second vision", 1]
    assert (right["score"], right["model"], right["tokens"], right["cost"], right["latency"]) == (
        4,
        "gpt-4o",
        30,
        0.5,
        3,
    )
    assert right["answers"] == ["raw", "raw"] and right["error"] is None
    assert (refused["score"], refused["exact"], refused["model"], refused["error"]) == (
        None,
        None,
        "other",
        "refused: no",
    )
    assert rows["c", "vision", 0]["score"] == 1.0 and rows["c", "vision", 0]["error"] is None
    assert rows["d", "second vision", 0]["error"] == "the motion can't be drawn"
    assert stats_of(store, made) == {"quarantined": 4 + 2, "tokens": 240, "cost": 4.0}


def test_the_judge_auto_asks_about_open_actions_alone_and_counts_who_judged(store, save, tmp_path, monkeypatch):
    asked = []

    def reply(subject, settings, model, vote):
        asked.append(subject.text)
        judgement = SimpleNamespace(score=2.0, exact=False, rationale="", detected=[], verdicts=[])
        return SimpleNamespace(judgement=judgement, error=None, answers=[ANSWER])

    ask_nobody(monkeypatch, vision_scores, reply)
    prompts = save(PROMPTS, [prompt("p0"), prompt("p1", "juggle")])
    shard = save(MOTIONS, [motion("a"), motion("b", frames=0), motion("c", "p1"), motion("d", "p1", frames=0)])
    made = vision_scores.make_vision_scores(
        str(tmp_path), load_config(), prompts, shard, save(PICTURES, [shown("c", "p1")]), "auto"
    )
    assert asked == ["text p1"]
    rows = {row["motion_id"]: row for row in rows_of(store, made)}
    assert [rows[name]["model"] for name in "abcd"] == [None, None, "gpt-4o", None]
    assert rows["b"]["score"] == rows["d"]["score"] == 1.0 and rows["c"]["score"] == 2.0
    counts = {"by_kinematic": 3, "by_vision": 1, "quarantined": 0, "tokens": 15, "cost": 0.25}
    assert stats_of(store, made) == counts
    none = vision_scores.make_vision_scores(
        str(tmp_path), load_config(), prompts, save(MOTIONS, []), save(PICTURES, []), "auto"
    )
    assert stats_of(store, none)["by_vision"] == stats_of(store, none)["by_kinematic"] == 0


def test_a_cost_without_a_price_is_none_and_not_zero():
    free = Answer("", None, "stop", "m", 1, 1, None, 0.1, "")
    assert vision_scores.usage_columns([ANSWER, free]) == {"answers": ["raw", ""], "tokens": 17, "cost": None}
    assert vision_scores.usage_columns([]) == {"answers": [], "tokens": 0, "cost": 0.0}
    rows = [{"cost": 0.5, "tokens": 3, "error": None}, {"cost": None, "tokens": 4, "error": "x"}]
    assert vision_scores.usage_stats(rows) == {"quarantined": 1, "tokens": 7, "cost": None}
    assert vision_scores.usage_stats(rows[:1]) == {"quarantined": 0, "tokens": 3, "cost": 0.5}


def test_only_prompts_with_open_actions_are_drawn_for_the_judge_auto(store, save, tmp_path, monkeypatch):
    def draw(joints, settings, task):
        if task == "temporal":
            raise AtomError("no body")
        return [Picture(b"png", "image/png", "Frame 0:", (0,))]

    monkeypatch.setattr(pictures.motion_pictures, "draw_pictures", draw)
    prompts = save(PROMPTS, [prompt("p0"), prompt("p1", "juggle"), prompt("p2", "juggle", task="temporal")])
    shard = save(MOTIONS, [motion("a"), motion("b", "p1"), motion("c", "p1", frames=0), motion("d", "p2")])
    for open_only, names in ((False, ["a", "b", "d"]), (True, ["b", "d"])):
        made = pictures.make_pictures(str(tmp_path), load_config(), prompts, shard, open_only)
        rows = rows_of(store, made)
        assert [row["motion_id"] for row in rows] == names and rows[-1]["shown"] == []
        assert stats_of(store, made) == {"quarantined": 1}
        assert set(pictures.read_pictures(store, made.artifact)) == set(names) - {"d"}


# Pairs.


def test_near_ties_are_compared_in_both_orders(store, save, tmp_path, monkeypatch):
    def reply(first, second, settings, model):
        return SimpleNamespace(
            better="first" if first.pictures[0].data == b"b" else "second", rationale="", error=None, answers=[ANSWER]
        )

    ask_nobody(monkeypatch, comparisons, reply)
    prompts = save(PROMPTS, [prompt("p0")])
    shard = save(MOTIONS, [motion("a"), motion("b"), motion("c")])
    scores = save(SCORES, [score("a", 3.0), score("b", 3.25), score("c", 3.125)])
    config = load_config(overrides=["preferences.min_gap=0.5", "judging.vision.near_ties=3"])
    made = comparisons.make_comparisons(
        str(tmp_path), config, prompts, shard, scores, save(PICTURES, [shown("a"), shown("b")])
    )
    found = {(row["first_motion_id"], row["second_motion_id"], row["better"]) for row in rows_of(store, made)}
    assert found == {("a", "b", "second"), ("b", "a", "first")}  # nobody sees c
    assert stats_of(store, made)["tokens"] == 30


def test_motions_with_a_score_of_the_judge_are_candidates(store, save):
    prompts = {"p0": prompt("p0", split="val", task="temporal")}
    shard = save(MOTIONS, [motion("a", tokens=(1, 2, 3)), motion("b"), motion("c", stop_reason="length")])
    scores = save(
        SCORES,
        [
            score("a", 4.0, "vision", exact=True),
            score("a", 2.0, "vision", vote=1, exact=True),
            score("a", 1.5, "second vision"),
            score("b", None, "vision", error="refused"),
            score("b", 5.0, "second vision"),
            score("c", 5.0, "vision"),
        ],
    )
    first, second = read_scored_motions(store, prompts, shard, scores, "vision")
    assert (first.motion_id, first.score, first.second_score, first.exact) == ("a", 3.0, 1.5, True)
    assert (first.tokens, first.frames, first.split, first.task, first.text) == (
        (1, 2, 3), 5, "val", "temporal", "text p0",
    )  # fmt: skip
    assert (second.motion_id, second.second_score, second.stop_reason, second.exact) == ("c", None, "length", False)


def test_pairs_are_made_over_all_shards_and_a_comparison_decides_a_tie(store, save, tmp_path):
    prompts = save(PROMPTS, [prompt("p0"), prompt("p1")])
    shards = [save(MOTIONS, [motion("a"), motion("b")]), save(MOTIONS, [motion("c", "p1"), motion("d", "p1")])]
    scores = [
        save(SCORES, [score("a", 4), score("b", 2)]),
        save(SCORES, [score("c", 3, of="p1"), score("d", 3, of="p1")]),
    ]

    def compared(first, second, better):
        return {
            "prompt_id": "p1", "task": "integrity", "first_motion_id": first, "second_motion_id": second,
            "better": better, "rationale": "", "model": "m", "answers": [], "tokens": 0, "cost": 0.0, "error": None,
        }  # fmt: skip

    ties = save(COMPARISONS, [compared("c", "d", "second"), compared("d", "c", "first")])
    made = make_preferences(str(tmp_path), load_config(), prompts, shards, scores, [ties])
    found = {(row["chosen_motion_id"], row["rejected_motion_id"], row["decided_by"]) for row in rows_of(store, made)}
    assert found == {("a", "b", "score"), ("d", "c", "comparison")}
    assert recipe_of(store, made)["inputs"] == [
        prompts.key,
        *(r.key for r in shards),
        *(r.key for r in scores),
        ties.key,
    ]
    assert make_preferences(str(tmp_path), load_config(), prompts, shards, scores).artifact.rows == 1


# Evaluation.


def evaluate(store, save, tmp_path, arms, *overrides):
    prompts = save(PROMPTS, [prompt("p0"), prompt("p1", "juggle")])
    made = make_evaluation(str(tmp_path), load_config(overrides=overrides), prompts, arms)
    return rows_of(store, made)


def arm(save, name, scores, judges=("kinematic", "learned")):
    """A shard of motions of prompt p0, with a score of each judge for each."""
    shard = save(MOTIONS, [motion(f"{name}{n}", sample=n) for n in range(len(scores))])
    rows = [[score(f"{name}{n}", each[j], judge) for n, each in enumerate(scores)] for j, judge in enumerate(judges)]
    return [(shard, [save(SCORES, each) for each in rows])]


def test_the_best_of_the_bases_samples_is_an_arm_of_its_own(store, save, tmp_path):
    arms = {
        "base": arm(save, "b", [(2.0, 5.0), (3.0, 1.0), (3.0, 4.0)]),
        "tuned": arm(save, "t", [(5.0, 5.0), (4.0, 4.0)]),
    }
    rows = evaluate(store, save, tmp_path, arms)
    best = [(row["motion_id"], row["judge"], row["score"]) for row in rows if row["arm"] == "best of 3"]
    assert best == [("b1", "kinematic", 3.0), ("b1", "learned", 1.0)]  # of two equal ones the first
    by_learned = evaluate(
        store,
        save,
        tmp_path,
        arms,
        "judging.judge=vision",
        "on_policy.steps=0",
        "evaluation.judges=[learned,kinematic]",
    )
    assert {row["motion_id"] for row in by_learned if row["arm"] == "best of 3"} == {"b0"}
    assert len(rows) == 6 + 4 + 2
    (row,) = [row for row in rows if (row["motion_id"], row["judge"]) == ("t1", "learned")]
    assert (row["prompt_id"], row["arm"], row["sample"], row["frames"], row["seed"]) == ("p0", "tuned", 1, 5, 7)
    assert row["true_frames"] == 10 + 25  # standing, and one jump


def test_one_sample_has_no_best(store, save, tmp_path):
    arms = {name: arm(save, name, [(2.0, 2.0)]) for name in ("base", "tuned")}
    assert {row["arm"] for row in evaluate(store, save, tmp_path, arms)} == {"base", "tuned"}


def test_a_judge_without_a_score_for_base_or_tuned_compares_nothing(store, save, tmp_path):
    arms = {
        "base": arm(save, "b", [(None, 2.0)]),
        "tuned": arm(save, "t", [(3.0, 2.0)]),
        "sft": arm(save, "s", [(None, None)]),
    }
    assert {row["judge"] for row in evaluate(store, save, tmp_path, arms)} == {"learned"}
    arms["tuned"] = arm(save, "u", [(3.0, None)])
    with pytest.raises(AtomError, match=r"no judge of evaluation\.judges \(kinematic, learned\)"):
        evaluate(store, save, tmp_path, arms)


def test_the_second_model_is_no_judge_of_the_evaluation(store, save, tmp_path):
    arms = {name: arm(save, name, [(2.0, 4.0)], ("vision", "second vision")) for name in ("base", "tuned")}
    rows = evaluate(store, save, tmp_path, arms, "evaluation.judges=[vision]")
    assert [(row["judge"], row["score"]) for row in rows] == [("vision", 2.0)] * 2


# Keys of tunings.


def test_the_keys_of_a_tuning_name_its_tasks_and_its_validation_only_where_there_are_some():
    assert task_key_fields(load_config()) == {}
    config = load_config(overrides=["tuning.tasks=[temporal,integrity,temporal]"])
    assert task_key_fields(config) == {"tasks": ["integrity", "temporal"]}
    assert validation_key_fields(load_config(overrides=["validation.prompts_per_task=0"])) == {}
    fields = validation_key_fields(load_config(overrides=["seed=3", "judging.sensitivity=2", "prompts.max_count=4"]))
    assert fields["validation_prompts"]["seed"] == 3 and fields["validation_prompts"]["max_count"] == 4
    assert fields["sensitivity"] == 2 and "train_per_task" not in fields["validation_prompts"]


# Pairs of earlier runs.


def pair(text, chosen, rejected):
    return {
        "prompt_id": text, "prompt": text, "task": "temporal", "split": "train", "events": [],
        "chosen_tokens": chosen, "rejected_tokens": rejected, "chosen_score": 4.0, "rejected_score": 2.0,
        "margin": 2.0, "degree": "Better", "decided_by": "score", "chosen_motion_id": "a", "rejected_motion_id": "b",
    }  # fmt: skip


@pytest.fixture
def earlier(store):
    """`earlier("nightly", [pair(...)], stage="preferences round 2")` saves a run with these pairs."""
    number = iter(range(100))

    def save_run(name, rows, stage="preferences", state="completed", checkpoint="builtin"):
        run = next(number)
        with store.write(Recipe("preferences", 1, PREFERENCES, config=run)) as writer:
            writer.rows(rows)
        config = load_config(overrides=[f"name={name}", f"generation.checkpoint={checkpoint}"])
        stages = [{"name": stage, "keys": [writer.ref.key, "0" * 64]}, {"name": "preferences sft", "keys": ["1" * 64]}]
        store.save_run(f"run-{run}", {"config": config.model_dump(mode="json"), "state": state, "stages": stages})
        return writer.ref

    return save_run


def test_the_pairs_of_finished_runs_are_gathered_once_each(store, tmp_path, earlier):
    same = pair("jump", [1], [2])
    refs = [
        earlier("nightly", [same, pair("jump", [2], [1])]),
        earlier("nightly", [same, pair("bow", [1], [2]), pair("jump", [1], [3])], stage="preferences round 2"),
        earlier("second", [pair("kick", [1], [2])]),
    ]
    earlier("nightly", [pair("late", [1], [2])], state="failed")
    earlier("other", [pair("other", [1], [2])])
    earlier("nightly", [pair("baseline", [1], [2])], stage="preferences sft")
    config = load_config(overrides=["external.runs=[nightly,second]", "rounds=1", "on_policy.steps=0"])
    made = external.gather_preferences(str(tmp_path), config)
    assert recipe_of(store, made)["inputs"] == sorted(ref.key for ref in refs)
    found = sorted((row["prompt"], row["chosen_tokens"], row["rejected_tokens"]) for row in rows_of(store, made))
    assert found == [("bow", [1], [2]), ("jump", [1], [2]), ("jump", [1], [3]), ("jump", [2], [1]), ("kick", [1], [2])]


def test_runs_of_another_generator_or_of_no_such_name_are_refused(store, tmp_path, earlier):
    config = load_config(overrides=["external.runs=[nightly,weekly]", "rounds=1", "on_policy.steps=0"])
    earlier("nightly", [pair("jump", [1], [2])], state="failed")
    with pytest.raises(AtomError, match="no finished run in the store is named nightly or weekly"):
        external.gather_preferences(str(tmp_path), config)
    earlier("weekly", [pair("jump", [1], [2])], checkpoint="mine")
    with pytest.raises(AtomError, match="paired motions of 'mine', and 'builtin' is to be tuned"):
        external.gather_preferences(str(tmp_path), config)


# External motions.


@pytest.fixture
def motion_set(tmp_path):
    """A table of two prompts with two motions each, of which one is no motion."""
    folder = tmp_path / "set"
    folder.mkdir()
    rows = []
    for number, text in enumerate(("a person jumps", "a person bows")):
        for sample in range(2):
            name = f"{number}-{sample}.npy"
            np.save(folder / name, np.tile(JOINTS, (4, 1, 1)) + np.float32(number + 2 * sample) / 64)
            rows.append({"text": text, "file": name, "sample": sample, "seed": 40 + number})
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_external_motions_keep_their_sample_and_seed_and_a_shard_has_its_prompts_alone(store, tmp_path, motion_set):
    config = load_config(overrides=[f"external.candidates={motion_set}"])
    prompts = external.make_prompts(str(tmp_path), config)
    assert [row["split"] for row in rows_of(store, prompts)] == ["train", "train"]
    made = external.make_motions(str(tmp_path), prompts.artifact, str(motion_set), "train", 1, 2)
    names = [row["prompt_id"] for row in read_prompts(store, prompts.artifact, "train")]
    rows = rows_of(store, made)
    assert [(row["prompt_id"], row["sample"]) for row in rows] == [(names[1], 0), (names[1], 1)]
    assert {row["seed"] for row in rows} <= {40, 41} and {row["frames"] for row in rows} == {20}
    remarks = {"index.jsonl, line 3: no frame rate in the file, read at 20 fps": 2}
    assert stats_of(store, made) == {"quarantined": 0, "remarks": remarks}


def test_a_text_that_is_trained_on_is_not_tested(store, tmp_path, motion_set):
    config = load_config(overrides=[f"external.{name}={motion_set}" for name in ("candidates", "base", "tuned")])
    with pytest.raises(AtomError, match="no test prompt is trained on"):
        external.make_prompts(str(tmp_path), config)
