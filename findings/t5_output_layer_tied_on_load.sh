#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0: a T5 config that says tie_word_embeddings=False still gives a model whose output
# layer IS its embedding, and load_state_dict of a checkpoint in which the two differ fills both with one of them,
# reports no missing and no unexpected key, and raises nothing. Text-to-motion models on T5 (MotionGPT) have different
# matrices there, so the loaded model answers with noise.
# Seen: "config says tied: True", "one tensor: True", "lm_head kept: True", "embedding kept: False".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0
cat >"$folder/show.py" <<'PYTHON'
import torch, transformers
from transformers import T5Config, T5ForConditionalGeneration

config = T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2, tie_word_embeddings=False)
model = T5ForConditionalGeneration(config)
state = {name: value.clone() for name, value in model.state_dict().items()}
state["lm_head.weight"] = torch.randn(20, 8)  # as in a checkpoint whose output layer was trained apart
embedding, output = torch.randn(20, 8), state["lm_head.weight"].clone()
for name in ("shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
    state[name] = embedding
keys = model.load_state_dict(state)
print("transformers", transformers.__version__, "torch", torch.__version__)
print("config says tied:", config.tie_word_embeddings)
print("one tensor:", model.lm_head.weight is model.shared.weight)
print("missing or unexpected keys:", len(keys.missing_keys) + len(keys.unexpected_keys))
kept = [torch.equal(model.lm_head.weight, output), torch.equal(model.shared.weight, embedding)]
print("lm_head kept:", kept[0], "embedding kept:", kept[1])
raise SystemExit(0 if model.lm_head.weight is model.shared.weight and sum(kept) == 1 else 1)
PYTHON
"$folder/venv/bin/python" "$folder/show.py" 2>/dev/null
