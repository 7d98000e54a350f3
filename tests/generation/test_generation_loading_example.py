"""The lines in an adapter's card, run with peft and transformers alone, give the model that this package loads."""

import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from atom.config import TuningConfig
from atom.generation.checkpoint import BUILTIN
from atom.generation.generator import Generator
from atom.tuning.adapter import add_adapter, save_adapter

IDS, ANSWER = [[5, 60, 7, 1]], [[0, 200, 300]]


@pytest.mark.slow
def test_the_lines_of_the_card_give_the_same_logits(tmp_path):
    adapter = tmp_path / "adapter"
    model = add_adapter(Generator.load("builtin").language_model, TuningConfig(r=4, lora_alpha=8), seed=0)
    with torch.no_grad():  # a fresh adapter changes nothing
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(std=0.02, generator=torch.Generator().manual_seed(len(name)))
    save_adapter(model, adapter, "builtin", "A test.", {})
    (code,) = re.findall(r"```python\n(.*?)```", (adapter / "README.md").read_text(), re.DOTALL)
    code = (
        f"import sys\nsys.modules['atom'] = None\nBASE, ADAPTER = {str(BUILTIN)!r}, {str(adapter)!r}\n{code}"
        f"logits = model(input_ids=torch.tensor({IDS}), decoder_input_ids=torch.tensor({ANSWER})).logits\n"
        f"from safetensors.torch import save_file\nsave_file({{'logits': logits.detach()}}, {str(tmp_path / 'x')!r})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    with torch.no_grad():
        expected = model.eval()(input_ids=torch.tensor(IDS), decoder_input_ids=torch.tensor(ANSWER)).logits
    assert torch.allclose(load_file(tmp_path / "x")["logits"], expected, atol=1e-4)
    assert (adapter / "adapter_model.safetensors").stat().st_mode == (adapter / "README.md").stat().st_mode
