"""From motions to the table of metrics, with an evaluator that is easy to see through."""

import numpy as np
import pytest

from atom.config import MetricsConfig
from atom.errors import AtomError
from atom.evaluation.evaluator.base import TaggedText
from atom.evaluation.metric_rows import (
    Reference,
    compute_metric_rows,
    embed_generated,
    embed_references,
    references_from_prompts,
)
from atom.prompts.grammar import write_prompts


class Transparent:
    """A motion's embedding is its first row and its length; a text's is what its words say."""

    name, weights_hash = "transparent", "0"

    def __init__(self):
        self.lengths = []

    def embed_texts(self, texts):
        return np.array([[*map(float, one.text.split())] for one in texts], np.float32)

    def embed_motions(self, features):
        self.lengths += map(len, features)
        return np.array([[*clip[0, :2], len(clip)] for clip in features], np.float32)


def clip(number, frames):
    return np.full((frames, 263), number, np.float32)


def references(n=40, frames=20):
    return [Reference(f"k{i}", TaggedText(f"{i} {i} {frames}"), clip(i, frames)) for i in range(n)]


def test_made_motions_come_in_the_order_of_the_texts_cut_to_the_length_of_the_real_ones():
    evaluator = Transparent()
    truth = embed_references(evaluator, references(300))
    generated = [(f"k{i}", sample, clip(i + sample / 10, 30)) for sample in (0, 1) for i in reversed(range(300))]
    found = embed_generated(evaluator, truth, [*generated, ("unknown", 0, clip(7, 9))])
    assert found.shape == (300, 2, 3)
    np.testing.assert_allclose(found[:, 0, 0], np.arange(300))
    np.testing.assert_allclose(found[:, 1, 0], np.arange(300) + 0.1, rtol=1e-6)
    assert set(evaluator.lengths) == {20}


def test_every_text_has_as_many_samples_as_the_one_with_the_fewest_in_the_order_of_their_numbers():
    evaluator = Transparent()
    truth = embed_references(evaluator, references(2))
    generated = [("k0", sample, clip(sample, 20)) for sample in (4, 1, 7)] + [("k1", s, clip(s, 20)) for s in (5, 0)]
    assert embed_generated(evaluator, truth, generated)[..., 0].tolist() == [[1, 4], [0, 5]]


def test_a_very_short_motion_is_padded_and_a_missing_one_is_named():
    evaluator = Transparent()
    truth = embed_references(evaluator, references(2))
    embed_generated(evaluator, truth, [("k0", 0, clip(0, 1)), ("k1", 0, clip(1, 2))])
    assert evaluator.lengths[-2:] == [4, 4]
    with pytest.raises(AtomError, match="no motion was made for 'k1'"):
        embed_generated(evaluator, truth, [("k0", 0, clip(0, 8))])
    with pytest.raises(AtomError, match="no texts to measure on"):
        embed_references(evaluator, [])


def test_perfect_motions_get_perfect_figures_and_real_ones_stand_once():
    evaluator = Transparent()
    truth = embed_references(evaluator, references(64))
    perfect = embed_generated(evaluator, truth, [(f"k{i}", 0, clip(i, 20)) for i in range(64)])
    shifted = embed_generated(evaluator, truth, [(f"k{i}", 0, clip(i + 5, 20)) for i in range(64)])
    settings = MetricsConfig(replications=3)
    rows = compute_metric_rows(truth, {"base": shifted, "tuned": perfect}, settings, "transparent", 0)
    found = {(row["arm"], row["metric"]): row["mean"] for row in rows}
    assert [row["arm"] for row in rows if row["metric"] == "fid"].count("real") <= 1
    assert found["tuned", "r_precision_1"] == found["real", "r_precision_1"] == 1
    assert found["tuned", "fid"] == pytest.approx(0, abs=1e-3)
    assert found["base", "fid"] == pytest.approx(50, rel=1e-3)  # two dimensions moved by 5
    assert found["base", "matching"] == pytest.approx(np.sqrt(50), rel=1e-5)
    assert {row["data"] for row in rows} == {"corpus"} and {row["texts"] for row in rows} == {64}


def test_prompts_have_true_motions_of_their_events_and_the_same_ones_again():
    from atom.config import PromptConfig

    prompts = [prompt.to_dict() for prompt in write_prompts(PromptConfig(train_per_task=1, test_per_task=2), 0)]
    first, second = (list(references_from_prompts(prompts, 3)) for _ in range(2))
    assert [one.text.text for one in first] == [prompt["text"] for prompt in prompts]
    for one, other in zip(first, second):
        assert one.features.shape[1] == 263 and np.array_equal(one.features, other.features)


def test_prompts_that_the_corpus_can_not_make_have_no_true_motion():
    def prompt(name, *events):
        rows = [{"action": action, "count": count, "phrase": "", "group": group} for action, count, group in events]
        return {"prompt_id": name, "text": name, "events": rows}

    prompts = [
        prompt("open", ("hurl ball", None, None), ("bow", 1, None)),
        prompt("at once", ("walk_forward", None, 0), ("wave_left", None, 0)),
        prompt("seated", ("sit_down", 1, None), ("walk_forward", 1, None)),
        prompt("without a count", ("bow", None, None)),
    ]
    assert [reference.key for reference in references_from_prompts(prompts, 0)] == ["without a count"]
