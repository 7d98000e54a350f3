"""Who gets which item, whatever people do and whenever they do it."""

import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom.errors import AtomError
from atom.review.assignment import RESERVATION_SECONDS, Assignment
from atom.review.review_items import ReviewItem
from atom.review.vote_store import VoteStore


def items(count, pair=True):
    motions = (lambda n: (f"base{n}", f"tuned{n}")) if pair else (lambda n: (f"base{n}",))
    arms = ("base", "tuned")[: 2 if pair else 1]
    return [
        ReviewItem(f"p{n}", "temporal", "a person jumps", ("jumps", "bows"), motions(n), arms) for n in range(count)
    ]


class Clock:
    now = 1e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def dealing(tmp_path, clock):
    """Assignments on one store, as servers that were started one after the other, or run at once."""

    def make(count=6, pair=True, **options):
        return Assignment(VoteStore(tmp_path / "votes.sqlite"), items(count, pair), clock=clock, **options)

    return make


def everything(assignment, voter, pressed="left"):
    """All that a voter gets until nothing is left."""
    given = []
    while shown := assignment.next(voter):
        given.append(shown.item.item_id)
        assignment.cast(voter, given[-1], pressed)
    return given


def test_one_person_gets_everything_once(dealing):
    assignment = dealing(20)
    given = everything(assignment, "ann")
    assert sorted(given) == sorted(assignment.items)
    progress = assignment.progress("ann")
    assert (progress.mine, progress.open, progress.judged, progress.items) == (20, 0, 20, 20)


def test_the_order_is_each_voters_own_and_drawn_by_the_seed(dealing):
    assignment, other = dealing(20, people_per_item=9), dealing(20, people_per_item=9, seed=1)
    orders = [everything(assignment, "ann"), everything(assignment, "bob"), everything(other, "cid")]
    assert len(set(map(tuple, orders))) == 3 and all(order != sorted(order) for order in orders)


def test_what_is_shared_comes_to_all_in_one_order_and_the_rest_once(dealing):
    assignment = dealing(20, shared=0.3)
    ann, bob = [], []
    while shown := [assignment.next("ann"), assignment.next("bob")]:
        if shown == [None, None]:
            break
        for voter, done, got in zip(("ann", "bob"), (ann, bob), shown):
            if got:
                done.append(got.item.item_id)
                assignment.cast(voter, done[-1], "tie")
    common = [item_id for item_id in ann if item_id in bob]
    assert len(common) == 6 and common == [item_id for item_id in bob if item_id in ann]
    assert set(ann) | set(bob) == set(assignment.items)


def test_a_choice_means_the_motion_not_the_place(dealing):
    assignment, places = dealing(40), set()
    for pressed in ["left", "right", "tie", "skip"] * 10:
        shown = assignment.next("ann")
        assignment.cast("ann", shown.item.item_id, pressed)
        vote = assignment.store.votes()[-1]
        places.add((pressed, vote.swapped, vote.choice))
        assert vote.swapped == shown.swapped and vote.motion_ids == shown.item.motion_ids
    assert places == {
        ("left", False, "first"),
        ("left", True, "second"),
        ("right", False, "second"),
        ("right", True, "first"),
        ("tie", False, "tie"),
        ("tie", True, "tie"),
        ("skip", False, "skip"),
        ("skip", True, "skip"),
    }


def test_after_a_restart_everybody_is_where_they_were(dealing, clock):
    assignment = dealing()
    before = {voter: assignment.next(voter) for voter in ("ann", "bob", "cid")}
    clock.now += RESERVATION_SECONDS - 1
    again = dealing(seed=5)  # which would have dealt and placed otherwise
    assert {voter: again.next(voter) for voter in before} == before


def test_two_servers_assign_from_one_store(dealing):
    servers = dealing(20, shared=0), dealing(20, shared=0)
    dealt = {servers[number % 2].next(f"voter {number}").item.item_id for number in range(20)}
    assert len(dealt) == 20 and servers[0].next("late") is None


def test_an_item_on_a_screen_is_taken_for_ten_minutes(dealing, clock):
    assignment = dealing(1, shared=0)
    assert assignment.next("ann") and assignment.next("bob") is None
    assert assignment.progress("bob").open == 0
    clock.now += RESERVATION_SECONDS + 1
    assert assignment.next("bob") and assignment.next("ann") is None


def test_a_late_vote_counts_as_well(dealing, clock):
    assignment = dealing(1, shared=0)
    item_id = assignment.next("ann").item.item_id
    clock.now += RESERVATION_SECONDS + 1
    assignment.next("bob")
    assignment.cast("bob", item_id, "left")
    assignment.cast("ann", item_id, "right")
    assert len(assignment.store.votes()) == 2 and assignment.store.votes()[1].seconds == RESERVATION_SECONDS + 1


def test_what_somebody_skipped_goes_to_others_and_never_back(dealing):
    assignment = dealing(1, shared=0)
    everything(assignment, "ann", "skip")
    assert assignment.next("ann") is None and assignment.progress("ann").judged == 0
    assert everything(assignment, "bob") == list(assignment.items)


def test_undo_goes_back_vote_by_vote_and_keeps_the_place(dealing):
    assignment = dealing(5)
    shown = [assignment.next("ann")]
    for note in ("one", "two"):
        assignment.cast("ann", shown[-1].item.item_id, "left", note=note)
        shown.append(assignment.next("ann"))
    for place, note in ((1, "two"), (0, "one")):
        back = assignment.undo("ann")
        assert (back.item, back.swapped, back.note) == (shown[place].item, shown[place].swapped, note)
        assert assignment.next("ann").item == back.item and assignment.next("bob").item != back.item
    assert assignment.undo("ann") is None and assignment.store.votes() == []


def test_undo_leaves_votes_of_another_review_in_the_same_file(dealing):
    clips, pairs = dealing(2, pair=False), dealing(2)
    clips.next("ann")
    clips.cast("ann", clips.next("ann").item.item_id, score=3, seen=(True, False))
    assert pairs.undo("ann") is None and pairs.progress("ann").mine == 0
    assert clips.undo("ann")


@pytest.mark.parametrize(
    ("pair", "answer"),
    [
        (True, {}),
        (True, {"score": 3}),
        (True, {"pressed": "left", "score": 3}),
        (True, {"pressed": "left", "seen": (True, True)}),
        (False, {"pressed": "left"}),
        (False, {"score": 3}),
        (False, {"score": 6, "seen": (True, True)}),
        (False, {"score": 3, "seen": (True,)}),
        (False, {"pressed": "skip", "score": 1}),
    ],
)
def test_what_is_no_answer_is_refused(dealing, pair, answer):
    assignment = dealing(pair=pair)
    item_id = assignment.next("ann").item.item_id
    with pytest.raises(AtomError, match="not an answer"):
        assignment.cast("ann", item_id, **answer)
    with pytest.raises(AtomError, match="not shown to you"):
        assignment.cast("bob", item_id, **answer)
    assert assignment.store.votes() == []


def test_clips_are_scored_with_what_was_seen_or_skipped(dealing):
    assignment = dealing(2, pair=False)
    assignment.cast("ann", assignment.next("ann").item.item_id, score=4, seen=(True, False))
    assignment.cast("ann", assignment.next("ann").item.item_id, "skip")
    scored, skipped = assignment.store.votes()
    assert (scored.score, scored.seen, scored.choice, scored.swapped) == (4, (True, False), None, False)
    assert (skipped.score, skipped.seen, skipped.choice) == (None, None, None)
    assert assignment.progress("ann").judged == 1


VOTERS = st.sampled_from(["ann", "bob", "cid", "dan"])
STEPS = st.lists(st.tuples(st.sampled_from(["next", "left", "skip", "undo", "wait", "restart"]), VOTERS), max_size=60)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, count=st.integers(1, 6), people=st.integers(1, 3), shared=st.sampled_from([0.0, 0.3, 1.0]))
def test_whatever_people_do_the_rule_holds(steps, count, people, shared):
    with tempfile.TemporaryDirectory() as folder:
        clock, store = Clock(), VoteStore(Path(folder) / "votes.sqlite")

        def started():
            return Assignment(store, items(count), people, shared, clock=clock)

        assignment, on_screen, since, standing = started(), {}, {}, defaultdict(dict)
        for step, voter in steps:
            if step == "wait":
                clock.now += RESERVATION_SECONDS * 0.7
            elif step == "restart":
                assignment = started()
            elif step == "undo":
                back = assignment.undo(voter)
                assert (back is None) == (not standing[voter])
                if back:
                    item_id, _ = standing[voter].popitem()
                    assert back.item.item_id == item_id
                    on_screen[voter], since[voter, item_id] = item_id, clock.now
            elif step == "next":
                shown = assignment.next(voter)
                if shown is None:
                    on_screen.pop(voter, None)
                    continue
                item_id = shown.item.item_id
                assert item_id not in standing[voter]
                others = {
                    other
                    for other in ("ann", "bob", "cid", "dan")
                    if other != voter
                    and (
                        standing[other].get(item_id) == "left"
                        or (
                            item_id not in standing[other]
                            and clock.now - since.get((other, item_id), 0) < RESERVATION_SECONDS
                        )
                    )
                }
                assert item_id in assignment.shared or len(others) < people
                on_screen[voter], since[voter, item_id] = item_id, clock.now
            elif voter in on_screen:
                assignment.cast(voter, item_id := on_screen.pop(voter), step)
                standing[voter].pop(item_id, None)
                standing[voter][item_id] = step
        assert {(vote.voter, vote.item_id) for vote in store.votes()} == {
            (voter, item_id) for voter, votes in standing.items() for item_id in votes
        }
        # In the end every item has as many judges as it needs, from those who are left to judge it.
        clock.now += 2 * RESERVATION_SECONDS
        for voter in ("eve", "fay", "gus"):
            everything(assignment, voter)
        judges = defaultdict(set)
        for vote in store.votes():
            if vote.choice != "skip":
                judges[vote.item_id].add(vote.voter)
        assert all(len(judges[item_id]) >= people for item_id in assignment.items)
        assert all({"eve", "fay", "gus"} <= judges[item_id] for item_id in assignment.shared)
        assert assignment.progress("ann").judged == count
        store.close()
