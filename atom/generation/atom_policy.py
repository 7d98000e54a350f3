"""AToM's own file of a tuned model (policy), converted to a LoRA adapter in peft's format and back.

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
from atom.generation.adapter_loading import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, load_adapter
from atom.generation.checkpoint import load_checkpoint
from atom.generation.motiongpt_conversion import create_folder, hash_file
from atom.generation.weights import check_integrity, find_mismatches, read_tensors, summarize

PREFIX = "base_model.model."
_LORA = re.compile(r"(?P<module>.+)\.lora_(?P<half>[AB])\.(?:(?P<name>[^.]+)\.)?weight")


@dataclass(frozen=True)
class LoraShape:
    """Sizes of a LoRA adapter.

    `modules` are the names of the adapted layers; `alpha` is None if the file does not hold it; `faults` names layers
    that lack one of the two matrices or have another rank.
    """

    rank: int
    alpha: float | None
    modules: tuple[str, ...]
    faults: tuple[str, ...] = ()

    @property
    def target_modules(self) -> tuple[str, ...]:
        """The last parts of the layers' names, such as q and v."""
        return tuple(sorted({module.rpartition(".")[2] for module in self.modules}))

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], alpha: float | None = None) -> LoraShape:
        """Reads the sizes off the LoRA tensors of a state dict.

        Args:
            state: tensors by name; others than LoRA's are ignored.
            alpha: the adapter's alpha, which its tensors do not tell.

        Returns:
            The sizes.

        Raises:
            AtomError: if there are no LoRA tensors.
        """
        halves: dict[str, dict[str, Tensor]] = {}
        for key, value in state.items():
            if (found := _LORA.fullmatch(key)) and value.ndim == 2:
                halves.setdefault(found["module"].removeprefix(PREFIX), {})[found["half"]] = value
        if not halves:
            raise AtomError("it holds no LoRA: matrices lora_A and lora_B are needed")
        rank = next(len(half["A"]) if "A" in half else half["B"].shape[1] for half in halves.values())
        faults = []
        for module, half in halves.items():
            faults += [f"missing {module}.lora_{letter}" for letter in "AB" if letter not in half]
            for letter, axis in (("A", 0), ("B", 1)):
                if letter in half and half[letter].shape[axis] != rank:
                    faults.append(f"{module}.lora_{letter} is {tuple(half[letter].shape)}, of another rank than {rank}")
        return cls(rank, alpha, tuple(sorted(halves)), tuple(faults))


@dataclass(frozen=True)
class AtomPolicy:
    """The tensors in AToM's file: the base's under the base's names, the adapter's under their names in peft's files.

    `unknown` names the tensors that belong to neither.
    """

    base: dict[str, Tensor]
    adapter: dict[str, Tensor]
    unknown: list[str]

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> AtomPolicy:
        base, adapter, unknown = {}, {}, []
        for key, value in state.items():
            if (found := _LORA.fullmatch(key)) and found["name"] == "default":
                adapter[f"{found['module']}.lora_{found['half']}.weight"] = value
            elif key.startswith(PREFIX) and not found and "lora_" not in key:
                base[key.removeprefix(PREFIX).replace(".base_layer.", ".")] = value  # peft inserts base_layer
            else:
                unknown.append(key)
        return cls(base, adapter, unknown)


def convert_policy(path: Path, folder: Path, base: str, alpha: float | None = None) -> list[str]:
    """Writes the LoRA in AToM's file as a peft adapter folder.

    Args:
        path: AToM's file.
        folder: the adapter folder to create.
        base: the checkpoint that was tuned. The file's own copy of it must equal the checkpoint's language model.
        alpha: LoRA's alpha, which is not in the file; by default twice the rank, as AToM has it.

    Returns:
        Notes for the user: how the two bases compare, and which alpha is assumed.

    Raises:
        AtomError: for a file that is no tuned model of AToM, with the tensors in which the bases differ, or if the
            folder is already there.
    """
    check_integrity(path)
    policy = AtomPolicy.from_state_dict(read_tensors(path))
    if not policy.adapter or policy.unknown:
        reason = f"unknown keys {', '.join(policy.unknown[:5])}" if policy.unknown else "no LoRA in it"
        raise AtomError(f"{path} is no tuned model of AToM: {reason}; see `atom checkpoint inspect {path}`")
    lora = LoraShape.from_state_dict(policy.adapter, alpha)
    if lora.faults:
        raise AtomError(f"{path}: {summarize(list(lora.faults))}")
    language_model = load_checkpoint(base).language_model
    base_state = language_model.state_dict()
    notes = [_compare_bases(policy.base, base_state, str(path), base)]
    if alpha is None:
        alpha = 2 * lora.rank
        notes.append(
            f"alpha is not in the file: {alpha} is assumed, twice the rank, as AToM has it; --alpha sets another"
        )
    settings = LoraConfig(
        task_type=TaskType.SEQ_2_SEQ_LM,
        r=lora.rank,
        lora_alpha=alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=_target_modules(lora, base_state),
        inference_mode=True,
        base_model_name_or_path=get_checkpoint_name(base),
    ).to_dict()
    with create_folder(folder) as temporary:
        _write_adapter(temporary, policy.adapter, settings | {"peft_version": peft_version}, hash_file(path))
        load_adapter(language_model, temporary)  # raises AtomError if a tensor does not fit
    return notes


def export_policy(adapter: Path, output: Path, base: str) -> int:
    """Writes base and adapter as AToM's file, which AToM's own scripts load with strict=True.

    Args:
        adapter: the adapter's folder.
        output: the .pt file to write.
        base: the checkpoint that was tuned.

    Returns:
        The number of tensors written.

    Raises:
        AtomError: if the file can't be written, or does not read back as it was written.
    """
    tuned = load_adapter(load_checkpoint(base).language_model, adapter)
    state = tuned.state_dict()
    try:
        write_atomically(output, lambda path: torch.save(state, path))
    except (OSError, RuntimeError) as error:
        raise AtomError(f"can't write {output}: {' '.join(str(error).split())[:200]}") from error
    written = read_tensors(output)
    if wrong := [key for key in state.keys() | written.keys() if not torch.equal(written[key], state[key])]:
        raise AtomError(
            f"{output} does not read back as it was written: {summarize(wrong)}; check the disk, and try again"
        )
    return len(state)


def _compare_bases(in_file: Mapping[str, Tensor], in_checkpoint: Mapping[str, Tensor], path: str, base: str) -> str:
    """A note on how the file's base equals the checkpoint's. AtomError with the tensors that differ."""
    wrong, rounded = find_mismatches(in_file, in_checkpoint), 0
    for name in in_file.keys() & in_checkpoint.keys():
        value, expected = in_file[name].float(), in_checkpoint[name]
        if value.shape != expected.shape or torch.equal(value, expected):
            continue
        if torch.equal(value.half().float(), expected):  # the checkpoint may be stored in float16
            rounded += 1
        else:
            wrong.append(f"{name} differs by up to {(value - expected).abs().max():.2g}")
    if wrong:
        raise AtomError(f"the base in {path} is not that of {base}: {summarize(wrong)}; give the right one with --base")
    if rounded:
        return f"its base equals {base} up to rounding to float16, in which {base} is stored"
    return f"its base equals {base}, tensor by tensor"


def _target_modules(lora: LoraShape, base_state: Mapping[str, Tensor]) -> list[str]:
    """The last parts of the layers' names if no other layer of the base shares them, else the whole names."""
    same_named = {key.removesuffix(".weight") for key in base_state if key.split(".")[-2] in lora.target_modules}
    return list(lora.target_modules) if same_named == set(lora.modules) else list(lora.modules)


def _write_adapter(folder: Path, weights: Mapping[str, Tensor], settings: dict[str, Any], digest: str) -> None:
    tensors = {name: value.float().contiguous() for name, value in weights.items()}
    write_atomically(folder / WEIGHTS_FILE, lambda path: save_file(tensors, path, metadata={"format": "pt"}))
    card = (
        f"---\nlibrary_name: peft\nbase_model: {settings['base_model_name_or_path']}\n"
        f"tags: [lora, text-to-motion]\n---\nLoRA of rank {settings['r']}, taken out of a model that AToM tuned "
        f"(sha256 {digest}).\n"
    )
    (folder / CARD_FILE).write_text(card)
    text = json.dumps(settings, indent=2, sort_keys=True, default=sorted)  # peft's config holds sets, which JSON can't
    (folder / CONFIG_FILE).write_text(text + "\n")


def get_checkpoint_name(base: str) -> str:
    """The name of a checkpoint, without the path to it."""
    return Path(base).resolve().name if base != "builtin" else base
