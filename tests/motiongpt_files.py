"""A tiny MotionGPT checkpoint in the original layout, with every file that reading it needs."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import Unigram
from torch.nn import functional

from atom.generation.checkpoint import load_checkpoint
from atom.generation.language_model import T5Shape, build_language_model
from atom.generation.vqvae import VQVAE, VQVAEConfig

CODES = 16
SENTENCE = "Generate motion: a person the man jumps twice then waves bows walks forward"
WORDS = tuple(SENTENCE.split())
VQVAE_SIZES = VQVAEConfig(codes=CODES, code_dim=12, width=8, depth=2)
EXTRA = 4
TOKENS = 3 + len(WORDS) + 1 + 26 + EXTRA
T5 = T5Shape(
    TOKENS + CODES + 3, d_model=32, d_ff=48, d_kv=8, heads=4, layers=2, decoder_layers=2, buckets=32, gated=True
)


class Files(NamedTuple):
    checkpoint: Path
    t5: Path
    mean: Path
    std: Path


def write_tiny(folder: Path, seed: int = 0) -> Files:
    files = Files(folder / "motiongpt.tar", folder / "t5", folder / "mean.npy", folder / "std.npy")
    folder.mkdir(exist_ok=True)
    write_t5(files.t5)
    rng = np.random.default_rng(seed)
    np.save(files.mean, rng.normal(size=263).astype(np.float32))
    np.save(files.std, rng.uniform(0.1, 0.3, 263).astype(np.float32))
    torch.save({"state_dict": tiny_state(seed)}, files.checkpoint)
    return files


def tiny_state(seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    vqvae, model = VQVAE(VQVAE_SIZES), build_language_model(T5.config())
    vqvae.quantizer.codebook.normal_()
    with torch.no_grad():  # makes a motion start right after the decoder's start token, which is padding
        model.lm_head.weight.mul_(12)
        model.shared.weight[0] *= 5
        model.lm_head.weight[TOKENS + CODES] = 10 * functional.normalize(model.shared.weight[0], dim=0)
    state = {f"vae.{key}": value for key, value in vqvae.state_dict().items()}
    state |= {f"lm.language_model.{key}": value.clone() for key, value in model.state_dict().items()}
    state |= {"metrics.TM2TMetrics.count": torch.zeros(()), "metrics.encoder.weight": torch.zeros(2, 3)}
    return state | {"_losses.losses_train.total": torch.zeros(())}


def write_t5(folder: Path, extra: int = EXTRA) -> None:
    folder.mkdir(exist_ok=True)
    special, sentinels = ["<pad>", "</s>", "<unk>"], [f"<extra_id_{i}>" for i in range(extra)]
    letters = [(letter, -12.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    pieces = [(name, 0.0) for name in special] + [("▁" + word, -8.0) for word in WORDS] + [("▁", -4.0)] + letters
    tokenizer = Tokenizer(Unigram(pieces + [(name, 0.0) for name in sentinels[::-1]], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(special + sentinels)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": extra, "additional_special_tokens": sentinels}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = {
        "model_type": "t5",
        "vocab_size": TOKENS + 28,
        "d_model": 32,
        "d_ff": 48,
        "d_kv": 8,
        "num_heads": 4,
        "num_layers": 2,
        "num_decoder_layers": 2,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
        "is_encoder_decoder": True,
    }
    (folder / "config.json").write_text(json.dumps(config))


def build_policy(base: str, target_modules: list[str] | str, rank: int = 2) -> torch.nn.Module:
    """The checkpoint's language model with a random LoRA, alpha twice the rank; its state dict is AToM's file."""
    torch.manual_seed(5)
    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=target_modules, init_lora_weights=False)
    return get_peft_model(load_checkpoint(base).language_model, settings).eval()
