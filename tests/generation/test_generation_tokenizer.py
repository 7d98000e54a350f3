"""The vocabulary: T5's layout, words, motion tokens."""

import pytest

from atom.generation.tokenizer import MotionVocabulary, build_word_tokenizer


@pytest.fixture(scope="module")
def vocabulary():
    tokenizer = build_word_tokenizer(["A person jumps twice, then waves.", "a man jumps"])
    return tokenizer, MotionVocabulary.append(tokenizer, 8)


def test_layout_is_t5s(vocabulary):
    tokenizer, motions = vocabulary
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<pad>", "</s>", "<unk>"]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    last = tokenizer.convert_ids_to_tokens(range(motions.first, len(tokenizer)))
    assert last == [f"<motion_id_{k}>" for k in range(11)]  # 8 codes, start, end, mask
    assert (motions.start, motions.end) == (motions.first + 8, motions.first + 9)


def test_texts_are_lower_cased_split_at_punctuation_and_closed(vocabulary):
    tokenizer, _ = vocabulary
    words = tokenizer.convert_ids_to_tokens(tokenizer("A MAN jumps,then waves.").input_ids)
    assert words == ["a", "man", "jumps", ",", "then", "waves", ".", "</s>"]
    assert tokenizer("a cartwheel").input_ids[1] == tokenizer.unk_token_id
    padded = tokenizer(["a man jumps", "a man"], padding=True)
    assert padded.input_ids[1][-1] == 0 and padded.attention_mask[1] == [1, 1, 1, 0]


def test_the_same_texts_in_any_order_give_the_same_words():
    texts = ["waves the hand", "a person jumps", "jumps twice"]
    assert build_word_tokenizer(texts).get_vocab() == build_word_tokenizer(reversed(texts)).get_vocab()


def test_appending_twice_changes_nothing(vocabulary):
    tokenizer, motions = vocabulary
    rows = len(tokenizer)
    assert MotionVocabulary.append(tokenizer, 8) == motions
    assert len(tokenizer) == rows


@pytest.mark.parametrize("codes", [[], [0], [3, 3, 7, 0]])
def test_answers_round_trip_as_ids_and_as_text(vocabulary, codes):
    tokenizer, motions = vocabulary
    ids = motions.answer(codes, tokenizer.eos_token_id)
    assert tokenizer(motions.text(codes)).input_ids == ids
    assert motions.parse(ids) == codes
    assert set(ids) <= set(motions.answer_ids(tokenizer.eos_token_id))


def test_only_what_lies_between_start_and_end_is_motion(vocabulary):
    tokenizer, motions = vocabulary
    first, start, end, word = motions.first, motions.start, motions.end, tokenizer.convert_tokens_to_ids("jumps")
    assert motions.parse([first + 1, start, first + 2, word, start, first + 3, end, first + 4, start, end]) == [2, 3]
    assert motions.parse([end, start, first + 5]) == [5]  # ran into the length limit
    assert motions.parse([first + 1, first + 2, end, 1]) == []
    assert motions.parse([]) == []
