"""One step of on-policy tuning and one of unpaired KTO, beside the same quantities computed with transformers alone."""

import pytest
import torch
from tuning_models import random_generator

from atom.config import GenerationConfig, OnPolicyConfig, TuningConfig
from atom.generation.generator import Sample
from atom.tuning.adapter import add_adapter, save_adapter
from atom.tuning.on_policy import tune_on_policy
from atom.tuning.pairs import TrainingPair
from atom.tuning.preference_trainer import tune
from atom.tuning.rewards import RolloutPrompt

LORA = TuningConfig(r=4, lora_alpha=8)
PROMPTS = [RolloutPrompt(text, "integrity", ()) for text in ("he bows", "a person jumps twice")]
FIRST_CODE = random_generator().motions.first
START, END, EOS = FIRST_CODE + 16, FIRST_CODE + 17, 1  # of a codebook of 16


def ids(codes, is_cut_off=False):
    """The answer of a motion. A cut-off one reached the limit of length before it could say that it ends."""
    return [START, *(FIRST_CODE + code for code in codes), *([] if is_cut_off else [END, EOS])]


def adapter_away_from_the_base(folder, seed):
    """An adapter under which policy and reference differ from the first step on."""
    adapted = add_adapter(random_generator().language_model, LORA, 0)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1, generator=generator)
    save_adapter(adapted, folder, "base", "", {})
    return folder


class Plain:
    """Log-probabilities under policy and reference, one answer at a time, by transformers' own forward."""

    def __init__(self, adapter):
        self.generator = random_generator()
        self.model = add_adapter(self.generator.language_model, LORA, 0, adapter)

    def policy(self, text, answer):
        inputs, _ = self.generator.encode_prompts([text])
        logits = self.model(input_ids=inputs, labels=torch.tensor([answer])).logits[0]
        return logits.log_softmax(-1)[range(len(answer)), answer].sum()

    def reference(self, text, answer):
        with torch.no_grad(), self.model.disable_adapter():
            return self.policy(text, answer)


@pytest.fixture
def drifts(monkeypatch):
    """What each step compares with max_drift."""
    found = []
    monkeypatch.setattr(
        "atom.tuning.adapter_trainer.check_divergence", lambda step, first, last, *_: found.append(last[-1])
    )
    return found


class RewardOfLength:
    identity = "length"

    def compute_rewards(self, prompts, motions):
        self.texts = [prompt.text for prompt in prompts]
        return [len(codes) / 12 for codes in motions]


def test_an_on_policy_step_raises_rewards_and_lowers_the_kl_divergence(tmp_path, drifts):
    """The gradient is that of -sum(advantage * logp) + kl_coef / 2 * sum(log_ratio ** 2), over the number of motions:
    the square is least where the policy is the reference, so a term of the wrong sign can't pass."""
    adapter, kl_coef = adapter_away_from_the_base(tmp_path / "start", 1), 0.3
    motions = [Sample([1, 2, 3], "end"), Sample([4], "length"), Sample([5, 6], "length"), Sample([7, 8, 9, 1], "end")]
    generator, reward = random_generator(), RewardOfLength()
    generator.sample = lambda *_, **__: motions
    config = OnPolicyConfig(steps=1, prompts=2, num_generations=2, kl_coef=kl_coef)
    arguments = (generator, PROMPTS, reward, config, LORA, GenerationConfig(), 0, tmp_path / "end")
    (row,) = tune_on_policy(*arguments, init_adapter=adapter)

    plain = Plain(adapter)
    answers = [ids(motion.tokens, motion.stop_reason == "length") for motion in motions]
    policy = torch.stack([plain.policy(*answer) for answer in zip(reward.texts, answers)])
    log_ratio = policy - torch.stack([plain.reference(*answer) for answer in zip(reward.texts, answers)])
    advantages = torch.tensor([2, -2, -2, 2]) / 12  # against the other motion of the prompt
    value = (-(advantages * policy).sum() + kl_coef * (log_ratio * policy).sum()) / 4
    assert row["loss"] == pytest.approx(value.item(), rel=1e-4)
    assert row["kl"] == pytest.approx(log_ratio.mean().item(), rel=1e-4)
    assert row["reward"] == pytest.approx((3 + 1 + 2 + 4) / 4 / 12) and row["tokens"] == 2.5
    assert drifts == [pytest.approx(row["kl"] / 2.5)]  # nats a token
    ((-(advantages * policy).sum() + kl_coef / 2 * log_ratio.square().sum()) / 4).backward()
    gradients = [parameter.grad for parameter in plain.model.parameters() if parameter.grad is not None]
    assert row["gradient_norm"] == pytest.approx(torch.cat([g.flatten() for g in gradients]).norm().item(), rel=1e-3)


TEXTS = ("he bows", "a person jumps twice", "someone waves, then walks ahead")  # in the order of a batch: by length
ANSWERS = [
    (TEXTS[0], (1, 2)),
    (TEXTS[1], (3, 4, 5)),
    (TEXTS[2], (6, 7, 8, 9)),
    (TEXTS[2], (1, 2, 3)),
    (TEXTS[2], (9, 8)),
]


@pytest.mark.parametrize(
    ("seed", "is_clamped", "sides"), [(3, True, [1] * 5), (9, False, [1] * 5), (1, False, [1, -1, 1, -1, -1])]
)
def test_unpaired_kto_compares_with_answers_to_the_next_prompt_but_never_with_less_than_0(
    tmp_path, drifts, seed, is_clamped, sides
):
    adapter = adapter_away_from_the_base(tmp_path / "start", seed)
    motions = [
        TrainingPair(text, *((codes, None) if side > 0 else (None, codes)))
        for (text, codes), side in zip(ANSWERS, sides)
    ]
    change = {"loss_type": "kto_unpaired", "average_log_prob": False, "beta": 0.2, "sft_weight": 0.1}
    config = LORA.model_copy(update=change | {"batch_size": 5, "max_steps": 1})
    (row,) = tune(random_generator(), motions, config, 0, tmp_path / "end", init_adapter=adapter)

    plain = Plain(adapter)
    next_text = dict(zip(TEXTS, TEXTS[1:] + TEXTS[:1]))
    with torch.no_grad():
        policy = torch.stack([plain.policy(text, ids(codes)) for text, codes in ANSWERS])
        log_ratio = policy - torch.stack([plain.reference(text, ids(codes)) for text, codes in ANSWERS])
        mismatched = [(next_text[text], ids(codes)) for text, codes in ANSWERS]
        mean = sum(plain.policy(*pair) - plain.reference(*pair) for pair in mismatched).item() / 5
    assert (mean < -0.02) if is_clamped else (mean > 0.1)
    z0, side = max(mean, 0.0), torch.tensor(sides)
    # All motions of one side together weigh half of the batch.
    weights = torch.tensor([5 / 2 / sides.count(each) for each in sides])
    loss = (weights * (1 - torch.sigmoid(0.2 * side * (log_ratio - z0)))).sum().item() / 5
    assert row["preference_loss"] == pytest.approx(loss, rel=1e-4)
    assert row["loss"] == pytest.approx(loss - 0.1 * policy[side > 0].sum().item() / 5, rel=1e-4)
    desirable, undesirable = (log_ratio[side == sign].sum().item() / max(sides.count(sign), 1) for sign in (1, -1))
    assert row["margin"] == pytest.approx(desirable - undesirable, rel=1e-3)
    assert row["accuracy"] == pytest.approx((side * (log_ratio - z0) > 0).float().mean().item())
    per_token = torch.stack([value / (len(codes) + 3) for value, (_, codes) in zip(policy, ANSWERS)])
    assert drifts == [pytest.approx(-per_token[side > 0].mean().item(), rel=1e-4)]  # of the chosen, in nats a token


PAIRS = [
    TrainingPair(TEXTS[0], (1, 2), (3,), "Slightly better"),
    TrainingPair(TEXTS[1], (4, 5, 6, 7), (8, 9), None),
    TrainingPair(TEXTS[2], (10,), (11, 12, 13), "Better"),
]
SETTINGS = {"beta": 0.4, "sft_weight": 0.3, "label_smoothing": 0.1, "degree_smoothing": {"Better": 0.2}}


@pytest.fixture(scope="module")
def drifted(tmp_path_factory):
    """An adapter, and the log-probabilities of the chosen and rejected answers (policy or reference, pair, side)."""
    adapter = adapter_away_from_the_base(tmp_path_factory.mktemp("drifted") / "start", 1)
    plain = Plain(adapter)
    with torch.no_grad():
        values = [
            [[log_prob(pair.text, ids(codes)).item() for codes in (pair.chosen, pair.rejected)] for pair in PAIRS]
            for log_prob in (plain.policy, plain.reference)
        ]
    return adapter, torch.tensor(values, dtype=torch.float64)


def log_sigmoid(values):
    return -torch.log(1 + torch.exp(-values))


def by_hand(loss_type, policy, reference):
    chosen, rejected = policy.T
    ratio = policy - reference
    margin, smoothing = ratio[:, 0] - ratio[:, 1], torch.tensor([0.1, 0.1, 0.2])
    if loss_type == "ipo":
        return (margin - (1 - 2 * smoothing) / 0.8) ** 2
    if loss_type == "dpo":
        return -(1 - smoothing) * log_sigmoid(0.4 * margin) - smoothing * log_sigmoid(-0.4 * margin)
    if loss_type == "hinge":
        return (1 - smoothing) * (1 - 0.4 * margin).clamp(0) + smoothing * (1 + 0.4 * margin).clamp(0)
    if loss_type == "simpo":
        gap = 0.4 * (chosen - rejected - 0.7)
        return -(1 - smoothing) * log_sigmoid(gap) - smoothing * log_sigmoid(-gap)
    if loss_type == "orpo":
        odds = policy.exp() / (1 - policy.exp())
        return -0.4 * log_sigmoid((odds[:, 0] / odds[:, 1]).log())
    if loss_type == "kto":
        kl = ratio.mean(0).clamp(0)
        values = torch.stack([ratio[:, 0] - kl[1], kl[0] - ratio[:, 1]])
        return 1 - torch.sigmoid(0.4 * values)
    return torch.zeros(3)  # sft


@pytest.mark.parametrize(
    ("loss_type", "average"),
    [(loss, average) for loss in ("ipo", "dpo", "hinge", "kto", "sft") for average in (False, True)]
    + [("orpo", True), ("simpo", True)],
)
def test_a_preference_step_has_the_loss_of_its_formula(drifted, tmp_path, loss_type, average):
    adapter, log_probs = drifted
    lengths = torch.tensor([[len(pair.chosen) + 3, len(pair.rejected) + 3] for pair in PAIRS])
    policy, reference = log_probs / lengths if average else log_probs
    change = {
        "loss_type": loss_type,
        "average_log_prob": average,
        "target_margin": 0.7,
        "max_steps": 1,
        "batch_size": 3,
    }
    config = LORA.model_copy(update=SETTINGS | change)
    (row,) = tune(random_generator(), PAIRS, config, 0, tmp_path, init_adapter=adapter)
    expected = by_hand(loss_type, policy, reference).mean().item()
    assert row["preference_loss"] == pytest.approx(expected, rel=1e-4, abs=1e-6)
    chosen_weight = 1.0 if loss_type == "sft" else 0.3
    assert row["loss"] == pytest.approx(expected - chosen_weight * policy[:, 0].mean().item(), rel=1e-4)
    assert row["chosen_logp"] == pytest.approx(policy[:, 0].mean().item(), rel=1e-4)
    assert row["rejected_logp"] == pytest.approx(policy[:, 1].mean().item(), rel=1e-4)
    relative = policy if loss_type in ("orpo", "simpo", "sft") else policy - reference
    margin = relative[:, 0] - relative[:, 1]
    assert row["margin"] == pytest.approx(margin.mean().item(), rel=1e-3)
    assert row["accuracy"] == pytest.approx((margin > 0).double().mean().item())


class SameReward:
    identity = "same"

    def __init__(self):
        self.steps = []

    def compute_rewards(self, prompts, motions):
        self.steps.append([prompt.text for prompt in prompts[::2]])
        return [0.5] * len(motions)


def test_each_epoch_of_on_policy_tuning_has_the_prompts_in_an_order_of_its_own(tmp_path):
    prompts = [RolloutPrompt(f"prompt {number}", "integrity", ()) for number in range(7)]
    generator, reward = random_generator(), SameReward()
    generator.sample = lambda texts, seeds, **_: [Sample([seed % 16], "end") for seed in seeds]
    config = OnPolicyConfig(steps=8, prompts=3, num_generations=2)
    rows = tune_on_policy(generator, prompts, reward, config, LORA, GenerationConfig(), 0, tmp_path)
    assert {row["loss"] for row in rows} == {0.0}
    epochs = [reward.steps[first] + reward.steps[first + 1] for first in range(0, 8, 2)]  # one prompt of 7 is left over
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
