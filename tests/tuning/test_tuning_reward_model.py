"""The reward model: it learns an order from pairs, whatever batch a motion is in, and goes on where it was cut off."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tuning_models import CODES, TEXTS, random_generator

from atom.config import RewardModelConfig, TuningConfig
from atom.errors import AtomError
from atom.tuning.adapter import add_adapter
from atom.tuning.reward_model import RewardModel, RewardPair, train_reward_model
from atom.tuning.rewards import RolloutPrompt

NETWORKS = ("whole", "encoder")
WORDS = [f"{text}, {adverb}" for text in TEXTS for adverb in ("slowly", "twice", "again", "ahead", "left")]
CONFIG = RewardModelConfig(num_train_epochs=6, learning_rate=1e-2, warmup_steps=2, prompts=4)


def pairs_by(score, count=6, seed=0):
    """Pairs of random motions for each text, the better one by a score."""
    rng = np.random.default_rng(seed)
    pairs = []
    for text in WORDS:
        for _ in range(count):
            motions = [tuple(rng.integers(CODES, size=rng.integers(3, 9)).tolist()) for _ in range(2)]
            better, worse = sorted(motions, key=score, reverse=True)
            if score(better) > score(worse):
                pairs.append(RewardPair(text, better, worse, score(better), score(worse)))
    return pairs


def share_of_low_codes(codes):
    return 1 + 4 * float(np.mean(np.array(codes) < CODES / 2))


class Stop(Exception):
    pass


@pytest.mark.parametrize("network", NETWORKS)
def test_it_learns_the_preferences_and_generalises_to_held_out_prompts(tmp_path, network):
    config = CONFIG.model_copy(update={"network": network})
    generator = random_generator()
    rows = train_reward_model(generator, pairs_by(share_of_low_codes), config, 0, tmp_path)
    assert len(rows) == config.num_train_epochs and max(row["accuracy"] for row in rows) > 0.8
    assert max(row["rank_correlation"] for row in rows) > 0.6
    model = RewardModel.load(tmp_path, generator)
    good, bad = model.compute_rewards([RolloutPrompt(WORDS[0], "integrity", ())] * 2, [(0, 1, 2, 3), (15, 14, 13, 12)])
    assert 0 <= bad < 0.5 < good <= 1


@pytest.mark.parametrize("network", NETWORKS)
def test_a_score_does_not_depend_on_the_rest_of_the_batch(network):
    generator = random_generator()
    model = RewardModel(generator, network)
    torch.nn.init.normal_(model.head.weight)
    motions = [(1, 2, 3), (4, 5, 6, 7, 8, 9, 10, 11), (3, 2, 1, 0), (5,)]
    texts = [TEXTS[0], TEXTS[1], TEXTS[1], TEXTS[2]]
    together = model.score(texts, motions)
    alone = [model.score([text], [codes]) for text, codes in zip(texts, motions, strict=True)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    assert model.score([TEXTS[0]], [(3, 2, 1)]) != alone[0] != model.score([TEXTS[1]], [(1, 2, 3)])


def test_training_leaves_the_generator_unchanged(tmp_path):
    generator = random_generator()
    before = {name: value.clone() for name, value in generator.language_model.state_dict().items()}
    train_reward_model(
        generator, pairs_by(share_of_low_codes), CONFIG.model_copy(update={"num_train_epochs": 1}), 0, tmp_path
    )
    after = generator.language_model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_pair_is_held_out_only_with_all_pairs_of_its_prompt_and_the_best_epoch_is_kept(tmp_path):
    pairs = pairs_by(share_of_low_codes)
    rows = train_reward_model(random_generator(), pairs, CONFIG, 0, tmp_path)
    card = json.loads((tmp_path / "reward_model.json").read_text())
    assert card["held_out_prompts"] == round(0.2 * len(WORDS)) and card["pairs"] == len(pairs)
    best = max(row["accuracy"] for row in rows)
    assert card["accuracy"] == best and rows[card["epoch"] - 1]["accuracy"] == best


def gap_of(text, gap):
    return RewardPair(text, (1, 2, 3), (4, 5), 1.0 + gap, 1.0)


def test_the_margin_of_a_pair_grows_with_its_gap(tmp_path):
    """Before the first step all rewards are equal: the loss of a pair is ln(1 + exp(margin * gap))."""
    config = CONFIG.model_copy(update={"num_train_epochs": 1, "margin": 0.5, "prompts": 64})
    for gap in (1.0, 3.0):
        pairs = [gap_of(text, gap) for text in TEXTS]
        (row,) = train_reward_model(random_generator(), pairs, config, 0, tmp_path / str(gap))
        assert row["loss"] == pytest.approx(np.log1p(np.exp(0.5 * gap)), rel=1e-5)


@pytest.mark.parametrize(("held_out", "texts", "count"), [(0.9, 2, 1), (0.01, 3, 1), (0.5, 4, 2), (0.9, 3, 2)])
def test_at_least_one_prompt_is_held_out_and_one_trained_on(tmp_path, held_out, texts, count):
    config = CONFIG.model_copy(update={"num_train_epochs": 1, "held_out": held_out})
    train_reward_model(random_generator(), [gap_of(text, 1.0) for text in TEXTS[:texts]], config, 0, tmp_path)
    assert json.loads((tmp_path / "reward_model.json").read_text())["held_out_prompts"] == count


def test_of_equally_good_epochs_the_first_is_kept(tmp_path):
    """All prompts prefer the same motion, so the held-out one is right after each epoch."""
    pairs, weights = [gap_of(text, 1.0) for text in TEXTS], []

    def copy_weights(*_):
        (state,) = (tmp_path / "work").iterdir()
        weights.append(torch.load(state)["weights"])

    config = CONFIG.model_copy(update={"num_train_epochs": 3})
    rows = train_reward_model(random_generator(), pairs, config, 0, tmp_path, copy_weights, tmp_path / "work")
    first = next(number for number, row in enumerate(rows) if row["accuracy"] == 1.0)
    assert [row["accuracy"] for row in rows[first:]] == [1.0] * (3 - first) and first < 2
    kept = load_file(tmp_path / "reward_model.safetensors")
    assert all(torch.equal(kept[name], value) for name, value in weights[first].items())
    assert not all(torch.equal(kept[name], value) for name, value in weights[-1].items())


def test_rewards_of_the_training_motions_are_about_a_half(tmp_path):
    generator, pairs = random_generator(), pairs_by(share_of_low_codes)
    train_reward_model(generator, pairs, CONFIG, 0, tmp_path)
    prompts = [RolloutPrompt(pair.text, "integrity", ()) for pair in pairs]
    model = RewardModel.load(tmp_path, generator)
    rewards = np.array(
        model.compute_rewards(prompts, [p.chosen for p in pairs])
        + model.compute_rewards(prompts, [p.rejected for p in pairs])
    )
    assert abs(rewards.mean() - 0.5) < 0.1 and rewards.min() > 0 and rewards.max() < 1 and rewards.std() > 0.1


def test_the_gap_is_that_of_the_scores_or_the_smallest_of_the_degree():
    assert RewardPair("", (1,), (2,), 4.5, 3.0, "Slightly better").gap == 1.5
    assert RewardPair("", (1,), (2,), 3.0, 3.2, "Negligibly better/unsure").gap == 0.0  # a comparison overruled it
    assert RewardPair("", (1,), (2,), degree="Much better").gap == 2.0 and RewardPair("", (1,), (2,)).gap == 0.0


def test_without_scores_there_is_an_accuracy_but_no_correlation(tmp_path):
    pairs = [RewardPair(p.text, p.chosen, p.rejected, degree="Better") for p in pairs_by(share_of_low_codes)]
    rows = train_reward_model(random_generator(), pairs, CONFIG.model_copy(update={"num_train_epochs": 1}), 0, tmp_path)
    assert rows[0]["rank_correlation"] is None and 0 <= rows[0]["accuracy"] <= 1


def test_a_resumed_training_ends_with_exactly_the_same_weights(tmp_path):
    def stop(epoch, *_):
        if epoch == 4:
            raise Stop

    run = (pairs_by(share_of_low_codes), CONFIG, 3)
    train_reward_model(random_generator(), *run, tmp_path / "unbroken")
    with pytest.raises(Stop):
        train_reward_model(random_generator(), *run, tmp_path / "broken", stop, tmp_path / "work")
    epochs = []
    train_reward_model(
        random_generator(), *run, tmp_path / "broken", lambda epoch, *_: epochs.append(epoch), tmp_path / "work"
    )
    assert epochs == [5, 6] and list((tmp_path / "work").iterdir()) == []
    first, again = (load_file(tmp_path / name / "reward_model.safetensors") for name in ("unbroken", "broken"))
    assert first.keys() == again.keys() and all(torch.equal(first[key], again[key]) for key in first)


def test_another_base_a_damaged_folder_and_pairs_of_one_prompt_are_refused(tmp_path):
    generator = random_generator()
    config = CONFIG.model_copy(update={"num_train_epochs": 1})
    train_reward_model(generator, pairs_by(share_of_low_codes), config, 0, tmp_path / "model")
    generator.weights_hash = "another"
    with pytest.raises(AtomError, match="trained on a base"):
        RewardModel.load(tmp_path / "model", generator)
    generator.weights_hash = ""
    shutil.copytree(tmp_path / "model", tmp_path / "cut")
    weights = (tmp_path / "cut/reward_model.safetensors").read_bytes()
    (tmp_path / "cut/reward_model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(AtomError, match="cut off or damaged"):
        RewardModel.load(tmp_path / "cut", generator)
    with pytest.raises(AtomError, match="is no reward model"):
        RewardModel.load(tmp_path, generator)
    with pytest.raises(AtomError, match="two prompts or more"):
        train_reward_model(generator, [RewardPair("a person bows", (1,), (2,))], config, 0, tmp_path / "one")


def test_a_generator_with_an_adapter_is_refused():
    generator = random_generator()
    generator.language_model = add_adapter(generator.language_model, TuningConfig(r=2, lora_alpha=2), 0)
    with pytest.raises(AtomError, match="has an adapter"):
        RewardModel(generator, "whole")


def test_a_reward_is_the_logistic_function_of_the_standardised_score():
    scored = SimpleNamespace(score=lambda texts, motions: torch.tensor([1.0, 3.0, 5.0]), mean=3.0, deviation=2.0)
    rewards = RewardModel.compute_rewards(scored, [SimpleNamespace(text="he bows")] * 3, [[1]] * 3)
    assert rewards == pytest.approx([1 / (1 + np.e), 0.5, 1 / (1 + 1 / np.e)])
