"""`atom pretrain` at the smallest size: it writes a generator, and a training that was cut off resumes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from atom.config import load_section
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.generation import generator_quality
from atom.generation.generator import Generator
from atom.generation.generator_quality import measure_clause_order, measure_reconstruction_quality
from atom.generation.pretraining import PretrainConfig, pretrain
from atom.generation.reconstruction_loss import recover_joints
from atom.motion.features import features_to_joints, joints_to_features

TINY = [
    "clips=250",
    "workers=1",
    "judged=3",
    "vqvae.clips=200",
    "vqvae.steps=4",
    "vqvae.width=16",
    "vqvae.batch=8",
    "vqvae.codes=32",
    "language_model.d_model=32",
    "language_model.d_ff=32",
    "language_model.heads=2",
    "language_model.layers=1",
    "language_model.steps=4",
]


@pytest.mark.slow
def test_pretraining_writes_a_generator_and_resumes_where_it_was_cut_off(tmp_path):
    calls = []
    figures = pretrain(
        tmp_path / "out", load_section(PretrainConfig, TINY), tmp_path / "work", lambda *call: calls.append(call)
    )
    generator = Generator.load(str(tmp_path / "out"))
    assert generator.weights_hash == figures["weights"]
    assert set(figures["quality"]) == {"reconstruction", "prompts", "prompts_at_temperature_0.7", "swap_test"}
    assert (tmp_path / "out" / "training.json").exists()

    state = torch.load(tmp_path / "work" / "language_model.pt", weights_only=True)
    assert state["step"] == 4
    calls.clear()
    again = pretrain(
        tmp_path / "out", load_section(PretrainConfig, TINY), tmp_path / "work", lambda *call: calls.append(call)
    )
    assert again == figures, "nothing was left to train"
    assert "corpus" not in {name for name, *_ in calls}


def test_an_unknown_field_is_named():
    with pytest.raises(AtomError, match=r"language_model\.stepps"):
        load_section(PretrainConfig, ["language_model.stepps=3"])


def test_the_loss_recovers_the_joints_of_the_features():
    features = [
        joints_to_features(make_motion([Event(action)], np.random.default_rng(3)).joints)[:40]
        for action in ("walk_forward", "turn_around", "sidestep_left")
    ]
    joints = recover_joints(torch.from_numpy(np.stack(features)))
    for clip, expected in zip(joints.numpy(), features, strict=True):
        assert np.abs(clip - features_to_joints(expected)).max() < 1e-4


class ReadsFirstWord:
    """A stand-in whose every next token is 7 after the first caption and 8 after the second."""

    motions = SimpleNamespace(answer=lambda codes, end: [7, 7, 8])
    tokenizer = SimpleNamespace(eos_token_id=1)

    def __init__(self, share):
        self.share = share

    def encode(self, features):
        return [[0]]

    def encode_prompts(self, texts):
        assert texts[0] != texts[1] and len(texts[0]) == len(texts[1])
        return torch.zeros(2, 1), torch.ones(2, 1)

    def language_model(self, input_ids, attention_mask, labels):
        shares = torch.full((2, 3, 10), 1e-9)
        shares[:, :, 7] = torch.tensor([self.share, 1 - self.share])[:, None]
        shares[:, :, 8] = torch.tensor([1 - self.share, self.share])[:, None]
        return SimpleNamespace(logits=shares.log())


@pytest.mark.parametrize(("share", "distance", "preferred"), [(1 - 1e-9, 1.0, 1.0), (0.75, 0.5, 1.0), (0.4, 0.2, 0.0)])
def test_the_clause_order_is_measured_by_total_variation(share, distance, preferred):
    """0 for the same distributions, 1 for those that share no token. Of three true tokens two are 7."""
    figures = measure_clause_order(ReadsFirstWord(share), pairs=2)
    assert figures == {"pairs": 2, "distance": pytest.approx(distance, abs=1e-3), "preferred": preferred}


@pytest.mark.slow
def test_the_quality_of_the_shipped_weights_is_what_training_json_says(built_in):
    expected = built_in["quality"]
    generator = Generator.load()
    kept = measure_reconstruction_quality(generator, clips=60, seed=5)
    assert abs(kept["exact_match"] - expected["reconstruction"]["exact_match"]) < 0.12
    order = measure_clause_order(generator, pairs=25, seed=5)
    assert order["preferred"] > 0.8 and abs(order["distance"] - expected["swap_test"]["distance"]) < 0.1


def test_the_quality_on_prompts_is_the_mean_score_and_the_share_that_is_exact(monkeypatch):
    """Of six prompts, two a task, those of one task are both exact and one of another."""
    judged = []

    def judge(joints, prompt):
        judged.append(prompt.task)
        exact = prompt.task == "temporal" or (judged.count(prompt.task) == 2 and prompt.task == "frequency")
        return SimpleNamespace(score=5.0 if exact else 2.0, exact=exact)

    monkeypatch.setattr(generator_quality, "KinematicJudge", lambda: SimpleNamespace(judge=judge))
    generator = SimpleNamespace(
        sample=lambda texts, seeds, temperature: [SimpleNamespace(tokens=[1])] * len(texts),
        decode=lambda motions: motions,
    )
    assert generator_quality.measure_prompt_quality(generator, prompts=6, temperature=0.7) == {
        "prompts": 6,
        "temperature": 0.7,
        "score": 3.5,
        "exact_match": 0.5,
        "exact_match_integrity": 0.0,
        "exact_match_temporal": 1.0,
        "exact_match_frequency": 0.5,
    }
