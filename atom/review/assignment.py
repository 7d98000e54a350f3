"""Who judges which item next."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Literal

from atom.errors import AtomError
from atom.review.review_items import ReviewItem, drawn
from atom.review.vote_store import VoteEvent, VoteStore
from atom.review.votes import Choice, Vote

Pressed = Literal["left", "right", "tie", "skip"]
RESERVATION_SECONDS = 600.0  # seconds that an item which was shown to somebody counts as taken


@dataclass(frozen=True)
class ItemPresentation:
    """An item before a voter; `swapped`: its second motion is on the left. `note` is that of a vote taken back."""

    item: ReviewItem
    swapped: bool
    note: str = ""


@dataclass(frozen=True)
class VotingProgress:
    """Items that the voter voted on, items still open to them, and of all `items` those that enough people judged."""

    mine: int
    open: int
    judged: int
    items: int


class Assignment:
    """Deals the items out to voters, by this rule:

    - A `shared` share of the items, drawn by `seed`, goes to everybody, so that their agreement can be measured. All
      get these in one common random order, so that people who stop early have judged the same ones.
    - Every other item goes to people until `people_per_item` have judged it; who skipped it has not judged it. To have
      it on the screen counts as judging it for ten minutes, so that no two get an item that needs one.
    - Each voter goes through the items in a random order of their own. First comes what they have open already: after
      a break, a reload or a restart everybody is where they were. Nobody gets an item again that they voted on.
    - Which motion is on the left is drawn for each voter and item, and stays as it was first shown.

    A vote that comes late, when others have taken the item, counts as well: nothing that somebody said is thrown away.
    The book is the only truth. Any number of processes may deal from one; each reads only what is new in it.
    """

    def __init__(
        self,
        book: VoteStore,
        items: Sequence[ReviewItem],
        people_per_item: int = 1,
        shared: float = 0.2,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.book, self.people, self.seed, self.clock = book, people_per_item, seed, clock
        self.items = {item.item_id: item for item in items}
        common = sorted(self.items, key=lambda item_id: drawn(seed, "shared", item_id))
        self._common = common[: round(shared * len(common))]
        self.shared = frozenset(self._common)
        self._order = lru_cache(256)(self._drawn_order)
        self._read = 0  # the last act that is in what follows
        self._judges: dict[str, set[str]] = defaultdict(set)  # by item: who judged it
        self._judged: set[str] = set()  # items that enough people judged
        self._cast: dict[str, dict[str, Vote]] = defaultdict(dict)  # by voter and item, the latest last
        self._shown: dict[str, dict[str, VoteEvent]] = defaultdict(
            dict
        )  # by item and voter, also where a vote followed
        self._open: dict[str, dict[str, None]] = defaultdict(dict)  # by voter: shown without a vote, the latest last
        self._catch_up()

    def next(self, voter: str) -> ItemPresentation | None:
        """What the voter judges next, which counts as shown from now on; None when nothing is left for them."""
        with self.book.transaction():
            self._catch_up()
            closed = self._closed_to(voter)
            for item_id in chain(reversed(self._open[voter]), self._order(voter)):
                if item_id not in closed:
                    return self._show(voter, item_id)
        return None

    def cast(
        self,
        voter: str,
        item_id: str,
        pressed: Pressed | None = None,
        score: int | None = None,
        seen: tuple[bool, ...] | None = None,
        note: str = "",
    ) -> None:
        """Keeps a vote of somebody who has been shown the item: `pressed` for a pair, `score` and `seen` for a clip.

        AtomError when they have not been shown it, or when that is no answer to it.
        """
        with self.book.transaction():
            self._catch_up()
            shown = self._shown[item_id].get(voter) if item_id in self.items else None
            if shown is None:
                raise AtomError("this item was not shown to you")
            item, now = self.items[item_id], self.clock()
            if not _answers(item, pressed, score, seen):
                raise AtomError("this is no answer to what was asked")
            self.book.cast(
                Vote(
                    voter=voter,
                    item_id=item_id,
                    prompt_id=item.prompt_id,
                    task=item.task,
                    motion_ids=item.motion_ids,
                    arms=item.arms,
                    choice=_choice(pressed, shown.swapped) if item.is_pair else None,
                    score=score,
                    seen=seen,
                    swapped=shown.swapped,
                    note=note,
                    seconds=round(max(now - shown.at, 0.0), 3),
                    cast_at=datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
                )
            )

    def undo(self, voter: str) -> ItemPresentation | None:
        """Takes back the voter's latest vote on one of the items and shows that item again; None without a vote."""
        with self.book.transaction():
            self._catch_up()
            if not self._cast[voter]:
                return None
            item_id, vote = next(reversed(self._cast[voter].items()))
            self.book.undo(voter, item_id)
            return replace(self._show(voter, item_id), note=vote.note)

    def progress(self, voter: str) -> VotingProgress:
        with self.book.transaction():
            self._catch_up()
            return VotingProgress(
                mine=len(self._cast[voter]),
                open=len(self.items) - len(self._closed_to(voter)),
                judged=len(self._judged),
                items=len(self.items),
            )

    def _closed_to(self, voter: str) -> set[str]:
        """Items that the voter voted on, and those that others judged or have before them in the number needed."""
        since, holders = self.clock() - RESERVATION_SECONDS, defaultdict(set)
        for other, items in self._open.items():
            for item_id in items:
                if other != voter and self._shown[item_id][other].at > since:
                    holders[item_id].add(other)
        taken = {item_id for item_id, held in holders.items() if len(self._judges[item_id] | held) >= self.people}
        return ((self._judged | taken) - self.shared) | self._cast[voter].keys()

    def _show(self, voter: str, item_id: str) -> ItemPresentation:
        item, before = self.items[item_id], self._shown[item_id].get(voter)
        # Drawn by what no browser knows, so that nobody can work out which motion is which.
        drawn_side = item.is_pair and bool(drawn(self.seed, "side", voter, *item.motion_ids)[0] & 1)
        swapped = before.swapped if before else drawn_side
        self.book.show(voter, item_id, swapped, self.clock())
        return ItemPresentation(item, swapped)

    def _drawn_order(self, voter: str) -> list[str]:
        common = iter(self._common)
        order = sorted(self.items, key=lambda item_id: drawn(self.seed, "order", voter, item_id))
        return [next(common) if item_id in self.shared else item_id for item_id in order]

    def _catch_up(self) -> None:
        for act in self.book.acts(self._read):
            self._read = act.number
            if act.item_id not in self.items:  # of another review that shares the file
                continue
            item_id, voter = act.item_id, act.voter
            if act.act == "shown":
                self._shown[item_id][voter] = act
                if item_id not in self._cast[voter]:
                    self._open[voter].pop(item_id, None)
                    self._open[voter][item_id] = None
                continue
            self._cast[voter].pop(item_id, None)
            self._judges[item_id].discard(voter)
            if act.vote:
                self._cast[voter][item_id] = act.vote
                self._open[voter].pop(item_id, None)
                if act.vote.score or act.vote.choice not in (None, "skip"):
                    self._judges[item_id].add(voter)
            (self._judged.add if len(self._judges[item_id]) >= self.people else self._judged.discard)(item_id)


def _answers(item: ReviewItem, pressed: Pressed | None, score: int | None, seen: tuple[bool, ...] | None) -> bool:
    if pressed == "skip" or item.is_pair:
        return pressed is not None and score is None and seen is None
    return pressed is None and score in range(1, 6) and seen is not None and len(seen) == len(item.events)


def _choice(pressed: Pressed, swapped: bool) -> Choice:
    if pressed in ("tie", "skip"):
        return pressed
    return "first" if (pressed == "left") != swapped else "second"
