"""One vocabulary for text and motion tokens, in T5's layout: <pad> 0, </s> 1, <unk> 2, words, then motion tokens.

As in MotionGPT, `<motion_id_K>` are appended for K = 0..codes+2: the codes, then start, end and mask of a motion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"


def build_word_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Builds a lower-casing tokenizer of the words and punctuation marks in `texts`. </s> ends every text."""
    normalizer, splitter = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    words = {word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))}
    vocabulary = {word: i for i, word in enumerate([PAD, END, UNKNOWN, *sorted(words)])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, vocabulary[END])]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, unk_token=UNKNOWN)


@dataclass(frozen=True)
class MotionVocabulary:
    """The ids of the motion tokens in a tokenizer: code k has the id `first + k`."""

    first: int
    codes: int

    @staticmethod
    def append(tokenizer: PreTrainedTokenizerFast, codes: int) -> MotionVocabulary:
        """Appends the motion tokens to a tokenizer that may have them already.

        Args:
            tokenizer: changed in place.
            codes: number of codes.

        Returns:
            The ids of the motion tokens.
        """
        # Three more than codes: start, end, and the mask token of MotionGPT, which keeps its ids.
        tokenizer.add_tokens([f"<motion_id_{k}>" for k in range(codes + 3)])
        return MotionVocabulary(tokenizer.convert_tokens_to_ids("<motion_id_0>"), codes)

    @property
    def start(self) -> int:
        return self.first + self.codes

    @property
    def end(self) -> int:
        return self.first + self.codes + 1

    def answer(self, codes: Sequence[int], end_token: int) -> list[int]:
        """The token ids of a whole answer: start, codes, end, </s>.

        Args:
            codes: the codes of a motion.
            end_token: the id of </s>.

        Returns:
            The ids.
        """
        return [self.start, *(self.first + code for code in codes), self.end, end_token]

    def answer_ids(self, end_token: int) -> list[int]:
        """All token ids that can be in an answer."""
        return [end_token, *range(self.first, self.end + 1)]

    def text(self, codes: Sequence[int]) -> str:
        """The answer as text, `<motion_id_START>...<motion_id_END>`, which the tokenizer encodes to the same ids."""
        return "".join(f"<motion_id_{k}>" for k in (self.codes, *codes, self.codes + 1))

    def parse(self, ids: Sequence[int]) -> list[int]:
        """The codes between the first start token and the next end token, or up to the last id if there is none.

        All other ids are dropped, also a start token inside the motion, which MotionGPT would decode as the last code.
        Without a start token the motion is empty, where MotionGPT takes code 0.
        """
        ids = list(ids)
        if self.start not in ids:  # possible with the whole vocabulary only
            return []
        ids = ids[ids.index(self.start) + 1 :]
        ids = ids[: ids.index(self.end)] if self.end in ids else ids
        return [i - self.first for i in ids if self.first <= i < self.first + self.codes]
