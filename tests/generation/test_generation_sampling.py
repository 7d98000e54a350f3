"""Sampling: one seed per sample in every batch, and the right distribution."""

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import TopPLogitsWarper
from transformers.modeling_outputs import BaseModelOutput

from atom.generation.generator import Generator
from atom.generation.language_model_inference import T5Inference
from atom.generation.sampling import GumbelNoise, _keep_top_k, _keep_top_p, sample_ids


@pytest.fixture(scope="module")
def generator(checkpoint_maker) -> Generator:
    return Generator(checkpoint_maker())


@pytest.mark.slow
def test_the_same_text_and_seed_give_the_same_motion_in_every_batch(generator, texts):
    jobs = [(text, seed) for text in texts for seed in range(40)]
    rows = np.random.default_rng(0).permutation(len(jobs))
    together = generator.sample(*map(list, zip(*jobs)), max_new_tokens=30, batch_size=64)
    shuffled = generator.sample([jobs[i][0] for i in rows], [jobs[i][1] for i in rows], max_new_tokens=30, batch_size=7)
    differing = sum(together[row] != sample for row, sample in zip(rows, shuffled))
    assert differing <= 1  # a near tie may fall either way
    assert len({tuple(sample.tokens) for sample in together}) > 100
    assert {"end", "length"} <= {sample.stop_reason for sample in together}


def test_our_loop_is_transformers_greedy_search(generator, texts):
    model = generator.language_model
    inputs, mask = generator.encode_prompts(texts)
    expected = model.generate(input_ids=inputs, attention_mask=mask, do_sample=False, num_beams=1, max_new_tokens=20)
    inference = T5Inference(model, torch.arange(model.config.vocab_size))
    answers = sample_ids(
        inference, inputs, mask, [0] * len(texts), stop_ids=[1], temperature=0, top_k=0, max_new_tokens=20
    )
    for row, answer in zip(expected[:, 1:].tolist(), answers):
        assert answer == row[: len(answer)] and not any(row[len(answer) :])


def test_samples_follow_the_softmax_of_the_top_k(generator, texts):
    model, temperature, k, n = generator.language_model, 1.3, 5, 4000
    inputs, mask = generator.encode_prompts([texts[0]])
    choices = torch.tensor(generator.motions.answer_ids(1))
    with torch.inference_mode():
        hidden = model.get_encoder()(input_ids=inputs, attention_mask=mask).last_hidden_state
        scores = model(
            decoder_input_ids=torch.zeros(1, 1, dtype=torch.long),
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            attention_mask=mask,
        ).logits[0, -1, choices]
    best = scores.topk(k)
    expected = (best.values / temperature).softmax(0).double().numpy()
    answers = sample_ids(
        T5Inference(model, choices),
        inputs.repeat(n, 1),
        mask.repeat(n, 1),
        range(n),
        stop_ids=[1],
        temperature=temperature,
        top_k=k,
        max_new_tokens=1,
    )
    drawn = np.array([answer[0] for answer in answers])
    counts = np.array([(drawn == token).sum() for token in choices[best.indices].tolist()])
    assert counts.sum() == n
    assert stats.chisquare(counts, n * expected / expected.sum()).pvalue > 1e-3


def test_the_nucleus_is_that_of_the_scores_over_the_temperature(generator, texts):
    """Ten tokens at temperature 6: the likeliest that together have 0.7 are drawn, and no other. At temperature 1 fewer
    tokens would have that share."""
    model, n = generator.language_model, 2000
    inputs, mask = generator.encode_prompts([texts[0]])
    choices = torch.tensor(generator.motions.answer_ids(1)[:10])
    with torch.inference_mode():
        scores = model(input_ids=inputs, attention_mask=mask, decoder_input_ids=torch.zeros(1, 1, dtype=torch.long))
        order = scores.logits[0, -1, choices].sort(descending=True)
    nuclei = {}
    for temperature in (1.0, 6.0):
        shares = (order.values / temperature).softmax(0).tolist()
        size = next(size for size in range(1, 11) if sum(shares[:size]) >= 0.7)
        nuclei[temperature] = set(choices[order.indices[:size]].tolist())
    answers = sample_ids(
        T5Inference(model, choices),
        inputs.repeat(n, 1),
        mask.repeat(n, 1),
        range(n),
        stop_ids=[1],
        temperature=6.0,
        top_k=0,
        max_new_tokens=1,
        top_p=0.7,
    )
    assert {answer[0] for answer in answers} == nuclei[6.0] > nuclei[1.0]


def test_noise_is_gumbel_and_depends_on_its_own_seed_alone():
    noise = GumbelNoise([5, 9], 4000)
    first, second = noise.draw(), noise.draw()
    assert stats.kstest(torch.cat([first, second]).flatten().numpy(), "gumbel_r").pvalue > 1e-3
    noise.keep_rows([1])
    alone = GumbelNoise([9], 4000)
    torch.testing.assert_close(alone.draw(), first[1:], rtol=0, atol=0)
    torch.testing.assert_close(alone.draw(), second[1:], rtol=0, atol=0)
    torch.testing.assert_close(alone.draw(), noise.draw(), rtol=0, atol=0)


def test_the_top_k_are_kept():
    scores = torch.tensor([[1.0, 5.0, 3.0, 4.0]])
    assert _keep_top_k(scores, 2).isfinite().tolist() == [[False, True, False, True]]
    for all_of_them in (0, 4, 50):
        assert _keep_top_k(scores, all_of_them).isfinite().all()


def test_the_nucleus_equals_transformers():
    scores = torch.randn(50, 40, generator=torch.Generator().manual_seed(1)) * 3
    for top_p in (0.05, 0.5, 0.9, 0.999):
        expected = TopPLogitsWarper(top_p)(None, scores)
        torch.testing.assert_close(_keep_top_p(scores, top_p), expected, rtol=0, atol=0)
    assert _keep_top_p(scores, 1.0) is scores


def test_the_nucleus_ends_where_its_probability_is_reached():
    """Probabilities 1/4, 1/2, 1/8, 1/8: one token has 1/2, two have 3/4, and of equal ones the first is kept."""
    scores = torch.tensor([[0.25, 0.5, 0.125, 0.125]]).log()
    for top_p, kept in ((0.5, [1]), (0.51, [0, 1]), (0.75, [0, 1]), (0.76, [0, 1, 2]), (0.9, [0, 1, 2, 3])):
        assert _keep_top_p(scores, top_p).isfinite()[0].nonzero()[:, 0].tolist() == kept, top_p


def test_of_equal_scores_at_the_edge_of_the_top_k_all_are_kept():
    assert _keep_top_k(torch.tensor([[1.0, 2.0, 1.0, 0.0]]), 2).isfinite().tolist() == [[True, True, True, False]]


def test_words_are_drawn_only_where_the_whole_vocabulary_is_allowed(generator, texts):
    """The untrained model gives words a share of the probability; restricted to motion tokens it samples none."""
    settings = dict(texts=texts * 10, seeds=range(40), top_k=0, temperature=3.0, max_new_tokens=8)
    motions = generator.sample(**settings)
    free = generator.sample(**settings, vocabulary="all")
    assert sum(sample.stop_reason == "empty" for sample in free) > sum(s.stop_reason == "empty" for s in motions)
    assert all(0 <= code < generator.motions.codes for sample in free for code in sample.tokens)
