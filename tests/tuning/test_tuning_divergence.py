"""A tuning that diverges is stopped with an error that says so."""

import pytest

from atom.config import PromptConfig, TuningConfig
from atom.errors import AtomError
from atom.generation.generator import Generator
from atom.prompts.grammar import write_split
from atom.tuning.divergence import check_divergence
from atom.tuning.pairs import TrainingPair
from atom.tuning.preference_trainer import tune

HEALTHY = [0.7, 0.72, 0.69, 0.75, 0.7, 0.71, 0.7, 0.68, 0.7, 0.7]


def test_a_model_that_drifts_too_far_is_stopped():
    check_divergence(20, HEALTHY, [value + 0.9 for value in HEALTHY], HEALTHY, HEALTHY, 1.0, "")
    with pytest.raises(AtomError, match=r"diverges at step 20.*1\.20 nats a token.*max_drift=1; wait"):
        check_divergence(20, HEALTHY, [value + 1.2 for value in HEALTHY], HEALTHY, HEALTHY, 1.0, "wait")
    check_divergence(19, HEALTHY, [value + 1.2 for value in HEALTHY], HEALTHY, HEALTHY, 1.0, "too early to say")


def test_gradients_that_explode_are_stopped_and_a_single_large_one_is_not():
    check_divergence(40, HEALTHY, HEALTHY, HEALTHY, [*HEALTHY[:9], 900.0], 1.0, "")
    with pytest.raises(AtomError, match=r"gradient norm has grown from 0\.7 to 140"):
        check_divergence(40, HEALTHY, HEALTHY, HEALTHY, [value * 200 for value in HEALTHY], 1.0, "")


@pytest.mark.slow
def test_a_tuning_with_far_too_high_a_learning_rate_is_stopped(tmp_path):
    generator = Generator.load()
    texts = [prompt.text for prompt in write_split(PromptConfig(), 0, "train", 4) for _ in range(2)]
    motions = generator.sample(texts, range(len(texts)), batch_size=len(texts))
    pairs = [
        TrainingPair(text, tuple(one.tokens), tuple(other.tokens))
        for text, one, other in zip(texts[::2], motions[::2], motions[1::2])
    ]
    config = TuningConfig(
        batch_size=4, num_train_epochs=40, warmup_steps=2, learning_rate=0.03, sft_weight=0, average_log_prob=True
    )
    steps = []
    with pytest.raises(AtomError, match=r"diverges at step \d+.*lower tuning\.learning_rate=0\.03"):
        tune(generator, pairs, config, 0, tmp_path / "a", lambda step, *_: steps.append(step))
    assert len(steps) < 40 and not (tmp_path / "a").exists()


def test_a_model_that_becomes_surer_of_its_answers_has_not_drifted():
    """The drift falls where the chosen answers become likelier, however far."""
    check_divergence(40, [2.0] * 10, [0.1] * 10, [1.0] * 10, [1.0] * 10, 1.0, "hint")
    with pytest.raises(AtomError, match=r"drifted 1\.90"):
        check_divergence(40, [0.1] * 10, [2.0] * 10, [1.0] * 10, [1.0] * 10, 1.0, "hint")
