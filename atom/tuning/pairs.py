"""The training pairs of a tuning, read on demand, so that memory does not limit their number."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
from torch.utils.data import Dataset

from atom.config import Degree
from atom.generation.generator import Generator
from atom.preferences.pairs import Preference

_CODES = pa.list_(pa.int32())
_SCHEMA = pa.schema([("text", pa.string()), ("chosen", _CODES), ("rejected", _CODES), ("degree", pa.string())])


@dataclass(frozen=True)
class TrainingPair:
    """A prompt with a better and a worse motion. Unpaired feedback on one motion has None for the other side.

    Attributes:
        text: the prompt.
        chosen: codes of the better motion.
        rejected: codes of the worse motion.
        degree: of the preference, where it is known.
    """

    text: str
    chosen: tuple[int, ...] | None
    rejected: tuple[int, ...] | None
    degree: Degree | None = None

    @classmethod
    def from_preference(cls, preference: Preference) -> TrainingPair:
        """Takes what training needs from a preference.

        Args:
            preference: one whose motions have codes.

        Returns:
            The pair.
        """
        return cls(preference.text, preference.chosen_tokens, preference.rejected_tokens, preference.degree)


class PairFile(Sequence[TrainingPair]):
    """Training pairs in a memory-mapped Arrow file: only the pairs in use take memory, and processes share it."""

    def __init__(self, path: Path) -> None:
        """Opens a pair file.

        Args:
            path: a file that `PairFile.write` has written.
        """
        with pa.memory_map(str(path)) as source:
            self._table = pa.ipc.open_file(source).read_all()

    @staticmethod
    def write(path: Path, batches: Iterable[Sequence[TrainingPair]]) -> PairFile:
        """Writes a pair file and opens it.

        Args:
            path: the file to write.
            batches: the pairs in batches, one of which is in memory at a time.

        Returns:
            The opened file.
        """
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            for pairs in batches:
                rows = [asdict(pair) for pair in pairs]
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=_SCHEMA))
        return PairFile(path)

    def __len__(self) -> int:
        return self._table.num_rows

    def __getitem__(self, index: int) -> TrainingPair:  # type: ignore[override]
        if not 0 <= index < len(self):
            raise IndexError(index)
        text, chosen, rejected, degree = (column[index].as_py() for column in self._table.columns)
        return TrainingPair(text, *(None if side is None else tuple(side) for side in (chosen, rejected)), degree)


@dataclass(frozen=True)
class TokenizedPair:
    """Token ids of a prompt and its two answers, end tokens included. A missing side of an unpaired motion is empty."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True)
class PairShape:
    """What batching needs to know of a pair: an identifier of the prompt and the tokens of the longer answer."""

    prompt: Hashable
    length: int


class TokenizedPairs(Dataset[TokenizedPair]):
    """Training pairs as token ids, tokenized on access: the prompt in the generator's template, the whole answers."""

    def __init__(self, generator: Generator, pairs: Sequence[TrainingPair]) -> None:
        self._generator, self._pairs = generator, pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> TokenizedPair:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[TokenizedPair]:
        """Several pairs at once: torch's DataLoader calls this to fetch a batch."""
        pairs = [self._pairs[i] for i in indices]
        input_ids, attention_mask = self._generator.encode_prompts([pair.text for pair in pairs])
        # Without padding: how far a prompt is padded depends on the others of its batch, and equal prompts must compare
        # equal.
        prompts = [tuple(ids[mask].tolist()) for ids, mask in zip(input_ids, attention_mask.bool(), strict=True)]
        return [
            TokenizedPair(prompt, self._tokenize_answer(pair.chosen), self._tokenize_answer(pair.rejected))
            for prompt, pair in zip(prompts, pairs, strict=True)
        ]

    def _tokenize_answer(self, codes: Sequence[int] | None) -> tuple[int, ...]:
        if codes is None:
            return ()
        return tuple(self._generator.motions.answer(codes, self._generator.tokenizer.eos_token_id))


def compute_pair_shapes(pairs: Iterable[TrainingPair]) -> list[PairShape]:
    """The shape of each pair, in one pass over them."""
    prompt_ids: dict[str, int] = {}
    return [
        PairShape(
            prompt_ids.setdefault(pair.text, len(prompt_ids)), max(len(pair.chosen or ()), len(pair.rejected or ()))
        )
        for pair in pairs
    ]


def unpair(pairs: Iterable[TrainingPair]) -> list[TrainingPair]:
    """Turns pairs into unpaired feedback, like `unpair_preference_dataset` of TRL, but with each motion only once.

    A motion is chosen if it won more pairs than it lost, rejected if it lost more, and left out if both are equal.
    """
    balances: Counter[tuple[str, tuple[int, ...]]] = Counter()
    for pair in pairs:
        # A motion that is chosen as often as it is rejected is neither good nor bad, and is left out.
        for codes, change in ((pair.chosen, 1), (pair.rejected, -1)):
            if codes is not None:
                balances[pair.text, codes] += change
    return [
        TrainingPair(text, codes, None) if balance > 0 else TrainingPair(text, None, codes)
        for (text, codes), balance in balances.items()
        if balance
    ]


def hash_pairs(pairs: Iterable[TrainingPair]) -> str:
    """sha256 over the pairs in their order."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(json.dumps(asdict(pair), sort_keys=True).encode())
    return digest.hexdigest()
