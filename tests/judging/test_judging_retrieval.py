"""The retrieval judge: scores by the distance of text and motion."""

import json

import numpy as np
import pytest
from humanml3d_files import write_dataset, write_evaluator

from atom.config import EvaluatorConfig, RunConfig, load_config
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.evaluation.evaluator.base import TaggedText
from atom.evaluation.evaluator.small_evaluator import BUILTIN, load_small_evaluator
from atom.evaluation.evaluator.small_evaluator_training import make_distinct_motions, make_references
from atom.evaluation.evaluator.word_tags import tag_words
from atom.evaluation.metric_rows import Reference
from atom.events import Event
from atom.generation.generator import Generator
from atom.judging.judged_prompt import PlainPrompt
from atom.judging.judges import judge_key_fields, make_judge
from atom.judging.retrieval_judge import Anchors, RetrievalJudge, load_retrieval_judge, measure_anchors, read_anchors
from atom.motion.features import joints_to_features
from atom.tuning.rewards import JudgeReward, RolloutPrompt

TEXT = "a person jumps twice, then waves with the left hand"
DONE = (Event("jump_up", 2), Event("wave_left"))


@pytest.fixture(scope="module")
def judge():
    return make_judge("retrieval", RunConfig())


def prompt(text=TEXT, events=DONE):
    return PlainPrompt(text, events, "temporal")


def motion(*events):
    return make_motion(events, np.random.default_rng(0)).joints


def test_the_score_falls_from_near_to_far():
    anchors = Anchors(near=2.0, far=10.0)
    assert [anchors.score(distance) for distance in (0, 2, 4, 6, 10, 30)] == [5, 5, 4, 3, 1, 1]
    for near, far in ((5.0, 5.0), (6.0, 5.0), (float("nan"), 5.0), (1.0, float("nan"))):
        with pytest.raises(AtomError, match="as far from their own texts"):
            RetrievalJudge(Line(), Anchors(near, far))


@pytest.mark.slow
def test_the_packages_anchors_are_those_of_its_weights_and_can_be_measured_again(tmp_path):
    evaluator = load_small_evaluator()
    anchors = read_anchors(evaluator)
    fewer = measure_anchors(evaluator, make_references(make_distinct_motions(150, "val", 1), 1))
    assert fewer.near == pytest.approx(anchors.near, rel=0.05) and fewer.far == pytest.approx(anchors.far, rel=0.05)
    record = json.loads((BUILTIN / "training.json").read_text())
    for change in ({"weights": "0" * 64}, {"anchors": {"near": 1}}, {"anchors": None}):
        (tmp_path / "training.json").write_text(json.dumps(record | change))
        with pytest.raises(AtomError, match=r"has no anchors.*atom pretrain-evaluator"):
            read_anchors(evaluator, tmp_path)
    with pytest.raises(AtomError, match="has no anchors"):
        read_anchors(evaluator, tmp_path / "none")


def test_a_motion_scores_by_how_near_it_is_to_its_text(judge):
    right, half, other = (
        judge.judge(motion(*events), prompt())
        for events in (DONE, DONE[:1], (Event("walk_forward"), Event("sit_down")))
    )
    assert right.score > 4.5 > half.score > other.score >= 1
    for judgement in (right, half, other):
        assert judgement.exact is None and judgement.detected == judgement.verdicts == []
        assert "no verdicts on single events" in judgement.rationale
    assert judge.judge(motion(*DONE), prompt()) == right


def test_the_score_follows_the_stated_formula(judge):
    joints = motion(*DONE)
    evaluator, anchors = judge.evaluator, judge.anchors
    (text,), (embedded,) = (
        evaluator.embed_texts([TaggedText(TEXT)]),
        evaluator.embed_motions([joints_to_features(joints)]),
    )
    share = np.clip((anchors.far - np.linalg.norm(text - embedded)) / (anchors.far - anchors.near), 0, 1)
    assert judge.judge(joints, prompt()).score == pytest.approx(1 + 4 * share)


def test_words_that_the_built_in_evaluator_does_not_know_are_not_judged(judge):
    assert judge.find_obstacle(prompt()) is None
    steps = Event("step forward", 4, "walks forward four times")  # open, but in known words
    assert judge.find_obstacle(prompt("a person walks forward four times", (steps,))) is None
    open_event = Event("juggle ball", None, "juggles balls")
    assert "'juggles', 'balls'" in judge.find_obstacle(prompt("a man juggles balls and waves", (open_event, DONE[1])))
    assert "no words" in judge.find_obstacle(prompt("?!", ()))


def test_motions_that_are_too_short_score_one_and_broken_ones_are_refused(judge):
    joints = motion(*DONE)
    for frames in (0, 1, 4):
        assert judge.judge(joints[:frames], prompt()).score == 1
    assert 1 <= judge.judge(joints[:5], prompt()).score <= 5
    broken = joints.copy()
    broken[3] = np.nan
    with pytest.raises(AtomError):
        judge.judge(broken, prompt())


def test_its_reward_is_its_score_alone(judge):
    generator = Generator.load()
    codes = generator.encode([joints_to_features(motion(*DONE))])
    (joints,) = generator.decode(codes)
    rollout = RolloutPrompt(TEXT, "temporal", DONE)
    (reward,) = JudgeReward(judge, generator.decode, 0.5, "r").compute_rewards([rollout], codes)
    assert reward == pytest.approx((judge.judge(joints, rollout).score - 1) / 4) and reward > 0.8


def test_the_keys_of_scores_hold_the_weights_and_the_anchors(judge):
    fields, weights = judge_key_fields("retrieval", RunConfig())
    assert fields == {"judge": "retrieval", "anchors": [judge.anchors.near, judge.anchors.far]}
    assert weights == {"judge": judge.evaluator.weights_hash}
    assert judge_key_fields("kinematic", RunConfig()) == ({"judge": "kinematic", "sensitivity": 1.0}, {})
    assert judge_key_fields("learned", RunConfig())[0] == {"judge": "learned"}


class Line:
    """Embeds a text as its number of characters and a motion as its number of frames."""

    name, weights_hash = "line", "0"

    def embed_texts(self, texts):
        assert all(text.tokens for text in texts)
        return np.array([[float(len(text.text))] for text in texts], np.float32)

    def embed_motions(self, features):
        assert len(features) == 1  # the embeddings of some evaluators depend on the batch
        return np.array([[float(len(features[0]))]], np.float32)


def test_anchors_are_the_medians_of_own_and_of_other_texts():
    references = [
        Reference(str(n), TaggedText("x" * n, ("x/NOUN",)), np.zeros((n + extra, 263)))
        for n, extra in ((10, 1), (20, 2), (40, 9))
    ]
    anchors = measure_anchors(Line(), references)
    assert anchors == Anchors(near=2.0, far=float(np.median([12, 39, 9, 29, 29, 18])))
    judge = RetrievalJudge(Line(), anchors)
    scores = [judge.judge(motion(*DONE)[:13], prompt("x" * length)).score for length in (12, 14, 100)]
    assert scores == [5, 5, 1]
    with pytest.raises(AtomError, match="at least two captions"):
        measure_anchors(Line(), references[:1])
    same = [Reference(str(n), TaggedText("x" * 10, ("x/NOUN",)), np.zeros((12, 263))) for n in range(3)]
    with pytest.raises(AtomError, match="as far from their own texts"):
        RetrievalJudge(Line(), measure_anchors(Line(), same))


@pytest.mark.parametrize("variant", ["guo", "motiongpt"])
def test_guos_evaluator_judges_open_texts_with_anchors_of_the_dataset(tmp_path, variant, monkeypatch):
    write_dataset(tmp_path / "data", train=2, test=12)
    write_evaluator(tmp_path / "t2m", 8, 6, 8, 10)
    settings = EvaluatorConfig(
        evaluator=str(tmp_path / "t2m/finest.tar"),
        words=str(tmp_path / "t2m"),
        dataset=str(tmp_path / "data"),
        variant=variant,
    )
    # Random weights can't tell texts apart: that is what loading says of them.
    with pytest.raises(AtomError, match="as far from their own texts"):
        load_retrieval_judge(settings)
    monkeypatch.setattr("atom.judging.retrieval_judge.measure_anchors", lambda evaluator, references: Anchors(0.0, 9.0))
    judge = load_retrieval_judge(settings)
    juggling = PlainPrompt("a man juggles three balls", (Event("juggle ball", 3, "juggles three balls"),), "integrity")
    assert judge.find_obstacle(juggling) is None
    first, second = (judge.judge(motion(*events), juggling).score for events in (DONE, (Event("sit_down"),)))
    assert min(first, second) >= 1 and max(first, second) <= 5 and first != second
    config = load_config(overrides=["judging.judge=retrieval", f"judging.retrieval={settings.model_dump_json()}"])
    assert judge_key_fields("retrieval", config)[1] == {"judge": judge.evaluator.weights_hash}


def test_words_are_tagged_as_in_captions_of_humanml3d():
    tags = tag_words("A person waves with his left hand, then slowly walks up 3 stairs.")
    assert tags[:8] == (
        "a/DET", "person/NOUN", "wave/VERB", "with/ADP", "his/DET", "left/ADJ", "hand/NOUN", "then/ADV",
    )  # fmt: skip
    assert "walk/VERB" in tags and not any("3" in tag or "," in tag for tag in tags)
    assert tag_words("?!") == tag_words("") == ()
