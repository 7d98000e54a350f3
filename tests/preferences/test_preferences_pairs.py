"""Which motions become pairs: the rules, on any set of scored motions."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom.config import PreferenceConfig
from atom.errors import AtomError
from atom.preferences.pairs import (
    LENGTH_SLACK,
    ROUNDING,
    ScoredMotion,
    build_pairs,
    classify_margin,
    summarise_selection,
)

NO_GUARD = PreferenceConfig(length_tolerance=None)


def motion(name="0", score=5.0, tokens=(1, 2, 3), prompt="p", stop_reason="end", task="integrity"):
    return ScoredMotion(
        f"{prompt}-{name}", prompt, f"text of {prompt}", task, "train", tuple(tokens), stop_reason, score, score == 5.0
    )


@st.composite
def candidates(draw):
    prompts = draw(st.integers(0, 6))
    found = []
    for p in range(prompts):
        task = draw(st.sampled_from(["integrity", "temporal", "frequency"]))
        for m in range(draw(st.integers(1, 7))):
            tokens = draw(st.lists(st.integers(0, 3), max_size=6)) * draw(st.integers(1, 4))
            score = draw(st.floats(1, 5, width=16))
            reason = draw(st.sampled_from(["end", "end", "end", "length"])) if tokens else "empty"
            found.append(motion(str(m), score, tokens, f"p{p}", reason, task))
    return found


configs = st.builds(
    PreferenceConfig,
    min_gap=st.floats(0.1, 3),
    pairs_per_prompt=st.integers(1, 8),
    length_tolerance=st.none() | st.floats(0, 4),
)


@settings(max_examples=150, deadline=None)
@given(candidates(), configs)
def test_every_pair_keeps_the_rules(motions, config):
    by_id = {motion.motion_id: motion for motion in motions}
    pairs = build_pairs(motions, config)
    for pair in pairs:
        chosen, rejected = by_id[pair.chosen_id], by_id[pair.rejected_id]
        assert chosen.prompt_id == rejected.prompt_id == pair.prompt_id
        assert (pair.text, pair.task, pair.split) == (chosen.text, chosen.task, chosen.split)
        assert (pair.chosen_tokens, pair.rejected_tokens) == (chosen.tokens, rejected.tokens)
        assert (pair.chosen_score, pair.rejected_score) == (chosen.score, rejected.score)
        assert pair.chosen_exact == chosen.exact
        assert pair.margin == chosen.score - rejected.score >= config.min_gap - ROUNDING
        assert pair.degree == classify_margin(pair.margin)
        assert pair.chosen_tokens and pair.rejected_tokens
        assert chosen.stop_reason == rejected.stop_reason == "end"
    both = [(pair.prompt_id, pair.chosen_tokens, pair.rejected_tokens) for pair in pairs]
    assert len(set(both)) == len(both)
    for prompt in {pair.prompt_id for pair in pairs}:
        assert sum(pair.prompt_id == prompt for pair in pairs) <= config.pairs_per_prompt
    if config.length_tolerance is not None:
        for task in {pair.task for pair in pairs}:
            differences = [pair.longer_by for pair in pairs if pair.task == task]
            assert sum(differences) <= config.length_tolerance * len(differences) + LENGTH_SLACK + ROUNDING


@settings(max_examples=50, deadline=None)
@given(candidates(), configs, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(motions, config, rng: random.Random):
    shuffled = list(motions)
    rng.shuffle(shuffled)
    assert build_pairs(shuffled, config) == build_pairs(motions, config)


@settings(max_examples=50, deadline=None)
@given(candidates(), st.integers(1, 8))
def test_a_prompt_gets_all_the_pairs_it_can_have_when_no_guard_is_set(motions, most):
    config = PreferenceConfig(min_gap=0.5, pairs_per_prompt=most, length_tolerance=None)
    pairs = build_pairs(motions, config)
    everything = build_pairs(motions, config.model_copy(update={"pairs_per_prompt": 1000}))
    for prompt in {motion.prompt_id for motion in motions}:
        possible = sum(pair.prompt_id == prompt for pair in everything)
        assert sum(pair.prompt_id == prompt for pair in pairs) == min(most, possible)


def test_exactly_right_motions_are_chosen_first():
    motions = [motion("right", 5.0, [1]), motion("nearly", 4.5, [2]), motion("b", 2.0, [3]), motion("c", 1.0, [4])]
    pairs = build_pairs(motions, PreferenceConfig(pairs_per_prompt=3))
    assert {pair.chosen_id for pair in pairs} == {"p-right"}


def test_wide_gaps_and_near_misses_take_turns_and_motions_are_spread():
    motions = [motion("right0", 5.0, [1]), motion("right1", 5.0, [2])]
    motions += [motion(f"wrong{i}", 1.0 + i, [3 + i]) for i in range(4)]
    pairs = build_pairs(motions, PreferenceConfig(pairs_per_prompt=4))
    assert [pair.margin for pair in pairs[:2]] == [4.0, 1.0]
    assert sorted(pair.chosen_id for pair in pairs) == ["p-right0"] * 2 + ["p-right1"] * 2
    assert len({pair.rejected_id for pair in pairs}) == 4


def test_of_equal_motions_only_one_takes_part_and_cut_off_ones_none():
    motions = [motion("0", 5.0, [1, 2]), motion("1", 1.0, [3]), motion("2", 1.0, [3]), motion("3", 5.0, [1, 2])]
    motions += [motion("4", 1.0, [7] * 60, stop_reason="length"), motion("5", 1.0, [], stop_reason="empty")]
    assert [(pair.chosen_id, pair.rejected_id) for pair in build_pairs(motions, NO_GUARD)] == [("p-0", "p-1")]


def test_a_gap_that_float32_rounded_down_still_counts():
    motions = [motion("0", 4.0, [1]), motion("1", 3.5 + 3e-7, [2])]
    assert [pair.degree for pair in build_pairs(motions, PreferenceConfig(min_gap=0.5))] == ["Slightly better"]


@pytest.mark.parametrize(
    ("margin", "word"),
    [
        (4.0, "Much better"),
        (2.0, "Much better"),
        (1.99, "Better"),
        (1.0, "Better"),
        (0.75, "Slightly better"),
        (0.5, "Slightly better"),
        (0.49, "Negligibly better/unsure"),
        (0.0, "Negligibly better/unsure"),
    ],
)
def test_the_words_for_a_gap(margin, word):
    assert classify_margin(margin) == word


def length_biased(prompts, bias, seed=0):
    """Motions whose better ones are longer, as those that left out no event are."""
    rng = random.Random(seed)
    found = []
    for p in range(prompts):
        length = rng.randint(14, 40)
        for m in range(8):
            score = 5.0 if rng.random() < 0.35 else rng.choice([4.0, 3.5, 3.0, 2.0, 1.0])
            size = max(3, round(length + rng.gauss(0, 2.5) + bias * (score - 4)))
            found.append(motion(str(m), score, [rng.randrange(512) for _ in range(size)], f"p{p:03d}"))
    return found


def test_the_guard_keeps_the_mean_length_difference_near_zero():
    motions = length_biased(100, bias=1.5)
    free, limited = (
        summarise_selection(motions, build_pairs(motions, PreferenceConfig(length_tolerance=tolerance)))["overall"]
        for tolerance in (None, 0.0)
    )
    assert free["longer_by"] > 2
    assert abs(limited["longer_by"]) < 0.1
    assert limited["pairs"] > 0.8 * free["pairs"]
    assert limited["chosen_exact"] > 0.6


def longer_by(prompt, *better):
    """Motions of a prompt: one of 10 tokens and score 1, and better ones of (score, tokens more than that)."""
    found = [motion(str(n), score, [n] * (10 + more), prompt) for n, (score, more) in enumerate(better)]
    return [*found, motion("rejected", 1.0, [9] * 10, prompt)]


def test_the_guard_makes_up_for_pairs_that_were_too_short_as_for_those_that_were_too_long():
    """Of the second prompt's motions the wider gap would be first; the guard takes what moves the mean towards 0."""
    config = PreferenceConfig(pairs_per_prompt=1, length_tolerance=0.5)
    for first, expected in ((-5, 4), (5, -4)):
        for wide, narrow in ((-4, 4), (4, -4)):
            motions = longer_by("p0", (4.5, first)) + longer_by("p1", (4.5, wide), (4.0, narrow))
            assert [pair.longer_by for pair in build_pairs(motions, config)] == [first, expected]


def test_pairs_that_shorten_are_never_skipped_and_make_room_for_those_that_lengthen():
    config = PreferenceConfig(pairs_per_prompt=1, length_tolerance=0.5)

    def kept(*differences):
        motions = [m for n, more in enumerate(differences) for m in longer_by(f"p{n}", (5.0, more))]
        return [pair.longer_by for pair in build_pairs(motions, config)]

    assert kept(-9, -9, -9, -9) == [-9, -9, -9, -9]
    assert kept(40) == [] and kept(-9, -9, -9, 40) == [-9, -9, -9, 40]  # 13 after 4 pairs, at most 20 + 4 / 2
    assert kept(-9, 60) == [-9]
    assert kept(20, 1) == [20, 1] and kept(20, 2) == [20] and kept(21) == []  # at most 20.5 after one pair, 21 after 2


def test_the_summary_counts_what_is_there():
    motions = [
        motion("0", 5.0, [1, 2]),
        motion("1", 3.0, [3]),
        motion("0", 4.0, [1], "q", task="temporal"),
        motion("1", 4.0, [2], "q", task="temporal"),
    ]
    summary = summarise_selection(motions, build_pairs(motions, NO_GUARD))
    assert list(summary) == ["overall", "integrity", "temporal"]
    assert summary["integrity"] == {
        "prompts": 1,
        "prompts_with_pairs": 1,
        "pairs": 1,
        "chosen_exact": 1.0,
        "degrees": {"Much better": 1, "Better": 0, "Slightly better": 0, "Negligibly better/unsure": 0},
        "gaps": {"2.0": 1},
        "chosen_tokens": 2.0,
        "rejected_tokens": 1.0,
        "longer_by": 1.0,
    }
    assert summary["temporal"]["pairs"] == summary["temporal"]["longer_by"] == 0
    assert (summary["overall"]["prompts"], summary["overall"]["prompts_with_pairs"]) == (2, 1)
    assert summarise_selection([], [])["overall"]["pairs"] == 0


def test_the_summary_counts_gaps_by_the_lower_edge_of_their_bin():
    scores = [1.0, 1.49, 1.5, 1.99, 2.0 - ROUNDING / 2, 3.4]  # gaps to a rejected motion of score 0.5
    motions = [motion(str(n), score, [n], f"p{n}") for n, score in enumerate(scores)]
    motions += [motion("rejected", 0.5, [9], f"p{n}") for n in range(len(scores))]
    gaps = summarise_selection(motions, build_pairs(motions, NO_GUARD))["overall"]["gaps"]
    assert gaps == {"0.5": 2, "1.0": 2, "1.5": 1, "2.5": 1}


def test_a_prompt_whose_motions_disagree_on_its_text_is_refused():
    with pytest.raises(AtomError, match="'p'"):
        build_pairs([motion("0", 5.0, [1]), replace(motion("1", 1.0, [2]), text="another")], NO_GUARD)


def test_a_task_gives_no_more_pairs_than_allowed():
    motions = [
        motion(str(m), score, (m,) * 3, f"p{p}", task=task)
        for p in range(6)
        for m, score in enumerate((1.0, 3.0, 5.0))
        for task in [("integrity", "temporal")[p % 2]]
    ]
    config = NO_GUARD.model_copy(update={"pairs_per_prompt": 2, "pairs_per_task": 3})
    pairs = build_pairs(motions, config)
    assert [pair.task for pair in pairs].count("integrity") == [pair.task for pair in pairs].count("temporal") == 3
    assert len(build_pairs(motions, NO_GUARD.model_copy(update={"pairs_per_prompt": 2}))) == 12


def test_motions_without_a_codebook_are_paired_by_their_frames():
    one, other = (
        ScoredMotion(name, "p", "text", "integrity", "train", (), "end", score, False, frames=frames)
        for name, score, frames in (("a", 5.0, 80), ("b", 2.0, 40))
    )
    (pair,) = build_pairs([one, other], PreferenceConfig())
    assert (pair.chosen_id, pair.rejected_id, pair.longer_by) == ("a", "b", 10)
    assert build_pairs([one, replace(other, stop_reason="empty")], PreferenceConfig()) == []
