"""The three networks of Guo et al. 2022 (Generating Diverse and Natural 3D Human Motions from Text), in any size.

A movement encoder makes one vector of every 4 frames, a motion encoder one of all movements, and a text encoder one of
a caption. Texts and motions that belong together are near each other. Attribute names follow the authors' repository
(text-to-motion), so that its weights load under their own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from atom.errors import AtomError
from atom.fast_linear import make_linear_map
from atom.motion.features import CONTACTS

FRAMES_PER_MOVEMENT = 4
INPUT_FEATURES = CONTACTS.start  # columns of the features that the networks read: all but the contacts
SLOPE = 0.2  # of the leaky ReLUs


class MovementEncoder(nn.Module):
    """Frames (B, T, input_size), normalised and without foot contacts -> movements (B, T // 4, output_size).

    The last movement of a clip reads up to 4 frames beyond it, so that a clip padded with zeros differs slightly from a
    clip that ends.
    """

    def __init__(self, input_size: int = 259, hidden_size: int = 512, output_size: int = 512) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv1d(input_size, hidden_size, 4, stride=2, padding=1),
            nn.Dropout(0.2),
            nn.LeakyReLU(SLOPE),
            nn.Conv1d(hidden_size, output_size, 4, stride=2, padding=1),
            nn.Dropout(0.2),
            nn.LeakyReLU(SLOPE),
        )
        self.out_net = nn.Linear(output_size, output_size)
        self.input_size, self.output_size = input_size, output_size

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Make an encoder of the size of a state dict; its weights are not loaded."""
        hidden_size, input_size, _ = _shape(state, "main.0.weight", 3)
        output_size, *_ = _shape(state, "main.3.weight", 3)
        return cls(input_size, hidden_size, output_size)

    def forward(self, frames: Tensor) -> Tensor:
        return self.out_net(self.main(frames.transpose(1, 2)).transpose(1, 2))


class RecurrentEncoder(nn.Module):
    """Sequences (B, n, input_size) of which the first `lengths` (B,) steps count -> (B, output_size).

    A packed encoder stops each sequence at its own length, in both directions. Any other reads the padding too, so that
    a result depends on the padding of its batch. Lengths are 1 or more, in any order.
    """

    def __init__(self, input_size: int, hidden_size: int, output_size: int, *, packed: bool = True) -> None:
        super().__init__()
        self.input_emb = nn.Linear(input_size, hidden_size)
        self.gru = nn.GRU(hidden_size, hidden_size, batch_first=True, bidirectional=True)
        self.output_net = nn.Sequential(
            nn.Linear(2 * hidden_size, hidden_size),
            nn.LayerNorm(hidden_size),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden_size, output_size),
        )
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden_size))
        self.input_size, self.output_size, self.packed = input_size, output_size, packed

    def forward(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        lengths = lengths.to(sequences.device)
        if not self.packed:
            lengths = torch.full_like(lengths, sequences.shape[1])
        steps = self.input_emb(sequences)
        if torch.is_grad_enabled():
            packed = pack_padded_sequence(steps, lengths.cpu(), batch_first=True, enforce_sorted=False)
            _, (forward, backward) = self.gru(packed, self.hidden.repeat(1, len(sequences), 1))
            return self.output_net(torch.cat([forward, backward], dim=-1))
        order = lengths.argsort(descending=True, stable=True)
        last = torch.empty(len(order), 2 * self.gru.hidden_size, device=sequences.device)
        steps, lengths = steps[order].transpose(0, 1), lengths[order]
        last[order] = torch.cat([self._last_state(steps, lengths, direction) for direction in (0, 1)], dim=1)
        return self.output_net(last)

    def _last_state(self, steps: Tensor, lengths: Tensor, direction: int) -> Tensor:
        """The state (B, H) of the GRU after the last step of sequences (n, B, ...), the longest first.

        Direction 1 reads backwards, so that its last step is the first. This works without gradients only: torch's own
        GRU has them, but its matrix products run at half the speed.
        """
        size, suffix = self.gru.hidden_size, ("l0", "l0_reverse")[direction]
        map_input, map_state = (
            make_linear_map(
                getattr(self.gru, f"weight_{part}_{suffix}"), getattr(self.gru, f"bias_{part}_{suffix}"), reorder
            )
            for part, reorder in (("ih", False), ("hh", True))
        )
        inputs = map_input(steps.flatten(0, 1)).unflatten(0, steps.shape[:2])  # reset, update, new: (n, B, 3 H)
        # The longest sequences come first, so that those still running at a step are always the first rows.
        num_running = (lengths > torch.arange(len(steps), device=lengths.device)[:, None]).sum(1).tolist()
        state = self.hidden[direction].repeat(steps.shape[1], 1)
        for step in range(len(steps)) if direction == 0 else reversed(range(len(steps))):
            if rows := num_running[step]:
                from_input, from_state = inputs[step, :rows], map_state(state[:rows])
                reset, update = (from_input[:, : 2 * size] + from_state[:, : 2 * size]).sigmoid().chunk(2, dim=1)
                new = (from_input[:, 2 * size :] + reset * from_state[:, 2 * size :]).tanh()
                state[:rows] = new.lerp(state[:rows], update)
        return state

    def merge_embedding(self) -> None:
        """Merge the embedding into the input layer of the GRU, as both are linear.

        The result is the same with a quarter less work, but the state dict no longer fits that of a file.
        """
        state = self.gru.state_dict()
        for direction in ("l0", "l0_reverse"):
            weight = state[f"weight_ih_{direction}"].double()
            state[f"weight_ih_{direction}"] = weight @ self.input_emb.weight.double()
            state[f"bias_ih_{direction}"] = weight @ self.input_emb.bias.double() + state[f"bias_ih_{direction}"]
        self.gru = nn.GRU(self.input_size, self.gru.hidden_size, batch_first=True, bidirectional=True)
        self.gru.load_state_dict(state)
        self.input_emb = nn.Identity()


class MotionEncoder(RecurrentEncoder):
    """Movements (B, n, input_size), of which the first `lengths` (B,) count -> (B, output_size).

    Guo's encoder is `packed`; the copies of it in MotionGPT, InstructMotion and AToM are not.
    """

    def __init__(
        self, input_size: int = 512, hidden_size: int = 1024, output_size: int = 512, *, packed: bool = True
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, packed=packed)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], *, packed: bool = True) -> Self:
        """Make an encoder of the size of a state dict; its weights are not loaded.

        Args:
            state: the state dict.
            packed: whether the encoder stops each sequence at its own length.
        """
        hidden_size, input_size = _shape(state, "input_emb.weight", 2)
        output_size, _ = _shape(state, "output_net.3.weight", 2)
        return cls(input_size, hidden_size, output_size, packed=packed)


class TextEncoder(RecurrentEncoder):
    """Word vectors (B, n, word_size) and their parts of speech, one-hot (B, n, pos_size) -> (B, output_size).

    Packed in every copy.
    """

    def __init__(
        self, word_size: int = 300, pos_size: int = 15, hidden_size: int = 512, output_size: int = 512
    ) -> None:
        super().__init__(word_size, hidden_size, output_size)
        self.pos_emb = nn.Linear(pos_size, word_size)
        self.pos_size = pos_size

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor]) -> Self:
        """Make an encoder of the size of a state dict; its weights are not loaded."""
        word_size, pos_size = _shape(state, "pos_emb.weight", 2)
        hidden_size, _ = _shape(state, "input_emb.weight", 2)
        output_size, _ = _shape(state, "output_net.3.weight", 2)
        return cls(word_size, pos_size, hidden_size, output_size)

    def forward(self, words: Tensor, parts_of_speech: Tensor, lengths: Tensor) -> Tensor:
        return super().forward(words + self.pos_emb(parts_of_speech), lengths)


def _shape(state: Mapping[str, Tensor], key: str, dims: int) -> torch.Size:
    if key not in state or state[key].ndim != dims:
        found = f"is {tuple(state[key].shape)}" if key in state else "is missing"
        raise AtomError(f"{key!r} {found}: it must have {dims} dimensions, which give the size of this network")
    return state[key].shape
