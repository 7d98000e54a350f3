"""How many motions of a set have each remark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from atom.motion_formats.conversion import ConversionRecord

_WITHOUT_DIGITS = str.maketrans("", "", "0123456789")


class RemarkCounts:
    """Counts remarks by kind: those that differ in their numbers alone are of one kind."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def add(self, record: ConversionRecord, where: str) -> None:
        """Counts the remarks of one motion, which `where` names."""
        for remark in record.remarks:
            self._count(f"{where}: {remark}", 1)

    def merge(self, counts: Mapping[str, int]) -> None:
        """Adds counts of another set, as `to_dict` gives them."""
        for example, number in counts.items():
            self._count(example, number)

    def to_dict(self) -> dict[str, int]:
        """The number of motions by the first remark of each kind, with the name of its motion."""
        return {self._first[kind]: number for kind, number in self._counts.items()}

    def sentences(self) -> Iterable[str]:
        """A sentence a kind, the most frequent first."""
        for example, number in sorted(self.to_dict().items(), key=lambda item: -item[1]):
            yield f"{number:,} motion{'s' if number > 1 else ''}, such as {example}"

    def _count(self, example: str, number: int) -> None:
        kind = example.split(": ", 1)[-1].translate(_WITHOUT_DIGITS)
        self._first.setdefault(kind, example)
        self._counts[kind] = self._counts.get(kind, 0) + number
