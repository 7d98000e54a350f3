"""T5 inference: the numbers of transformers with every adapter, and no work done twice."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import T5Config

from atom.generation.generator import Generator
from atom.generation.language_model import build_language_model
from atom.generation.language_model_inference import AnswerDecoder, T5Inference

PROMPTS = torch.tensor([[5, 9, 14, 7, 1], [8, 1, 0, 0, 0], [6, 6, 11, 1, 0]])
ADAPTERS = {
    "none": None,
    "LoRA": dict(target_modules=["q", "v"]),
    "DoRA": dict(target_modules="all-linear", use_dora=True),
    "LoRA with a bias": dict(target_modules=["k", "wo"], lora_bias=True),
    "output layer": dict(target_modules=["o", "lm_head"]),
    "whole copies": dict(target_modules=["q"], modules_to_save=["lm_head", "layer_norm"]),
}


def build_model(kind: str = "gated-gelu", adapter: dict | None = None, scaled: bool = False) -> torch.nn.Module:
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=40,
        d_model=24,
        d_ff=32,
        d_kv=4,
        num_layers=2,
        num_decoder_layers=3,
        num_heads=3,
        feed_forward_proj=kind,
        decoder_start_token_id=0,
    )
    model = build_language_model(config)
    model.config.scale_decoder_outputs = scaled
    if adapter:
        model = get_peft_model(model, LoraConfig(r=2, lora_alpha=16, init_lora_weights=False, **adapter))
        for name, parameter in model.named_parameters():
            if "lora_B.default.bias" in name or "modules_to_save" in name:
                torch.nn.init.normal_(parameter)
        model = model.get_base_model()
    return model.eval()


@torch.inference_mode()
def assert_same_logits(model: torch.nn.Module) -> None:
    mask, choices = (PROMPTS != 0).long(), torch.tensor([1, 30, 31, 32, 39])
    prompt_rows = torch.tensor([0, 1, 1, 2])
    answers = torch.randint(2, 40, (4, 9), generator=torch.Generator().manual_seed(1))
    decoded = torch.cat([torch.zeros(4, 1, dtype=torch.long), answers], 1)
    expected = model(PROMPTS[prompt_rows], attention_mask=mask[prompt_rows], decoder_input_ids=decoded).logits[
        :, :, choices
    ]
    inference = T5Inference(model, choices)
    decoder = AnswerDecoder(inference, inference.encode(PROMPTS, mask), mask, prompt_rows, 10)
    found = torch.stack([decoder.next_logits(decoded[:, step]) for step in range(10)], 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
def test_logits_equal_transformers_with_any_adapter(adapter):
    assert_same_logits(build_model(adapter=adapter))


@pytest.mark.parametrize("kind", ["relu", "gated-gelu", "gated-silu"])
def test_logits_equal_transformers_with_any_feed_forward(kind):
    assert_same_logits(build_model(kind))


def test_logits_equal_transformers_where_it_scales_the_decoders_output():
    assert_same_logits(build_model(scaled=True))


@torch.inference_mode()
def test_states_equal_transformers_and_padding_is_zero():
    model, mask = build_model(), (PROMPTS != 0).long()
    found = T5Inference(model, torch.arange(40)).encode(PROMPTS, mask)
    expected = model.get_encoder()(input_ids=PROMPTS, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(found, expected * mask[:, :, None], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_kept_rows_are_not_changed_by_rows_that_leave():
    mask = (PROMPTS != 0).long()
    inference = T5Inference(build_model(), torch.arange(40))
    states = inference.encode(PROMPTS, mask)
    prompt_rows = torch.tensor([0, 1, 2, 0, 1, 2])
    answers = torch.randint(2, 40, (6, 5), generator=torch.Generator().manual_seed(2))
    all_rows, some_rows = (AnswerDecoder(inference, states, mask, prompt_rows, 5) for _ in range(2))
    order = list(range(6))
    for step, remaining in enumerate([[0, 1, 2, 3, 4, 5], [1, 2, 4, 5], [0, 3], [1], [0]]):
        kept = some_rows.keep_rows(remaining)
        assert sorted(kept) == remaining
        order = [order[row] for row in kept]
        expected = all_rows.next_logits(answers[:, step])[order]
        torch.testing.assert_close(some_rows.next_logits(answers[order, step]), expected, rtol=1e-5, atol=1e-5)


def test_a_prompt_is_encoded_once_for_all_its_candidates(checkpoint, texts, monkeypatch):
    encoded, encode = [], T5Inference.encode
    monkeypatch.setattr(
        T5Inference, "encode", lambda self, ids, mask: encoded.append(len(ids)) or encode(self, ids, mask)
    )
    generator = Generator(checkpoint)
    settings = dict(texts=[text for text in texts for _ in range(10)], seeds=range(40), max_new_tokens=6)
    together = generator.sample(**settings)
    assert encoded == [4]
    encoded.clear()
    assert generator.sample(**settings, batch_size=20) == together
    assert encoded == [2, 2]


def test_a_batch_that_memory_does_not_hold_is_halved(checkpoint, texts, monkeypatch):
    tried, encode = [], T5Inference.encode

    def small_memory(self: T5Inference, inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        tried.append(len(inputs))
        if len(inputs) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode(self, inputs, mask)

    generator = Generator(checkpoint)
    expected = generator.sample(texts, [1, 2, 3, 4], max_new_tokens=6)
    monkeypatch.setattr(T5Inference, "encode", small_memory)
    assert generator.sample(texts, [1, 2, 3, 4], max_new_tokens=6) == expected
    assert tried == [4, 2, 1, 1, 1, 1]
    monkeypatch.setattr(T5Inference, "encode", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("no memory")))
    with pytest.raises(torch.OutOfMemoryError):
        generator.sample(texts, [1, 2, 3, 4], max_new_tokens=6)
