#!/usr/bin/env bash
# trl 1.16.0, transformers 5.24.0: DPOTrainer takes an encoder-decoder (T5) without a word, tokenises the pairs, and
# fails only in its first step, with a message about inputs. And with a tokenizer that ends every text itself, as
# T5's and those of text-to-motion models on T5 do, it adds a second end token to each answer, so that a model which
# it can train learns to end twice.
# Seen: "ends of a chosen answer: ['</s>', '</s>']", "built: T5ForConditionalGeneration", "first step: ValueError".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.24.0 trl==1.16.0
cat >"$folder/show.py" <<'PYTHON'
import tempfile

import transformers
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

words = ["<pad>", "</s>", "<unk>", "a", "person", "jumps", "m1", "m2"]
backend = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
backend.pre_tokenizer = pre_tokenizers.Whitespace()
backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
)
config = T5Config(
    vocab_size=8, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0, eos_token_id=1
)
folder = tempfile.mkdtemp()
T5ForConditionalGeneration(config).save_pretrained(folder)
tokenizer.save_pretrained(folder)
rows = [{"prompt": "a person jumps", "chosen": "m1 m2", "rejected": "m2"}] * 4
settings = trl.DPOConfig(output_dir=folder, report_to="none", max_steps=1, use_cpu=True, bf16=False)
model = T5ForConditionalGeneration.from_pretrained(folder)
trainer = trl.DPOTrainer(model, args=settings, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
ends = tokenizer.convert_ids_to_tokens(trainer.train_dataset[0]["chosen_ids"])[-2:]
print("trl", trl.__version__, "transformers", transformers.__version__)
print("ends of a chosen answer:", ends)
print("built:", type(trainer.model).__name__)
try:
    trainer.train()
    failed = ""
except ValueError as error:
    failed = type(error).__name__
print("first step:", failed or "went through")
raise SystemExit(0 if ends == ["</s>", "</s>"] and failed == "ValueError" else 1)
PYTHON
"$folder/venv/bin/python" "$folder/show.py" 2>/dev/null
