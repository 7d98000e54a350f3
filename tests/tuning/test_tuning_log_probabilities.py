"""Log-probabilities of whole answers, reference included, against the bare model and the peers' numbers."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import T5Config
from tuning_models import random_generator, random_pairs

from atom.config import TuningConfig
from atom.generation.language_model import build_language_model
from atom.generation.weights import load_weights, read_torch_file
from atom.tuning.adapter import add_adapter
from atom.tuning.batches import PairBatch, sort_by_length
from atom.tuning.log_probabilities import (
    compute_answer_log_probs,
    compute_pair_log_probs,
    compute_reference_log_probs,
)
from atom.tuning.losses import dpo, ipo
from atom.tuning.pairs import PairShape, TokenizedPair, TokenizedPairs

CPU = torch.device("cpu")


def test_the_reference_is_exactly_the_model_without_adapter(generator, pairs):
    tokenized = TokenizedPairs(generator, pairs)
    model = generator.language_model
    bare = compute_reference_log_probs(model, tokenized, 0, "sum", batch_size=7)
    adapted = add_adapter(model, TuningConfig(r=4), seed=0)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_()
    changed = compute_reference_log_probs(adapted.get_base_model(), tokenized, 0, "sum", batch_size=7)
    with adapted.disable_adapter():
        off = compute_reference_log_probs(adapted.get_base_model(), tokenized, 0, "sum", batch_size=7)
    assert torch.equal(off, bare)
    assert (changed - bare).abs().max() > 1


@pytest.mark.parametrize("reduction", ["sum", "average"])
def test_a_pair_is_as_likely_alone_as_in_a_padded_batch_that_shares_prompts_and_answers(generator, reduction):
    pairs = random_pairs(12, lengths=(1, 20))
    pairs += [type(pairs[0])(pairs[0].text, pairs[0].rejected, pairs[0].chosen)]
    tokenized = TokenizedPairs(generator, pairs)
    together = compute_reference_log_probs(generator.language_model, tokenized, 0, reduction)
    for pair, log_probs in zip(tokenized, together, strict=True):
        for answer, value in zip((pair.chosen, pair.rejected), log_probs, strict=True):
            logits = generator.language_model(
                input_ids=torch.tensor([pair.prompt]), labels=torch.tensor([answer])
            ).logits
            alone = compute_answer_log_probs(logits, torch.tensor([answer]), reduction).item()
            assert value.item() == pytest.approx(alone, abs=2e-5 * len(answer))
    assert torch.equal(together[0], together[-1].flip(0))


def test_each_prompt_and_answer_is_in_a_batch_once():
    pairs = [TokenizedPair((5, 1), (7, 1), (8, 9, 1)), TokenizedPair((5, 1), (7, 1), (9, 1))]
    batch = PairBatch.of([*pairs, TokenizedPair((6, 6, 1), (7, 1), (9, 1))], pad=0, device=CPU)
    assert batch.input_ids.tolist() == [[5, 1, 0], [6, 6, 1]]
    assert batch.attention_mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch.labels.tolist() == [[7, 1, -100], [8, 9, 1], [9, 1, -100], [7, 1, -100], [9, 1, -100]]
    assert batch.prompt_index.tolist() == [0, 0, 0, 1, 1]
    assert (batch.chosen_index.tolist(), batch.rejected_index.tolist()) == ([0, 0, 3], [1, 2, 4])


def test_sorting_by_length_keeps_every_index_and_the_pairs_of_a_prompt_together():
    tokenized = TokenizedPairs(random_generator(), random_pairs(30))
    order = sort_by_length([PairShape(pair.prompt, len(pair.chosen)) for pair in tokenized], range(0, 30, 2))
    assert sorted(order) == list(range(0, 30, 2))
    prompts = [tokenized[i].prompt for i in order]
    assert sum(a != b for a, b in pairwise(prompts)) == len(set(prompts)) - 1


@pytest.fixture(scope="module")
def peer(shared):
    """AToM's own tuned model, its adapter in the place where ours is, and the batch that it was fed."""
    folder = shared / "parity"
    config = T5Config(**json.loads((folder / "motiongpt_small/tokenizer/config.json").read_text()))
    state = read_torch_file(folder / "lora_small/policy.pt")
    config.vocab_size = len(state["base_model.model.shared.weight"])
    adapted = add_adapter(
        build_language_model(config).eval(), TuningConfig(r=4, lora_alpha=8, target_modules="q,v"), seed=0
    )
    load_weights(adapted, state, "lora_small/policy.pt")
    with np.load(folder / "lora_small/cases.npz", allow_pickle=False) as file:
        return adapted, {name: torch.from_numpy(file[name]) for name in file.files}


def peers_pairs(cases):
    prompts = cases["step_batch_prompt_input_ids"], cases["step_batch_prompt_attention_mask"]
    return [
        TokenizedPair(tuple(ids[mask.bool()].tolist()), *(tuple(row[row != -100].tolist()) for row in answers))
        for ids, mask, *answers in zip(
            *prompts, cases["step_batch_chosen_labels"], cases["step_batch_rejected_labels"], strict=True
        )
    ]


@pytest.mark.parametrize(
    ("name", "reduction", "tolerance"), [("ipo_0.1", "average", 5e-5), ("sigmoid_0.3", "sum", 1e-3)]
)
def test_a_preference_step_is_that_of_the_peer(peer, name, reduction, tolerance):
    adapted, cases = peer
    adapted.zero_grad()
    pairs, model = peers_pairs(cases), adapted.get_base_model()
    with adapted.disable_adapter():
        reference = compute_reference_log_probs(model, pairs, 0, reduction)
    chosen, rejected = compute_pair_log_probs(model, PairBatch.of(pairs, 0, CPU), reduction)
    values = {
        "policy_chosen": chosen,
        "policy_rejected": rejected,
        "reference_chosen": reference[:, 0],
        "reference_rejected": reference[:, 1],
    }
    for who, log_probs in values.items():
        assert (log_probs - cases[f"step_{name}_{who}_logps"]).abs().max() <= tolerance, who
    ratio = (chosen - rejected) - (reference[:, 0] - reference[:, 1])
    losses = ipo(ratio, 0.1) if reduction == "average" else dpo(ratio, 0.3, cases["step_batch_label_smoothing"])
    losses.mean().backward()
    assert losses.mean().item() == pytest.approx(cases[f"step_{name}_loss"].item(), rel=1e-3)

    gradients = {
        key.removeprefix(f"step_{name}_grad__"): value
        for key, value in cases.items()
        if key.startswith(f"step_{name}_grad__")
    }
    ours = {key: parameter.grad for key, parameter in adapted.named_parameters() if parameter.requires_grad}
    assert gradients.keys() == ours.keys()
    largest = max(value.abs().max() for value in gradients.values())
    for key, value in gradients.items():
        assert (ours[key] - value).abs().max() <= 1e-3 * largest, key


def test_a_vocabulary_normalises_over_its_tokens_alone(generator):
    tokenized = TokenizedPairs(generator, random_pairs(6))
    allowed = torch.tensor(sorted(generator.motions.answer_ids(generator.tokenizer.eos_token_id)))
    log_probs = compute_reference_log_probs(generator.language_model, tokenized, 0, "sum", vocabulary=allowed)
    for pair, (value, _) in zip(tokenized, log_probs, strict=True):
        labels = torch.tensor([pair.chosen])
        logits = generator.language_model(input_ids=torch.tensor([pair.prompt]), labels=labels).logits
        forbidden = torch.ones(logits.shape[-1], dtype=torch.bool).index_fill(0, allowed, False)
        alone = compute_answer_log_probs(logits.masked_fill(forbidden, -torch.inf), labels, "sum")
        assert value.item() == pytest.approx(alone.item(), abs=1e-3)
    everything = torch.arange(len(generator.language_model.lm_head.weight))
    whole = compute_reference_log_probs(generator.language_model, tokenized, 0, "sum", vocabulary=everything)
    assert torch.allclose(whole, compute_reference_log_probs(generator.language_model, tokenized, 0, "sum"), atol=1e-4)
