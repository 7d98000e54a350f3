"""AToM's own file of a tuned model, and the way between it and a LoRA adapter in peft's format.

AToM saves the whole PEFT model as a bare state dict: every weight of the base, and a few megabytes of LoRA.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, TaskType
from peft import __version__ as peft_version
from safetensors.torch import save_file
from torch import Tensor

from atom.atomic_write import write_atomically
from atom.errors import AtomError
from atom.generation.adapter import CARD, CONFIG, WEIGHTS, load_adapter
from atom.generation.checkpoint import load_checkpoint
from atom.generation.conversion import new_folder, sha256_of
from atom.generation.weights import check_whole, differences, listed, read_tensors

PREFIX = "base_model.model."
_LORA = re.compile(r"(?P<module>.+)\.lora_(?P<half>[AB])\.(?:(?P<name>[^.]+)\.)?weight")


@dataclass(frozen=True)
class Lora:
    """Size of a LoRA adapter. `modules` are the names of the layers that it changes; `alpha` is None where the file
    does not tell it; `faults` are layers with one half of LoRA only, or of another rank."""

    rank: int
    alpha: float | None
    modules: tuple[str, ...]
    faults: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The last names of the layers, such as q and v."""
        return tuple(sorted({module.rpartition(".")[2] for module in self.modules}))

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor], alpha: float | None = None) -> Lora:
        """The size of a state dict's LoRA tensors, other tensors aside; AtomError if there are none."""
        halves: dict[str, dict[str, Tensor]] = {}
        for key, value in state.items():
            if (found := _LORA.fullmatch(key)) and value.ndim == 2:
                halves.setdefault(found["module"].removeprefix(PREFIX), {})[found["half"]] = value
        if not halves:
            raise AtomError("there is no LoRA in it: matrices lora_A and lora_B are needed")
        rank = next(len(half["A"]) if "A" in half else half["B"].shape[1] for half in halves.values())
        faults = []
        for module, half in halves.items():
            faults += [f"missing {module}.lora_{letter}" for letter in "AB" if letter not in half]
            for letter, axis in (("A", 0), ("B", 1)):
                if letter in half and half[letter].shape[axis] != rank:
                    faults.append(f"{module}.lora_{letter} is {tuple(half[letter].shape)}, of another rank than {rank}")
        return cls(rank, alpha, tuple(sorted(halves)), tuple(faults))


@dataclass(frozen=True)
class Policy:
    """AToM's file taken apart: the base's tensors under the base's names, the adapter's under those of peft's files,
    and names of what is neither."""

    base: dict[str, Tensor]
    adapter: dict[str, Tensor]
    strange: list[str]

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor]) -> Policy:
        base, adapter, strange = {}, {}, []
        for key, value in state.items():
            if (found := _LORA.fullmatch(key)) and found["name"] == "default":
                adapter[f"{found['module']}.lora_{found['half']}.weight"] = value
            elif key.startswith(PREFIX) and not found and "lora_" not in key:
                base[key.removeprefix(PREFIX).replace(".base_layer.", ".")] = value
            else:
                strange.append(key)
        return cls(base, adapter, strange)


def convert_policy(path: Path, folder: Path, base: str, alpha: float | None = None) -> list[str]:
    """Writes the LoRA of AToM's file as a peft adapter folder and tells what a user should know of it.

    `base` is the checkpoint that was tuned; the file's own copy of it must equal the checkpoint's language model, or
    AtomError names the tensors that differ. `alpha` is not in the file; the default is twice the rank, as AToM has it.
    """
    check_whole(path)
    policy = Policy.of_state(read_tensors(path))
    if not policy.adapter or policy.strange:
        strange = f"unknown keys {', '.join(policy.strange[:5])}" if policy.strange else "no LoRA in it"
        raise AtomError(f"{path} is no tuned model of AToM: {strange}; see `atom checkpoint inspect {path}`")
    lora = Lora.of_state(policy.adapter, alpha)
    if lora.faults:
        raise AtomError(f"{path}: {listed(list(lora.faults))}")
    language_model = load_checkpoint(base).language_model
    own = language_model.state_dict()
    notes = [_same_base(policy.base, own, str(path), base)]
    if alpha is None:
        alpha = 2 * lora.rank
        notes.append(f"alpha is not in the file: took {alpha}, twice the rank, as AToM does; --alpha gives another")
    settings = LoraConfig(
        task_type=TaskType.SEQ_2_SEQ_LM,
        r=lora.rank,
        lora_alpha=alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=_target_modules(lora, own),
        inference_mode=True,
        base_model_name_or_path=base_name(base),
    ).to_dict()
    with new_folder(folder) as place:
        _write_adapter(place, policy.adapter, settings | {"peft_version": peft_version}, sha256_of(path))
        load_adapter(language_model, place)  # refuses whatever does not fit
    return notes


def export_policy(adapter: Path, output: Path, base: str) -> int:
    """Writes base and adapter as AToM's file, for its own scripts to load strictly; returns the number of tensors.

    A tensor written otherwise than it is raises AtomError.
    """
    tuned = load_adapter(load_checkpoint(base).language_model, adapter)
    state = tuned.state_dict()
    try:
        write_atomically(output, lambda path: torch.save(state, path))
    except (OSError, RuntimeError) as error:
        raise AtomError(f"can't write {output}: {' '.join(str(error).split())[:200]}") from error
    written = read_tensors(output)
    if wrong := [key for key in state.keys() | written.keys() if not torch.equal(written[key], state[key])]:
        raise AtomError(f"{output} was not written as it should be: {listed(wrong)}; check the disk, and try again")
    return len(state)


def _same_base(theirs: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str, base: str) -> str:
    """A note on how the file's base equals the checkpoint's; AtomError with the tensors that differ."""
    wrong, rounded = differences(theirs, own), 0
    for name in theirs.keys() & own.keys():
        value = theirs[name].float()
        if value.shape != own[name].shape or torch.equal(value, own[name]):
            continue
        if torch.equal(value.half().float(), own[name]):
            rounded += 1
        else:
            wrong.append(f"{name} differs by up to {(value - own[name]).abs().max():.2g}")
    if wrong:
        raise AtomError(f"the base in {path} is not that of {base}: {listed(wrong)}; give the right one with --base")
    if rounded:
        return f"its base equals {base} up to the rounding to float16, in which that is stored"
    return f"its base equals {base}, tensor by tensor"


def _target_modules(lora: Lora, own: Mapping[str, Tensor]) -> list[str]:
    """The last names of the layers where they tell the layers apart from all others, else the whole names."""
    same_named = {key.removesuffix(".weight") for key in own if key.split(".")[-2] in lora.targets}
    return list(lora.targets) if same_named == set(lora.modules) else list(lora.modules)


def _write_adapter(folder: Path, weights: Mapping[str, Tensor], settings: dict[str, Any], digest: str) -> None:
    kept = {name: value.float().contiguous() for name, value in weights.items()}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    card = (
        f"---\nlibrary_name: peft\nbase_model: {settings['base_model_name_or_path']}\n"
        f"tags: [lora, text-to-motion]\n---\nLoRA of rank {settings['r']}, taken out of a model that AToM tuned "
        f"(sha256 {digest}).\n"
    )
    (folder / CARD).write_text(card)
    text = json.dumps(settings, indent=2, sort_keys=True, default=sorted)  # only the sets need a default
    (folder / CONFIG).write_text(text + "\n")


def base_name(base: str) -> str:
    """What a checkpoint is called; never its place."""
    return Path(base).resolve().name if base != "builtin" else base
