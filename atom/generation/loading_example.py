"""How to put an adapter on its base with peft and transformers alone, as the cards of adapters show it."""

from __future__ import annotations

# transformers 5.23 ties the output layer of every T5 to its embedding, whatever the config says, and loads the weights
# of one over the other without a word: motions are then noise. A layer of its own keeps the two apart.
LOADING_EXAMPLE = """import json, torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import T5Config, T5ForConditionalGeneration

config = T5Config(**json.load(open(f"{BASE}/config.json"))["language_model"])
model = T5ForConditionalGeneration(config)
model.lm_head = torch.nn.Linear(config.d_model, config.vocab_size, bias=False)  # transformers ties it to the embedding
model.load_state_dict(load_file(f"{BASE}/language_model.safetensors"), strict=False)
model = PeftModel.from_pretrained(model, ADAPTER).eval()
"""

LOADING_TEXT = (
    "With peft and transformers alone, where BASE is the folder of the base checkpoint and ADAPTER that of the adapter "
    "(the line that replaces `lm_head` is needed: transformers ties it to the embedding, and the output is noise):"
)
