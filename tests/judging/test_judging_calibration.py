"""The calibration tells of a judge what is true of it, on clips whose truth is known."""

import json

import numpy as np
import pandas as pd
import pytest

from atom.errors import AtomError
from atom.events import ACTIONS, TASKS, Event, assign_split
from atom.judging import rubric
from atom.judging.calibration import (
    AGREEMENT,
    ERRORS,
    EVENT_ERRORS,
    CalibrationClip,
    calibrate,
    compare_judges,
    level_counts,
    make_calibration_clips,
    read_labelled_clips,
)
from atom.judging.calibration.corpus_clips import CLIPS_PER_PROMPT
from atom.judging.kinematic_judge import KinematicJudge
from atom.motion_formats.motion_files import write_motion
from atom.prompts.parsing import parse_events


@pytest.fixture(scope="module")
def clips():
    return make_calibration_clips(30, seed=4)


def votes_by_score(clips, score):
    return {clip.clip_id: [(score(clip), None)] for clip in clips}


def truthful(clips):
    return {clip.clip_id: [(clip.truth, clip.performed)] for clip in clips}


@pytest.mark.slow
def test_clips_are_made_for_held_out_prompts_of_all_tasks(clips):
    assert len(clips) == 30 * CLIPS_PER_PROMPT and len({clip.clip_id for clip in clips}) == len(clips)
    assert [sum(clip.task == task for clip in clips) for task in TASKS] == [40, 40, 40]
    for clip in clips:
        assert assign_split(clip.expected) == "val" and parse_events(clip.text).events == clip.expected
        assert clip.truth == rubric.score(clip.task, clip.expected, clip.performed)
        assert clip.joints.shape[1:] == (22, 3) and len(clip.joints) <= 197


def test_levels_come_out_even_in_every_task_and_differ_within_a_prompt(clips):
    for counts in level_counts(clips).values():
        assert min(counts) >= 7 and max(counts) <= 9
    for prompt in {clip.prompt_id for clip in clips}:
        truths = [clip.truth for clip in clips if clip.prompt_id == prompt]
        assert len(set(np.floor(np.array(truths) + 0.5))) == CLIPS_PER_PROMPT


def test_motions_are_wrong_in_every_known_way(clips):
    changes = {clip.change for clip in clips}
    assert changes >= {
        "exactly right",
        "one left out",
        "several left out",
        "another order",
        "other counts",
        "the other side",
        "an extra event",
        "something else",
        "something else but for one",
    }
    for clip in clips:
        expected, performed = (sorted(event.action for event in events) for events in (clip.expected, clip.performed))
        assert (clip.change == "exactly right") == (clip.expected == clip.performed)
        if clip.change in ("another order", "other counts"):
            assert expected == performed
        if clip.change == "something else":
            assert not set(expected) & set(performed)


def test_the_same_seed_gives_the_same_clips(clips):
    again, other = make_calibration_clips(6, seed=4), make_calibration_clips(6, seed=5)
    for one, two in zip(clips, again):
        assert (one.clip_id, one.text, one.performed, one.truth) == (two.clip_id, two.text, two.performed, two.truth)
        assert np.array_equal(one.joints, two.joints)
    assert {clip.prompt_id for clip in again}.isdisjoint(clip.prompt_id for clip in other)
    with pytest.raises(AtomError, match="at least 1"):
        make_calibration_clips(0, seed=4)


def test_a_perfect_judge_agrees_fully_and_errs_in_nothing(clips):
    found = calibrate(clips, truthful(clips))
    assert list(found) == ["overall", *TASKS]
    for figures in found.values():
        for name in ("weighted_kappa", "krippendorff_alpha", "spearman", "pair_accuracy"):
            assert figures[name] == {"value": 1, "interval": [1, 1]}
        for name in (*ERRORS, *EVENT_ERRORS):
            assert figures[name]["value"] == 0
        assert np.count_nonzero(figures["confusion"] - np.diag(np.diag(figures["confusion"]))) == 0
    assert found["overall"]["n"] == len(clips) and found["overall"]["unscored"] == 0
    assert (
        np.sum(found["overall"]["confusion"], axis=1).tolist() == np.sum(list(level_counts(clips).values()), 0).tolist()
    )


def test_a_judge_that_guesses_is_worth_nothing(clips):
    rng = np.random.default_rng(0)
    found = calibrate(clips, votes_by_score(clips, lambda clip: rng.uniform(1, 5)))["overall"]
    for name, chance in (("weighted_kappa", 0), ("krippendorff_alpha", 0), ("spearman", 0), ("pair_accuracy", 0.5)):
        low, high = found[name]["interval"]
        assert low < chance < high and abs(found[name]["value"] - chance) < 0.2


def test_a_lenient_judge_is_told_by_its_mean_error(clips):
    found = calibrate(clips, votes_by_score(clips, lambda clip: min(clip.truth + 1, 5)))["overall"]
    assert found["mean_error"]["value"] == found["absolute_error"]["value"] > 0.7
    assert found["mean_error"]["interval"][0] > 0.6 and found["pair_accuracy"]["value"] > 0.85


def noisy_eyes(clip, rng, flip, miscount):
    """The expected events that a judge detects, each wrong with probability `flip`, its count with `miscount`."""
    performed = {event.action: event.count for event in clip.performed}
    expected = {event.action: event.count for event in clip.expected}
    seen = []
    for action in sorted(expected, key=lambda action: list(performed).index(action) if action in performed else 9):
        if (action in performed) != (rng.random() < flip):
            count = performed.get(action, expected[action])
            if ACTIONS[action].countable and rng.random() < miscount:
                count += 1 if count == 1 or (count < 5 and rng.random() < 0.5) else -1
            seen.append(Event(action, count))
    return seen


@pytest.mark.parametrize("seed", range(3))
def test_known_errors_are_recovered_within_their_intervals(clips, seed):
    rng = np.random.default_rng(seed)
    judged = {clip.clip_id: [(None, noisy_eyes(clip, rng, 0.1, 0.15)) for _ in range(3)] for clip in clips}
    found = calibrate(clips, judged)["overall"]
    for name, truth in (("missed", 0.1), ("invented", 0.1), ("miscounted", 0.15)):
        low, high = found[name]["interval"]
        assert low <= truth <= high and high - low < 0.15 and found[name]["n"] > 200
    assert found["misordered"]["value"] == 0
    assert found["n"] == 0 and found["unscored"] == len(clips) and found["weighted_kappa"]["value"] is None


def clip_of(expected, performed, name="c", prompt="p"):
    expected, performed = (tuple(Event(*event) for event in events) for events in (expected, performed))
    truth = rubric.score("integrity", expected, performed)
    return CalibrationClip(name, prompt, "text", "integrity", expected, performed, np.zeros((40, 22, 3)), truth)


def test_errors_about_events_are_counted_one_by_one():
    expected = [("jump_up", 2), ("bow", 1), ("clap", 3), ("walk_forward", 1)]
    clip = clip_of(expected, [("clap", 3), ("squat", 1), ("jump_up", 2), ("walk_forward", 1)])
    seen = [Event("jump_up", 1), Event("clap", 3), Event("bow"), Event("kick_left")]
    found = calibrate([clip], {"c": [(3.0, seen)]})["overall"]
    assert (found["missed"]["value"], found["missed"]["n"]) == (pytest.approx(1 / 3, abs=1e-4), 3)  # the walk
    assert (found["invented"]["value"], found["invented"]["n"]) == (1, 1)  # the bow
    assert (found["miscounted"]["value"], found["miscounted"]["n"]) == (0.5, 2)  # the jumps
    assert (found["misordered"]["value"], found["misordered"]["n"]) == (1, 1)  # claps before jumps


def test_votes_are_averaged_and_held_against_each_other(clips):
    rng = np.random.default_rng(1)
    judged = {
        clip.clip_id: [(float(np.clip(clip.truth + rng.normal(), 1, 5)), None) for _ in range(5)] for clip in clips
    }
    five = calibrate(clips, judged)["overall"]
    one = calibrate(clips, {name: votes[:1] for name, votes in judged.items()})["overall"]
    assert one["alpha_among_votes"]["value"] is None
    assert (
        0.5
        < five["alpha_among_votes"]["value"]
        < one["krippendorff_alpha"]["value"]
        < five["krippendorff_alpha"]["value"]
    )
    assert five["absolute_error"]["value"] < one["absolute_error"]["value"]


def test_clips_without_a_score_are_counted_and_left_out(clips):
    judged = truthful(clips[20:]) | {clip.clip_id: [(None, None)] for clip in clips[:5]}
    found = calibrate(clips, judged)["overall"]
    assert (found["n"], found["unscored"]) == (len(clips) - 20, 20) and found["weighted_kappa"]["value"] == 1


def test_few_prompts_give_figures_without_intervals_and_all_is_plain_json(clips):
    few = calibrate(clips[:8], truthful(clips[:8]))
    assert few["overall"]["prompts"] == 2 and list(few) == ["overall", "integrity", "temporal"]
    assert few["overall"]["weighted_kappa"] == {"value": 1, "interval": None}
    for found in (few, calibrate(clips, truthful(clips)), calibrate(clips, {})):
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert set(found["overall"]) == {"n", "unscored", "prompts", "confusion", *AGREEMENT, *ERRORS, *EVENT_ERRORS}


def test_the_same_seed_gives_the_same_intervals(clips):
    rng = np.random.default_rng(2)
    judged = votes_by_score(clips, lambda clip: float(np.clip(clip.truth + rng.normal(), 1, 5)))
    assert calibrate(clips, judged, seed=1) == calibrate(clips, judged, seed=1) != calibrate(clips, judged, seed=2)


@pytest.mark.parametrize(
    ("judged", "message"),
    [
        ({"nobody": [(3.0, None)]}, "'nobody' was judged, but is not"),
        ({"c": [(0.0, None)]}, "score 0.0, give 1 to 5"),
        ({"c": [(float("nan"), None)]}, "score nan"),
    ],
)
def test_answers_that_dont_fit_the_clips_are_refused(judged, message):
    with pytest.raises(AtomError, match=message):
        calibrate([clip_of([("bow", 1)], [("bow", 1)])], judged)


def test_clips_must_be_there_once():
    clip = clip_of([("bow", 1)], [("bow", 1)])
    with pytest.raises(AtomError, match="more than once"):
        calibrate([clip, clip], {})
    with pytest.raises(AtomError, match="no clip"):
        calibrate([], {})


def test_judges_are_compared_on_the_same_resamples(clips):
    rng = np.random.default_rng(3)
    close, far, copy = (
        votes_by_score(clips, lambda clip, noise=noise: float(np.clip(clip.truth + noise * rng.normal(), 1, 5)))
        for noise in (0.3, 1.5, 0.3)
    )
    found = compare_judges(clips, {"far": far, "close": close, "copy": copy})
    verdicts = {frozenset(row["judges"]): row for row in found}
    ahead = verdicts[frozenset(("far", "close"))]
    assert ahead["judges"] == ["close", "far"] and ahead["verdict"] == "better" and ahead["interval"][0] > 0
    assert ahead["n"] == len(clips) and ahead["prompts"] == 30
    assert verdicts[frozenset(("close", "copy"))]["verdict"] == "within noise"
    (few,) = compare_judges(clips[:8], {"far": votes_by_score(clips[:8], lambda c: 3.0), "close": truthful(clips[:8])})
    assert few["verdict"] == "too few prompts" and few["judges"] == ["close", "far"]


def test_the_kinematic_judge_is_right_on_what_the_corpus_performs(clips):
    judge = KinematicJudge()
    judged = {}
    for clip in clips:
        judgement = judge.judge(clip.joints, clip.prompt)
        judged[clip.clip_id] = [(judgement.score, judgement.detected)]
    found = calibrate(clips, judged)
    assert found["overall"]["weighted_kappa"]["value"] > 0.9
    assert all(found["overall"][name]["value"] < 0.03 for name in EVENT_ERRORS)


# --- labelled sets ---------------------------------------------------------------------------------------------------

GOOD = {"motion": "motions/a.npy", "text": "a person jumps twice, then bows", "task": "temporal"}
DONE = [{"action": "jump_up", "count": 2}, {"action": "bow", "count": 1}]


@pytest.fixture
def folder(tmp_path, clips):
    (tmp_path / "motions").mkdir()
    write_motion(tmp_path / "motions" / "a.npy", clips[0].joints)
    write_motion(tmp_path / "motions" / "b.npy", clips[0].joints, "features")
    return tmp_path


def lines_of(folder, *rows):
    path = folder / "labels.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def test_labelled_sets_are_read_from_jsonl_and_parquet_alike(folder, clips):
    rows = [GOOD | {"events": DONE}, GOOD | {"motion": "motions/b.npy", "score": 4}, GOOD | {"events": DONE[:1]}]
    pd.DataFrame(rows).to_parquet(folder / "labels.parquet")
    for path in (lines_of(folder, *rows[:1], "", *rows[1:]), folder / "labels.parquet"):
        right, by_person, half = read_labelled_clips(path)
        assert right.expected == (Event("jump_up", 2), Event("bow", None)) and right.truth == 5
        assert right.performed == (Event("jump_up", 2), Event("bow"))
        assert np.array_equal(right.joints, clips[0].joints) and len(by_person.joints) == len(right.joints) - 1
        assert by_person.performed is None and by_person.truth == 4
        assert half.performed == (Event("jump_up", 2),) and half.truth == rubric.score(
            "temporal", right.expected, half.performed
        )
        assert len({clip.clip_id for clip in (right, by_person, half)}) == 3
        assert len({clip.prompt_id for clip in (right, by_person, half)}) == 1
        found = calibrate([right, by_person, half], {by_person.clip_id: [(4.0, [Event("bow")])]})["overall"]
        assert found["absolute_error"]["value"] == 0 and found["missed"]["n"] == 0


def test_a_count_is_one_and_a_motion_of_nothing_may_be_left_unsaid(folder):
    once, nothing = read_labelled_clips(lines_of(folder, GOOD | {"events": [{"action": "bow"}]}, GOOD | {"events": []}))
    assert once.performed == (Event("bow"),) and nothing.performed == () and nothing.truth == 1


def test_open_actions_are_labelled_in_plain_words(folder, clips):
    text = "a person swings a racket with the left hand, then bows and takes four steps forward"
    words = [
        "swings a racket with the left hand",
        "bow",
        "swing racket with left hand",
        "step forward",
        "does a cartwheel",
    ]
    events = [{"action": name, "count": 4 if "step" in name else 1} for name in words]
    row = GOOD | {"text": text}
    right, twice, other = read_labelled_clips(
        lines_of(
            folder,
            row | {"events": [events[0], events[1], events[3]]},
            row | {"events": [events[2], events[1], events[3]]},
            row | {"events": [events[0], events[4]]},
        )
    )
    actions = [event.action for event in right.expected]
    assert actions == ["swing racket with left hand", "bow", "step forward"] and right.expected[2].count == 4
    assert [event.action for event in right.performed] == actions and right.truth == twice.truth == 5
    assert [event.action for event in other.performed] == [actions[0], "do cartwheel"] and other.truth < 3
    judged = {clip.clip_id: [(clip.truth, clip.performed)] for clip in (right, twice)}
    judged[other.clip_id] = [(1.0, ())]
    figures = calibrate([right, twice, other], judged)["overall"]
    assert figures["miscounted"]["value"] == 0 and figures["miscounted"]["n"] == 6
    assert figures["missed"]["value"] == pytest.approx(1 / 7, abs=1e-3)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "is not a JSON object"),
        ("[1]", "is not a JSON object"),
        ("[" * 100_000, "is not a JSON object"),
        ({"text": "a person bows", "task": "temporal", "score": 3}, "'motion' is missing"),
        (GOOD | {"text": " ", "score": 3}, "'text' is missing"),
        (GOOD | {"task": "beauty", "score": 3}, "known tasks: integrity, temporal, frequency"),
        (GOOD | {"text": "a red\ncar", "score": 3}, "describes no motion"),
        (GOOD, "neither none nor both"),
        (GOOD | {"score": 3, "events": DONE}, "neither none nor both"),
        (GOOD | {"score": 6}, "score 6 is no number from 1 to 5"),
        (GOOD | {"score": True}, "score True is no number"),
        (GOOD | {"score": float("nan")}, "score nan is no number"),
        (GOOD | {"events": "jump_up"}, "are no list of"),
        (GOOD | {"events": [{"action": " "}]}, "an action has 1 to"),
        (GOOD | {"events": [{"action": 7}]}, "needs an action's name"),
        (GOOD | {"events": [{"action": "bow", "count": 1.5}]}, "a whole count"),
        (GOOD | {"events": [{"action": "walk_forward", "count": 2}]}, "can't be counted"),
        (GOOD | {"motion": "motions/none.npy", "score": 3}, "no such file"),
        (GOOD | {"motion": "/etc/passwd", "score": 3}, "inside of it"),
        (GOOD | {"motion": "motions/../../a.npy", "score": 3}, "inside of it"),
        (GOOD | {"motion": "C:\\a.npy", "score": 3}, "inside of it"),
    ],
)
def test_a_fault_is_told_in_one_line_with_its_place(folder, row, message):
    path = lines_of(folder, GOOD | {"score": 3}, "", row)
    with pytest.raises(AtomError, match=message) as caught:
        read_labelled_clips(path)
    assert "labels.jsonl, line 3: " in str(caught.value) and "\n" not in str(caught.value)


def test_all_places_at_fault_are_told(folder):
    pd.DataFrame([GOOD | {"score": score} for score in (3, 9, 4, 0)]).to_parquet(folder / "labels.parquet")
    with pytest.raises(AtomError, match=r"row 2: score 9 .*\(also at fault: row 4\)"):
        read_labelled_clips(folder / "labels.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", ".jsonl or a .parquet"),
        ("none.jsonl", None, "no such file"),
        ("a.jsonl", b"\n", "no labelled"),
        ("a.parquet", b"PAR?", "not a Parquet file"),
        ("b.jsonl", b"\xff\xfe{}", "line 1: is not a JSON object"),
    ],
)
def test_files_that_hold_no_labelled_set_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AtomError, match=message):
        read_labelled_clips(tmp_path / name)
