"""A small checkpoint folder with random weights, and LoRA adapters that change its answers."""

from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, TaskType, get_peft_model

from atom.generation.checkpoint import Checkpoint, hash_weights, load_checkpoint, save_checkpoint
from atom.generation.language_model import build_language_model, make_t5_config
from atom.generation.tokenizer import MotionVocabulary, build_word_tokenizer
from atom.generation.vqvae import VQVAE, VQVAEConfig
from atom.tuning.adapter import save_adapter

TEXTS = ["a person jumps twice", "someone waves, then walks ahead", "he bows", "a person turns left and sits down"]
CODES = 16


def write_base(folder: Path, seed: int = 0) -> str:
    torch.manual_seed(seed)
    vqvae = VQVAE(VQVAEConfig(codes=CODES, code_dim=8, width=8, depth=1))
    tokenizer = build_word_tokenizer(TEXTS)
    MotionVocabulary.append(tokenizer, CODES)
    config = make_t5_config(len(tokenizer), 32, 48, 2, 2, tokenizer.pad_token_id, tokenizer.eos_token_id)
    model = build_language_model(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(12)  # spreads the logits as wide as those of a trained model
    statistics = np.zeros(263, np.float32), np.ones(263, np.float32)
    save_checkpoint(folder, Checkpoint(vqvae, model, tokenizer, *statistics, template="{}"), half=False)
    return str(folder)


def write_adapter(
    folder: Path,
    base: str,
    *,
    rank: int = 4,
    alpha: int = 8,
    target_modules: str = "q,v",
    seed: int = 0,
    template: str = "{}",
    **kind: object,
) -> Path:
    """`kind`: further settings of peft's LoraConfig, such as use_dora=True."""
    torch.manual_seed(seed)
    config = LoraConfig(
        task_type=TaskType.SEQ_2_SEQ_LM, r=rank, lora_alpha=alpha, target_modules=target_modules.split(","), **kind
    )
    adapted = get_peft_model(load_checkpoint(base).language_model, config)
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.2)
            if "lora_magnitude" in name:
                value.mul_(1.1)
    provenance = {"base_weights": hash_weights(base), "template": template, "seed": seed}
    save_adapter(adapted, folder, "small", "An adapter of random numbers.", provenance)
    return folder
