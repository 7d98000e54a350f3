"""The assignment of items to voters: which item a voter judges next."""

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
from atom.review.review_items import ReviewItem, hash_names
from atom.review.vote_store import VoteEvent, VoteStore
from atom.review.votes import Choice, Vote

PressedButton = Literal["left", "right", "tie", "skip"]
RESERVATION_SECONDS = 600.0  # how long an item that is shown to a voter stays reserved for them


@dataclass(frozen=True)
class ItemPresentation:
    """An item as a voter sees it."""

    item: ReviewItem
    swapped: bool  # the second motion is on the left
    note: str = ""  # of the vote that was undone


@dataclass(frozen=True)
class VotingProgress:
    """The progress of one voter and of the whole review, in items."""

    mine: int  # the voter voted on these
    open: int  # the voter may still get these
    judged: int  # enough people judged these
    items: int  # all


class Assignment:
    """Assigns items to voters.

    - A `shared` fraction of the items, drawn by `seed`, goes to every voter, so that their agreement can be measured.
      All voters get the shared items in the same random order, so that people who stop early have judged the same ones.
    - Every other item goes to voters until `people_per_item` of them have judged it. A skip does not count as judging.
      While an item is on somebody's screen it counts as judged by them for ten minutes, so that an item that needs one
      vote does not go to two people.
    - Each voter gets the items in a random order of their own. Items that they have open come first: after a break, a
      reload or a restart everybody continues where they were. Nobody gets an item again that they voted on.
    - Which motion is on the left is drawn for each voter and item, and stays as it was first shown.

    A late vote counts as well, even if the item went to somebody else in the meantime.

    The vote store holds the whole state. Any number of processes may assign items from one store; each reads only the
    events that are new to it.

    Args:
        store: the votes, and which items were shown to whom.
        items: the items to judge.
        people_per_item: how many people must judge an item.
        shared: fraction of the items that every voter gets, 0 to 1.
        seed: of the shared items, the orders and the sides.
        clock: gives the current time in seconds since 1970.
    """

    def __init__(
        self,
        store: VoteStore,
        items: Sequence[ReviewItem],
        people_per_item: int = 1,
        shared: float = 0.2,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store, self.people_per_item, self.seed, self.clock = store, people_per_item, seed, clock
        self.items = {item.item_id: item for item in items}
        shuffled = sorted(self.items, key=lambda item_id: hash_names(seed, "shared", item_id))
        self._shared_order = shuffled[: round(shared * len(shuffled))]
        self.shared = frozenset(self._shared_order)
        self._voter_order = lru_cache(256)(self._shuffle_for)
        # What follows is derived from the events up to this number.
        self._last_event = 0
        self._judges: dict[str, set[str]] = defaultdict(set)  # item -> who judged it
        self._judged: set[str] = set()  # items that enough people judged
        self._votes: dict[str, dict[str, Vote]] = defaultdict(dict)  # voter -> item -> vote, the latest last
        # item -> voter -> when and how it was last shown, even if a vote followed
        self._shown: dict[str, dict[str, VoteEvent]] = defaultdict(dict)
        # voter -> items shown without a vote, the latest last; a dict because it keeps the order
        self._open: dict[str, dict[str, None]] = defaultdict(dict)
        self._read_new_events()

    def next(self, voter: str) -> ItemPresentation | None:
        """The item that the voter judges next, recorded as shown from now on; None if no item is left for them."""
        with self.store.transaction():
            self._read_new_events()
            unavailable = self._unavailable_items(voter)
            for item_id in chain(reversed(self._open[voter]), self._voter_order(voter)):
                if item_id not in unavailable:
                    return self._show(voter, item_id)
        return None

    def cast(
        self,
        voter: str,
        item_id: str,
        pressed: PressedButton | None = None,
        score: int | None = None,
        seen: tuple[bool, ...] | None = None,
        note: str = "",
    ) -> None:
        """Stores a vote.

        Args:
            voter: who votes; the item must have been shown to them.
            item_id: the item.
            pressed: the answer to a pair, or "skip".
            score: the points of a clip, 1 to 5.
            seen: for each event of a clip's prompt, whether the voter saw it.
            note: free text.

        Raises:
            AtomError: the item was not shown to the voter, or the answer does not fit the kind of item.
        """
        with self.store.transaction():
            self._read_new_events()
            shown = self._shown[item_id].get(voter) if item_id in self.items else None
            if shown is None:
                raise AtomError("this item was not shown to you")
            item, now = self.items[item_id], self.clock()
            if not _is_answer(item, pressed, score, seen):
                raise AtomError("this is not an answer to the question: choose a motion of a pair, or score a clip")
            self.store.cast(
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
        """Undoes the voter's latest vote on one of the items and shows that item again; None if there is no vote."""
        with self.store.transaction():
            self._read_new_events()
            if not self._votes[voter]:
                return None
            item_id, vote = next(reversed(self._votes[voter].items()))
            self.store.undo(voter, item_id)
            return replace(self._show(voter, item_id), note=vote.note)

    def progress(self, voter: str) -> VotingProgress:
        """How far the voter and the review have come."""
        with self.store.transaction():
            self._read_new_events()
            return VotingProgress(
                mine=len(self._votes[voter]),
                open=len(self.items) - len(self._unavailable_items(voter)),
                judged=len(self._judged),
                items=len(self.items),
            )

    def _unavailable_items(self, voter: str) -> set[str]:
        """Items that the voter voted on, and those for which enough others voted or hold a reservation."""
        since, holders = self.clock() - RESERVATION_SECONDS, defaultdict(set)
        for other, items in self._open.items():
            for item_id in items:
                if other != voter and self._shown[item_id][other].at > since:
                    holders[item_id].add(other)
        reserved = {
            item_id
            for item_id, others in holders.items()
            if len(self._judges[item_id] | others) >= self.people_per_item
        }
        return ((self._judged | reserved) - self.shared) | self._votes[voter].keys()

    def _show(self, voter: str, item_id: str) -> ItemPresentation:
        item, before = self.items[item_id], self._shown[item_id].get(voter)
        # The motion ids, which no browser knows, are part of the draw: nobody can compute which motion is which.
        drawn_side = item.is_pair and bool(hash_names(self.seed, "side", voter, *item.motion_ids)[0] & 1)
        swapped = before.swapped if before else drawn_side
        self.store.record_shown(voter, item_id, swapped, self.clock())
        return ItemPresentation(item, swapped)

    def _shuffle_for(self, voter: str) -> list[str]:
        """The voter's own order, in which the shared items keep their common order."""
        shared = iter(self._shared_order)
        order = sorted(self.items, key=lambda item_id: hash_names(self.seed, "order", voter, item_id))
        return [next(shared) if item_id in self.shared else item_id for item_id in order]

    def _read_new_events(self) -> None:
        for event in self.store.events(self._last_event):
            self._last_event = event.number
            if event.item_id not in self.items:  # of another review in the same file
                continue
            item_id, voter = event.item_id, event.voter
            if event.kind == "shown":
                self._shown[item_id][voter] = event
                if item_id not in self._votes[voter]:
                    self._open[voter].pop(item_id, None)
                    self._open[voter][item_id] = None
                continue
            self._votes[voter].pop(item_id, None)
            self._judges[item_id].discard(voter)
            if event.vote:
                self._votes[voter][item_id] = event.vote
                self._open[voter].pop(item_id, None)
                if not event.vote.is_skip:
                    self._judges[item_id].add(voter)
            is_judged = len(self._judges[item_id]) >= self.people_per_item
            (self._judged.add if is_judged else self._judged.discard)(item_id)


def _is_answer(
    item: ReviewItem, pressed: PressedButton | None, score: int | None, seen: tuple[bool, ...] | None
) -> bool:
    if pressed == "skip" or item.is_pair:
        return pressed is not None and score is None and seen is None
    return pressed is None and score in range(1, 6) and seen is not None and len(seen) == len(item.events)


def _choice(pressed: PressedButton, swapped: bool) -> Choice:
    if pressed in ("tie", "skip"):
        return pressed
    return "first" if (pressed == "left") != swapped else "second"
