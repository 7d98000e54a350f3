"""Which of several numbers in a clause is the count of its act."""

from types import SimpleNamespace

import pytest

from atom.captions.order import groups_of
from atom.captions.sides_and_counts import count_of


def clause(*counts, lemma="walk", objects=(), from_noun=False):
    return SimpleNamespace(
        counts=list(counts), lemma=lemma, objects=list(objects), prepositions=[], from_noun=from_noun
    )


def thing(number, lemma="zorp", modifiers=()):
    return SimpleNamespace(number=number, lemma=lemma, modifiers=modifiers)


@pytest.mark.parametrize(
    ("counts", "number"),
    [
        ([(2, "lap"), (4, "step"), (3, "act")], 4),
        ([(2, "lap"), (3, "act")], 3),
        ([(2, "lap")], 2),
        ([(5, "step"), (6, "step")], 5),
        ([], None),
    ],
)
def test_steps_go_before_times_and_times_before_laps(counts, number):
    assert count_of(clause(*counts)) == number


@pytest.mark.parametrize(("phrase", "number"), [(thing(3), 3), (thing(44), 44), (thing(45), None), (thing(None), None)])
def test_a_number_of_things_done_is_a_count_and_an_angle_is_none(phrase, number):
    assert count_of(clause(lemma="do", objects=[phrase])) == number
    assert count_of(clause(lemma="do", objects=[phrase], from_noun=True)) is None
    assert count_of(clause(lemma="zorp", objects=[thing(2)])) == 2


def test_pairs_that_share_a_clause_are_one_group_by_place_of_happening():
    assert groups_of([2, 0, 1, 3], [(0, 1), (1, 2)]) == ((0, 1, 2),)
    assert groups_of([3, 2, 1, 0], [(0, 1), (2, 3)]) == ((0, 1), (2, 3))
    assert groups_of([0, 1], [(1, 5)]) == ()
