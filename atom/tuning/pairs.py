"""The pairs of a tuning: read as they are needed, so that their number is not bound by memory."""

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

_CODES = pa.list_(pa.int32())
_SCHEMA = pa.schema([("text", pa.string()), ("chosen", _CODES), ("rejected", _CODES), ("degree", pa.string())])


@dataclass(frozen=True)
class TrainingPair:
    """A prompt, the codes of the better and the worse motion, and how clearly it is better, where that is known.

    Feedback on a single motion has None for the other side.
    """

    text: str
    chosen: tuple[int, ...] | None
    rejected: tuple[int, ...] | None
    degree: Degree | None = None


class PairFile(Sequence[TrainingPair]):
    """Pairs in an Arrow file that is mapped into memory: what is not looked at takes none, and processes share it."""

    def __init__(self, path: Path) -> None:
        with pa.memory_map(str(path)) as source:
            self._table = pa.ipc.open_file(source).read_all()

    @staticmethod
    def write(path: Path, batches: Iterable[Sequence[TrainingPair]]) -> PairFile:
        """Writes pairs that come in batches and opens them."""
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
    """Token ids of a prompt and its two answers, end tokens included; none of a side that a pair lacks."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


@dataclass(frozen=True)
class PairShape:
    """What the order of the pairs depends on: the prompt, and the tokens of the longer answer."""

    prompt: Hashable
    longest: int


class TokenizedPairs(Dataset[TokenizedPair]):
    """Pairs as token ids, made when they are asked for: prompts as the generator words them, answers whole."""

    def __init__(self, generator: Generator, pairs: Sequence[TrainingPair]) -> None:
        self._generator, self._pairs = generator, pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> TokenizedPair:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[TokenizedPair]:
        """Of several pairs at once, by which torch's DataLoader asks for a batch."""
        pairs = [self._pairs[i] for i in indices]
        inputs, mask = self._generator.encode_prompts([pair.text for pair in pairs])
        prompts = [tuple(row[kept].tolist()) for row, kept in zip(inputs, mask.bool(), strict=True)]
        return [
            TokenizedPair(prompt, self._answer(pair.chosen), self._answer(pair.rejected))
            for prompt, pair in zip(prompts, pairs, strict=True)
        ]

    def _answer(self, codes: Sequence[int] | None) -> tuple[int, ...]:
        if codes is None:
            return ()
        return tuple(self._generator.motions.answer(codes, self._generator.tokenizer.eos_token_id))


def shapes_of(pairs: Iterable[TrainingPair]) -> list[PairShape]:
    """The shapes of pairs, by a single pass over them."""
    numbers: dict[str, int] = {}
    return [
        PairShape(numbers.setdefault(pair.text, len(numbers)), max(len(pair.chosen or ()), len(pair.rejected or ())))
        for pair in pairs
    ]


def single_motions(pairs: Iterable[TrainingPair]) -> list[TrainingPair]:
    """Each motion of the pairs once, as chosen where it won more pairs than it lost, as rejected where it lost more."""
    wins: Counter[tuple[str, tuple[int, ...]]] = Counter()
    for pair in pairs:
        for codes, won in ((pair.chosen, 1), (pair.rejected, -1)):
            if codes is not None:
                wins[pair.text, codes] += won
    return [
        TrainingPair(text, codes, None) if balance > 0 else TrainingPair(text, None, codes)
        for (text, codes), balance in wins.items()
        if balance
    ]


def hash_of(pairs: Iterable[TrainingPair]) -> str:
    """sha256 over pairs in their order."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(json.dumps(asdict(pair), sort_keys=True).encode())
    return digest.hexdigest()
