"""The judge auto: known actions by the kinematic judge, all others by a vision-language model over HTTP."""

import json

import numpy as np
import pytest
from flow_runs import SMALL, computed

from atom.config import load_config
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.external.motion_set import derive_prompts, read_motion_set
from atom.judging.kinematic_judge import KinematicJudge
from atom.mock_service import FaultRates, MockServiceSettings, MotionIndex, read_shown_events, run_in_thread
from atom.planning.plan import make_plan
from flows.commands import _print
from storage import Store

KNOWN = {
    "a person jumps twice, then bows": (Event("jump_up", 2), Event("bow")),
    "someone walks forward and waves with the left hand": (Event("walk_forward"), Event("wave_left")),
    "a man kicks with the right leg three times": (Event("kick_right", 3),),
    "the woman squats": (Event("squat"),),
}
OPEN = ("a man juggles three balls, then bows", "the woman does a cartwheel")
TEST_KNOWN = {"a person claps twice": (Event("clap", 2),)}
TEST_OPEN = ("someone strums a guitar and nods",)
AUTO = [
    "judging.judge=auto",
    "judging.vision.model=atom-mock",
    "judging.vision.frames.size=64",
    "evaluation.judges=[auto, kinematic]",
    "service.requests_per_minute=60000",
]


def make_set(folder, known, opened, samples):
    """A folder of motions. Sample 0 of a known prompt does what it says, the others only bow or sit down."""
    folder.mkdir()
    rows = []
    for text in (*known, *opened):
        for sample in range(samples):
            events = known[text] if text in known and not sample else (Event(("bow", "sit_down")[sample % 2]),)
            name = f"{len(rows)}.npy"
            rng = np.random.default_rng([len(rows), samples, folder.name == "tuned"])
            np.save(folder / name, make_motion(events, rng).joints)
            rows.append({"text": text, "file": name, "sample": sample})
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def write_shows(path, *folders):
    """Lets sample 0 of every open prompt show all of it and the others nothing."""
    lines = {}
    for folder in folders:
        for prompt in derive_prompts(read_motion_set(folder))[0]:
            if prompt.text in (*OPEN, *TEST_OPEN):
                events = [{"action": event.action, "count": event.count or 1} for event in prompt.events]
                for sample in range(3):
                    row = {"prompt_id": prompt.prompt_id, "sample": sample, "events": [] if sample else events}
                    lines[json.dumps(row)] = None
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def sets(tmp_path):
    candidates = make_set(tmp_path / "candidates", KNOWN, OPEN, 3)
    tested = {arm: make_set(tmp_path / arm, TEST_KNOWN, TEST_OPEN, 1) for arm in ("base", "tuned")}
    return {"candidates": candidates, **tested}


@pytest.fixture
def mock(tmp_path, sets):
    started = []

    def start(**faults):
        shows = read_shown_events(write_shows(tmp_path / "shows.jsonl", *sets.values()))
        index = MotionIndex(store=Store(str(tmp_path / "store")), shows=shows)
        started.append(run_in_thread(MockServiceSettings(faults=FaultRates(**faults)), index))
        return started[-1].__enter__()

    yield start
    for context in started:
        context.__exit__(None, None, None)


def rows_of(store, record, *names):
    stages = [stage for stage in record["stages"] if stage["name"] in names]
    return [
        row
        for stage in stages
        for key in stage["keys"]
        for row in store.read(store.find(stage["stored"], key)).to_pylist()
    ]


def test_only_open_prompts_are_drawn_and_asked_about(tmp_path, run, sets, mock, capsys):
    service, root = mock(), tmp_path / "store"
    settings = [
        *AUTO,
        f"service.base_url={service.address}",
        *(f"external.{name}={path}" for name, path in sets.items()),
    ]
    settings += ["judging.vision.votes=2", "judging.vision.near_ties=1"]
    plan = make_plan(load_config(overrides=[*SMALL, *settings]))
    estimates = {estimate.name: estimate.amount for estimate in plan.estimates}
    assert plan.problems == [] and estimates["judge auto"] == "14 motions by the kinematic judge, 8 by vision"

    record, store = run(root, *settings), Store(str(root))
    assert record["state"] == "completed"
    prompts = {row["prompt_id"]: row["text"] for row in rows_of(store, record, "prompts")}
    rows = rows_of(store, record, "scores", "test scores base auto", "test scores tuned auto")
    assert {row["judge"] for row in rows} == {"auto"} and len(rows) == 14 + 2 * 8
    assert {(prompts[row["prompt_id"]] in (*OPEN, *TEST_OPEN), row["model"]) for row in rows} == {
        (False, None),
        (True, "atom-mock"),
    }
    pictures = rows_of(store, record, "pictures", "test pictures base", "test pictures tuned")
    assert {prompts[row["prompt_id"]] for row in pictures} == {*OPEN, *TEST_OPEN} and len(pictures) == 8
    joints = {row["motion_id"]: np.reshape(row["joints"], (-1, 22, 3)) for row in rows_of(store, record, "motions")}
    judge = KinematicJudge()
    for row in rows_of(store, record, "scores"):
        if row["model"] is None:
            seen = [(event["action"], event["count"]) for event in row["events"]]
            assert seen == [(event.action, event.count) for event in judge.detect(joints[row["motion_id"]])]
    assert {pair["prompt"] for pair in rows_of(store, record, "preferences")} == {*KNOWN, *OPEN}

    # Only the shares of auto differ from the forecast where two samples of a prompt are alike: they share an answer.
    asked = {answer for row in rows for answer in row["answers"]}
    compared = rows_of(store, record, "comparisons")
    statistics = service.statistics()
    assert statistics["answered"] == len(asked | {answer for row in compared for answer in row["answers"]})
    assert statistics["answered"] <= 16 + 2 * len(OPEN) and statistics["repeated"] == 0
    manifest = store.manifest("scores", next(s["key"] for s in record["stages"] if s["name"] == "scores"))
    assert (manifest.stats["by_kinematic"], manifest.stats["by_vision"]) == (12, 6)
    coverage = {entry["judge"]: entry for entry in record["coverage"]}
    assert (coverage["auto"]["motions"], coverage["auto"]["by_vision"], coverage["auto"]["not_judged"]) == (22, 8, 0)
    assert record["not_judged"] == {"kinematic": 2} and set(record["evaluation"]) == {"auto", "kinematic"}
    _print(record, str(root))
    shown = " ".join(capsys.readouterr().out.split())
    assert "auto judge sent 8 of 22" in shown and "kinematic judge did not judge 2 of 4" in shown

    again = run(root, *settings)
    assert computed(again) == {} and service.statistics()["requests"] == statistics["requests"]


def test_what_the_model_does_not_answer_counts_against_what_was_asked_alone(tmp_path, run, sets, mock):
    service = mock(refusal=1.0)
    settings = [*AUTO, f"service.base_url={service.address}", f"external.candidates={sets['candidates']}"]
    with pytest.raises(AtomError, match=r"scores: 6 of 6 motions have no score.*refused.*attempt=1"):
        run(tmp_path / "store", *settings)
    (record,) = Store(str(tmp_path / "store")).runs()
    assert record["coverage"][0]["scored"] == 12 and record["coverage"][0]["failed"] == 6
    assert record["not_judged"] == {}


def test_prompts_of_known_actions_need_no_key_and_no_service(tmp_path, run, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = [
        "judging.judge=auto",
        "evaluation.judges=[auto]",
        "evaluation.metrics=null",
        "rendering.motions=preview",
    ]
    record, store = run(tmp_path, *settings), Store(str(tmp_path))
    assert record["state"] == "completed" and record["spent"] is None
    kinematic = run(tmp_path, *settings[2:], "evaluation.judges=[kinematic]", until="scores")
    scores = [
        {row["motion_id"]: row["score"] for row in rows_of(store, each, "scores")} for each in (record, kinematic)
    ]
    assert scores[0] == scores[1] and scores[0]


def test_the_kinematic_judge_leaves_open_prompts_out_and_stops_where_all_are_open(tmp_path, run, sets):
    root = tmp_path / "store"
    record, store = run(root, f"external.candidates={sets['candidates']}"), Store(str(root))
    left_out = [row for row in rows_of(store, record, "scores") if row["score"] is None]
    assert record["state"] == "completed" and record["not_judged"] == {"kinematic": len(left_out)} == {"kinematic": 6}
    assert all(row["error"].startswith("not judged: the kinematic judge can't see '") for row in left_out)
    assert {pair["prompt"] for pair in rows_of(store, record, "preferences")} <= set(KNOWN)

    opened = make_set(tmp_path / "opened", {}, OPEN, 3)
    for judge in ("kinematic", "retrieval"):
        with pytest.raises(AtomError, match=r"can judge none of 6 motions \(.*judging\.judge=auto or vision") as caught:
            run(root, f"external.candidates={opened}", f"judging.judge={judge}")
        assert "\n" not in str(caught.value) and "retrieval" in str(caught.value)
    base, tuned = (make_set(tmp_path / f"open {arm}", {}, TEST_OPEN, 1) for arm in ("base", "tuned"))
    with pytest.raises(
        AtomError, match=r"kinematic and the learned judge can judge none of 1 motions .*evaluation\.judges"
    ):
        run(root, f"external.base={base}", f"external.tuned={tuned}")


def test_a_run_is_paired_tuned_and_compared_by_retrieval(tmp_path, run):
    settings = ["judging.judge=retrieval", "evaluation.judges=[retrieval, kinematic]", "evaluation.metrics=null"]
    settings += ["on_policy.steps=1", "on_policy.prompts=2", "on_policy.num_generations=2"]
    record, store = run(tmp_path, *settings), Store(str(tmp_path))
    assert record["state"] == "completed" and record["not_judged"] == {}
    rows = rows_of(store, record, "scores")
    assert all(row["exact"] is None and row["events"] == row["verdicts"] == [] for row in rows)
    assert len({row["score"] for row in rows}) > 5 and all(
        "no verdicts on single events" in row["rationale"] for row in rows
    )
    assert rows_of(store, record, "preferences")
    assert "exact_match" not in record["evaluation"]["retrieval"] and "exact_match" in record["evaluation"]["kinematic"]
    assert computed(run(tmp_path, *settings)) == {}
    other = run(tmp_path, *settings, "judging.sensitivity=1.2")
    assert "scores" not in computed(other) and "test scores base kinematic" in computed(other)


@pytest.mark.parametrize("judge", ["auto", "vision"])
def test_a_judge_that_asks_a_model_rewards_no_steps(judge):
    with pytest.raises(AtomError, match=rf"judging\.judge={judge} .*on_policy\.reward=model.*on_policy\.steps=0"):
        load_config(overrides=[f"judging.judge={judge}"])


def test_guos_evaluator_of_the_retrieval_judge_needs_its_words():
    with pytest.raises(AtomError, match=r"judging\.retrieval\.dataset"):
        load_config(overrides=["judging.judge=retrieval", "judging.retrieval={evaluator: finest.tar}"])
