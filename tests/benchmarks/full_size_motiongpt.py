"""A MotionGPT checkpoint of the true layout and size, with invented weights: to try the way of a real one.

    python tests/benchmarks/full_size_motiongpt.py FOLDER [--seed 0]

writes FOLDER/checkpoint.tar (1 GB), FOLDER/t5 (tokenizer and config), FOLDER/mean.npy and FOLDER/std.npy. The networks
are random, but for their outermost layers, which are set so that the codebook holds 25 clips of the corpus and an
answer runs through one of them, whatever was asked for, and ends after about twenty tokens.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from string import ascii_letters, digits, punctuation
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import Unigram
from torch import Tensor
from torch.nn import functional

from atom.corpus.corpus_shards import make_clip
from atom.generation.language_model import T5Shape, build_language_model
from atom.generation.vqvae import VQVAE
from atom.motion.feature_statistics import measure_statistics
from atom.prompts.lexicon import PHRASINGS

TOKENS, EXTRA, CODES = 32_100, 100, 512
T5 = T5Shape(
    TOKENS + CODES + 3, d_model=768, d_ff=2048, d_kv=64, heads=12, layers=12, decoder_layers=12, buckets=32, gated=True
)
STEP = 25  # clips in the codebook; the code 25 further stands for the next four frames of the same clip
LENGTH = -(-CODES // STEP)  # tokens of a clip
SAID = "Generate motion: a person the man woman someone then and after that once twice two three four five times"


class FullSize(NamedTuple):
    checkpoint: Path
    t5: Path
    mean: Path
    std: Path


def make_full_size(folder: Path, seed: int = 0) -> FullSize:
    """Writes all that `atom checkpoint convert` asks for. The same seed gives the same weights."""
    paths = FullSize(folder / "checkpoint.tar", folder / "t5", folder / "mean.npy", folder / "std.npy")
    folder.mkdir(parents=True, exist_ok=True)
    write_t5(paths.t5)
    clips = corpus_clips(seed)
    statistics = measure_statistics(clips)
    np.save(paths.mean, statistics.mean)
    np.save(paths.std, statistics.std)
    torch.manual_seed(seed)
    frames = torch.from_numpy((np.stack(clips) - statistics.mean) / statistics.std).float()
    state = {f"vae.{key}": value for key, value in vqvae_weights(frames).items()}
    state |= {f"lm.language_model.{key}": value for key, value in language_model_weights().items()}
    state |= {"metrics.TM2TMetrics.count": torch.zeros(()), "_losses.losses_train.total": torch.zeros(())}
    torch.save({"state_dict": state}, paths.checkpoint)
    return paths


def corpus_clips(seed: int) -> list[np.ndarray]:
    """The first 4 * LENGTH frames of `STEP` clips, long enough."""
    rng, clips = np.random.default_rng(seed), []
    while len(clips) < STEP:
        features = make_clip(rng).features
        if len(features) >= 4 * LENGTH:
            clips.append(features[: 4 * LENGTH])
    return clips


@torch.inference_mode()
def vqvae_weights(frames: Tensor) -> dict[str, Tensor]:
    """Random networks that know the clips (STEP, 4 * LENGTH, 263): code STEP * j + i is what the encoder makes of
    token j of clip i, and the decoder's last layer is fitted to give its frames back."""
    model = VQVAE()
    last = model.encoder.model[-1]
    latents = model.encoder(frames.transpose(1, 2))  # (STEP, code_dim, LENGTH)
    spread, middle = latents.std((0, 2)), latents.mean((0, 2))
    last.weight.div_(spread[:, None, None])
    last.bias.sub_(middle).div_(spread)
    latents = (latents - middle[:, None]) / spread[:, None]
    model.quantizer.codebook.copy_(latents.permute(2, 0, 1).flatten(0, 1)[:CODES])

    last = model.decoder.model[-1]
    hidden = model.decoder.model[:-1](latents)  # (STEP, width, 4 * LENGTH)
    windows = functional.unfold(hidden[:, :, None], (1, 3), padding=(0, 1)).transpose(1, 2).flatten(0, 1)
    fitted = ridge(windows.double(), frames.flatten(0, 1).double())
    last.weight.copy_(fitted[:-1].T.reshape(last.weight.shape).float())
    last.bias.copy_(fitted[-1].float())
    return model.state_dict()


def ridge(inputs: Tensor, outputs: Tensor) -> Tensor:
    """Weights (inputs + 1, outputs) of a linear map with a constant, held small."""
    spread = inputs.std(0) + 1e-9
    scaled = torch.cat([inputs / spread, torch.ones(len(inputs), 1, dtype=inputs.dtype)], 1)
    pull = 1e-3 * len(inputs) * torch.eye(scaled.shape[1], dtype=inputs.dtype)
    weights = torch.linalg.solve(scaled.T @ scaled + pull, scaled.T @ outputs)
    return torch.cat([weights[:-1] / spread[:, None], weights[-1:]])


@torch.inference_mode()
def language_model_weights() -> dict[str, Tensor]:
    """A random T5 whose embedding and output layer lay the codes on a line: the likeliest code stands `STEP` further
    than the last one, and the end token past the last code."""
    model = build_language_model(T5.config())
    first = TOKENS  # <motion_id_0>; start, end and mask follow the codes
    start, end, mask = first + CODES, first + CODES + 1, first + CODES + 2
    frequencies = torch.randn(T5.d_model // 2) / 40

    def place(codes: Tensor) -> Tensor:
        """(n,) places on the line -> (n, d_model) unit vectors, alike where the places are less than 40 apart."""
        angles = codes[:, None] * frequencies
        return torch.cat([angles.cos(), angles.sin()], 1) / (T5.d_model / 2) ** 0.5

    line = torch.arange(CODES, dtype=torch.float32)
    embedding, head = model.shared.weight, model.lm_head.weight
    scale = 5 * T5.d_model**0.5  # well above what the random layers add
    embedding[first:start] = scale * place(line)
    embedding[start] = scale * place(torch.zeros(1))[0]
    embedding[0] *= 5  # padding, the decoder's first token
    head[first:start] = 0.35 * place(line - STEP)
    head[end] = 0.55 * place(torch.tensor([CODES - STEP]).float())[0]
    head[start] = functional.normalize(embedding[0], dim=0)
    head[mask] = 0
    return model.state_dict()


def write_t5(folder: Path) -> None:
    """A Unigram tokenizer of T5's size and layout, and flan-t5-base's config: <pad> 0, </s> 1, <unk> 2, words, ...,
    <extra_id_99> to <extra_id_0>."""
    said = " ".join(text for phrasings in PHRASINGS.values() for p in phrasings for text in (p.once, p.often)).split()
    words = dict.fromkeys(word.strip(".,{}") for word in [*SAID.split(), *said, "left", "right"])
    pieces = [("▁" + word, -8.0) for word in words if word] + [("▁", -4.0)]
    pieces += [(character, -12.0) for character in ascii_letters + digits + punctuation]
    filler = ("".join(letters) for letters in product("qxzjkvwy", repeat=6))
    pieces += [(next(filler), -20.0) for _ in range(TOKENS - EXTRA - 3 - len(pieces))]
    special = ["<pad>", "</s>", "<unk>"]
    extra = [f"<extra_id_{i}>" for i in range(EXTRA)]
    tokenizer = Tokenizer(
        Unigram([*((name, 0.0) for name in special), *pieces, *((n, 0.0) for n in extra[::-1])], unk_id=2)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens([*special, *extra])
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "T5Tokenizer",
        "extra_ids": EXTRA,
        "additional_special_tokens": extra,
        "model_max_length": 512,
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    config = {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "vocab_size": 32_128,
        "d_model": T5.d_model,
        "d_ff": T5.d_ff,
        "d_kv": T5.d_kv,
        "num_heads": T5.heads,
        "num_layers": T5.layers,
        "num_decoder_layers": T5.decoder_layers,
        "relative_attention_num_buckets": T5.buckets,
        "relative_attention_max_distance": 128,
        "dropout_rate": 0.1,
        "layer_norm_epsilon": 1e-6,
        "use_cache": True,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "is_encoder_decoder": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for path in make_full_size(arguments.folder, arguments.seed):
        print(path)
