"""The training loop: it learns, goes on where it was cut off, and leaves an adapter that plain peft opens."""

import json
import math
import os
import signal

import pytest
import torch
from forked_call import call_in_fork
from peft import PeftModel
from safetensors.torch import load_file
from tuning_models import random_generator, random_pairs

from atom.config import TuningConfig
from atom.errors import AtomError
from atom.fast_linear import fast_frozen_linears
from atom.generation.adapter_loading import check_adapter_base, hash_adapter, load_adapter
from atom.tuning.adapter import add_adapter, get_adapter_state_dict
from atom.tuning.adapter_trainer import compute_learning_rate
from atom.tuning.batches import PairBatch, plan_batches
from atom.tuning.log_probabilities import compute_pair_log_probs
from atom.tuning.pairs import PairShape, TokenizedPairs, TrainingPair, compute_pair_shapes
from atom.tuning.preference_trainer import tune
from atom.tuning.process_group import ProcessGroup

SMALL = TuningConfig(r=4, lora_alpha=8, batch_size=4, num_train_epochs=2, warmup_steps=2, learning_rate=3e-3)
FILES = ["README.md", "adapter_config.json", "adapter_model.safetensors", "atom.json"]


class Stop(Exception):
    pass


def stop_after(last):
    def progress(step, _total, _row):
        if step == last:
            raise Stop

    return progress


def first_step_into(steps):
    def progress(step, _total, _row):
        steps.append(step)
        raise Stop

    return progress


def weights(folder):
    return load_file(folder / "adapter_model.safetensors")


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def without_time(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.parametrize(
    ("loss", "reduction"),
    [(loss, reduction) for loss in ("ipo", "dpo", "hinge", "kto", "sft") for reduction in ("sum", "average")]
    + [("orpo", "average"), ("simpo", "average")],
)
def test_the_loss_falls_and_the_margin_rises(generator, tmp_path, loss, reduction):
    beta = 5.0 if loss in ("orpo", "simpo") else 0.3  # they have no reference from which every margin starts at 0
    config = SMALL.model_copy(
        update={"loss_type": loss, "average_log_prob": reduction == "average", "num_train_epochs": 4, "beta": beta}
    )
    rows = tune(generator, random_pairs(12), config, 0, tmp_path)
    first, last = rows[:3], rows[-3:]
    assert sum(row["loss"] for row in last) < sum(row["loss"] for row in first)
    assert sum(row["chosen_logp"] for row in last) > sum(row["chosen_logp"] for row in first)
    if loss != "sft":
        assert sum(row["margin"] for row in last) > sum(row["margin"] for row in first)
        assert last[-1]["accuracy"] > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("average", [False, True])
def test_unpaired_motions_are_learned_from(generator, tmp_path, average):
    pairs = [
        TrainingPair(pair.text, *((pair.chosen, None) if i % 3 else (None, pair.rejected)))
        for i, pair in enumerate(random_pairs(24))
    ]
    config = SMALL.model_copy(
        update={
            "loss_type": "kto_unpaired",
            "average_log_prob": average,
            "num_train_epochs": 4,
            "beta": 0.3,
        }
    )
    rows = tune(generator, pairs, config, 0, tmp_path)
    first, last = rows[:6], rows[-6:]  # an epoch each
    for metric, sign in (("loss", -1), ("chosen_logp", 1), ("margin", 1), ("accuracy", 1)):
        assert sign * (sum(row[metric] for row in last) - sum(row[metric] for row in first)) > 0, metric


@pytest.mark.parametrize("loss", ["kto", "kto_unpaired"])
def test_losses_of_whole_steps_are_not_split(generator, pairs, tmp_path, loss):
    with pytest.raises(ValueError, match="micro_batch_size"):
        TuningConfig(loss_type=loss, micro_batch_size=2)
    with pytest.raises(AtomError, match=r"resources\.processes=1"):
        tune(
            generator,
            pairs,
            SMALL.model_copy(update={"loss_type": loss}),
            0,
            tmp_path,
            process_group=ProcessGroup(0, 2),
        )


def test_a_fresh_adapter_starts_at_the_reference(generator, pairs, tmp_path):
    first = tune(generator, pairs, SMALL, 0, tmp_path)[0]
    assert abs(first["margin"]) < 1e-3
    assert first["preference_loss"] == pytest.approx(25, rel=1e-3)  # (0 - 1 / (2 * 0.1)) ** 2
    assert first["loss"] == pytest.approx(first["preference_loss"] - SMALL.sft_weight * first["chosen_logp"], rel=1e-5)


@pytest.mark.slow
def test_the_seed_alone_decides_the_adapter_to_the_byte(pairs, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(len(name))  # the global state of torch must not matter
        tune(random_generator(), pairs, SMALL, seed, tmp_path / name)
    first, again, other = ([(tmp_path / name / file).read_bytes() for file in FILES] for name in "abc")
    assert first == again
    assert first[2] != other[2]


@pytest.mark.slow
def test_a_resumed_tuning_ends_with_exactly_the_same_weights(pairs, tmp_path):
    unbroken = tune(random_generator(), pairs, SMALL, 0, tmp_path / "unbroken")
    work = tmp_path / "work"
    with pytest.raises(Stop):
        tune(random_generator(), pairs, SMALL, 0, tmp_path / "broken", stop_after(6), work, save_every=4)
    steps = []
    rows = tune(random_generator(), pairs, SMALL, 0, tmp_path / "broken", lambda step, *_: steps.append(step), work)
    assert steps == [5, 6, 7, 8, 9, 10]
    assert without_time(rows) == without_time(unbroken)
    assert same(weights(tmp_path / "broken"), weights(tmp_path / "unbroken"))
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("change", ["seed", "config", "pairs"])
def test_another_tuning_never_resumes_from_a_saved_state(pairs, tmp_path, change):
    with pytest.raises(Stop):
        tune(random_generator(), pairs, SMALL, 0, tmp_path / "a", stop_after(2), tmp_path / "work", save_every=2)
    config = SMALL.model_copy(update={"beta": 0.2}) if change == "config" else SMALL
    others = pairs[:-1] if change == "pairs" else pairs
    steps = []
    with pytest.raises(Stop):
        tune(
            random_generator(),
            others,
            config,
            int(change == "seed"),
            tmp_path / "b",
            first_step_into(steps),
            tmp_path / "work",
        )
    assert steps == [1]


def test_a_damaged_state_says_what_to_do(pairs, tmp_path):
    with pytest.raises(Stop):
        tune(random_generator(), pairs, SMALL, 0, tmp_path / "a", stop_after(4), tmp_path / "work", save_every=4)
    (state,) = (tmp_path / "work").iterdir()
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(AtomError, match="delete it to start over"):
        tune(random_generator(), pairs, SMALL, 0, tmp_path / "a", None, tmp_path / "work")


@pytest.mark.slow
def test_kill_9_while_the_state_is_written_leaves_the_one_before(pairs, tmp_path, monkeypatch):
    write, written = torch.save, []

    def save_half(state, path):
        written.append(path)
        write(state, path)
        if len(written) == 2:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def work():
        monkeypatch.setattr(torch, "save", save_half)
        tune(random_generator(), pairs, SMALL, 0, tmp_path / "broken", work=tmp_path / "work", save_every=3)

    assert call_in_fork(work) == -signal.SIGKILL
    steps = []
    tune(
        random_generator(), pairs, SMALL, 0, tmp_path / "broken", lambda step, *_: steps.append(step), tmp_path / "work"
    )
    assert steps[0] == 4
    tune(random_generator(), pairs, SMALL, 0, tmp_path / "unbroken")
    assert same(weights(tmp_path / "broken"), weights(tmp_path / "unbroken"))


@pytest.mark.parametrize("targets", ["all-linear", "q,v"])
def test_plain_peft_loads_the_adapter_and_computes_the_same_log_probabilities(generator, tmp_path, targets):
    pair = TrainingPair("he bows", (1, 2, 3), (4, 5))
    config = SMALL.model_copy(update={"target_modules": targets, "num_train_epochs": 6})
    rows = tune(generator, [pair], config, 0, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    tuned = PeftModel.from_pretrained(random_generator().language_model, str(tmp_path)).eval()
    (tokens,) = TokenizedPairs(generator, [pair])
    inputs = {"input_ids": torch.tensor([tokens.prompt]), "labels": torch.tensor([tokens.chosen])}
    with tuned.disable_adapter():
        base = -tuned(**inputs).loss.item() * len(tokens.chosen)
    assert base == pytest.approx(rows[0]["chosen_logp"], abs=1e-3)
    # What a first step on from the saved adapter sees is what peft computes with it.
    following = tune(generator, [pair], config, 0, tmp_path / "next", init_adapter=tmp_path)[0]
    likelihood = -tuned(**inputs).loss.item() * len(tokens.chosen)
    assert likelihood == pytest.approx(following["chosen_logp"], abs=1e-3)
    assert likelihood > base + 0.1
    assert same(get_adapter_state_dict(tuned), weights(tmp_path))
    load_adapter(random_generator().language_model, tmp_path)  # our own loader checks every key


@pytest.mark.parametrize(
    ("targets", "expected"),
    [("all-linear", {"q", "k", "v", "o", "wi_0", "wi_1", "wo"}), ("q,v", {"q", "v"})],
)
def test_the_adapter_has_the_configured_layers_and_names_no_path_of_this_machine(
    generator, pairs, tmp_path, targets, expected
):
    generator.language_model.name_or_path = generator.language_model.config.name_or_path = "/some/folder"
    config = SMALL.model_copy(update={"target_modules": targets, "max_steps": 1})
    tune(generator, pairs, config, 0, tmp_path, base="tiny")
    assert {name.split(".")[-3] for name in weights(tmp_path)} == expected
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "tiny"
    assert (settings["r"], settings["lora_alpha"], settings["task_type"]) == (4, 8, "SEQ_2_SEQ_LM")
    for file in FILES:
        assert b"/some/folder" not in (tmp_path / file).read_bytes()


@pytest.mark.slow
def test_tuning_leaves_the_generator_unchanged(generator, pairs, tmp_path):
    model = generator.language_model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tune(generator, pairs, SMALL, 0, tmp_path / "a")
    assert generator.language_model is model
    assert same(before, model.state_dict())
    with pytest.raises(Stop):
        tune(generator, pairs, SMALL, 0, tmp_path / "b", stop_after(1))
    assert same(before, generator.language_model.state_dict())
    tune(generator, pairs, SMALL, 0, tmp_path / "b")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


@pytest.mark.slow
def test_a_second_round_starts_from_the_adapter_with_the_same_reference(pairs, tmp_path):
    first = tune(random_generator(), pairs, SMALL, 0, tmp_path / "first")
    second = tune(random_generator(), pairs, SMALL, 1, tmp_path / "second", init_adapter=tmp_path / "first")
    assert second[0]["margin"] > 0.1 > abs(first[0]["margin"])
    assert sum(row["margin"] for row in second) > sum(row["margin"] for row in first)
    for change, words in (
        ({"r": 8}, "tuning.r"),
        ({"lora_alpha": 16}, "tuning.lora_alpha"),
        ({"target_modules": "q,v"}, "fit"),
    ):
        with pytest.raises(AtomError, match=words):
            tune(
                random_generator(),
                pairs,
                SMALL.model_copy(update=change),
                0,
                tmp_path / "third",
                init_adapter=tmp_path / "first",
            )
    with pytest.raises(AtomError, match="no adapter"):
        tune(random_generator(), pairs, SMALL, 0, tmp_path / "third", init_adapter=tmp_path)


def test_a_loss_that_is_not_finite_stops_with_a_hint_and_keeps_the_last_state(generator, pairs, tmp_path):
    def spoil(step, _total, _row):
        if step == 5:
            with torch.no_grad():
                generator.language_model.lm_head.weight[3, 0] = math.nan

    with pytest.raises(AtomError, match=r"step 6 of 10.*lower tuning\.learning_rate"):
        tune(generator, pairs, SMALL, 0, tmp_path / "adapter", spoil, tmp_path / "work", save_every=4)
    assert not (tmp_path / "adapter").exists()
    steps = []
    tune(
        random_generator(),
        pairs,
        SMALL,
        0,
        tmp_path / "adapter",
        lambda step, *_: steps.append(step),
        tmp_path / "work",
    )
    assert steps[0] == 5


def test_invalid_arguments_are_refused(generator, pairs, tmp_path):
    with pytest.raises(AtomError, match=r"preferences\.min_gap"):
        tune(generator, [], SMALL, 0, tmp_path / "a")
    tune(generator, pairs, SMALL, 0, tmp_path / "a")
    generator.language_model = load_adapter(generator.language_model, tmp_path / "a")
    with pytest.raises(AtomError, match="init_adapter"):
        tune(generator, pairs, SMALL, 0, tmp_path / "b")


def test_fine_tuning_sees_a_chosen_motion_once_an_epoch(generator, tmp_path):
    pairs = [TrainingPair("he bows", (1, 2), (rejected,)) for rejected in range(8)]
    steps = len(tune(generator, pairs, SMALL.model_copy(update={"loss_type": "sft"}), 0, tmp_path))
    assert steps == SMALL.num_train_epochs


def test_every_pair_is_used_once_an_epoch_in_batches_of_similar_length():
    pairs = compute_pair_shapes(random_pairs(103, lengths=(3, 40)))
    config = SMALL.model_copy(update={"num_train_epochs": 3})
    batches = plan_batches(pairs, config, seed=5)
    for first in range(0, 78, 26):
        assert sorted(i for batch in batches[first : first + 26] for i in batch) == list(range(103))
    assert len(batches) == 78
    assert max(map(len, batches)) == 4
    assert batches == plan_batches(pairs, config, seed=5) != plan_batches(pairs, config, seed=6)
    assert plan_batches(pairs, config.model_copy(update={"max_steps": 7}), seed=5) == batches[:7]


def test_short_and_long_batches_come_in_a_random_order():
    """Within a pool pairs are sorted by length; steps in that order would train on short answers first."""
    pairs = [PairShape(number, number) for number in range(64)]
    lengths = [
        [pairs[i].length for i in batch]
        for batch in plan_batches(pairs, SMALL.model_copy(update={"num_train_epochs": 1}), 0)
    ]
    assert [max(batch) - min(batch) for batch in lengths] == [3] * 16
    assert sorted(lengths) != lengths != sorted(lengths, reverse=True)


def test_the_learning_rate_rises_and_falls():
    rates = [compute_learning_rate(step, 100, 1e-3, 10) for step in range(100)]
    assert rates[9] == max(rates) == 1e-3
    assert rates[:10] == sorted(rates[:10]) and rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 1e-5
    assert compute_learning_rate(0, 1, 1e-3, 20) == 1e-3
    assert max(compute_learning_rate(step, 10, 1e-3, 20) for step in range(10)) == 1e-3


@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 0.1), (4, 0.5), (9, 1), (10, 1), (35, 0.853553), (60, 0.5), (85, 0.146447), (109, 0.00024672)],
)
def test_the_learning_rate_is_a_line_and_then_half_a_cosine(step, share):
    """110 steps of which 10 warm up: a quarter of the decay leaves (1 + sqrt(1/2)) / 2, the half 1/2."""
    assert compute_learning_rate(step, 110, 2e-3, 10) == pytest.approx(2e-3 * share, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"micro_batch_size": 3},
        {"gradient_checkpointing": True},
        {"micro_batch_size": 2, "gradient_checkpointing": True},
    ],
)
@pytest.mark.parametrize("loss", ["ipo", "simpo"])
def test_saving_memory_gives_the_same_adapter_up_to_rounding(pairs, tmp_path, change, loss):
    config = SMALL.model_copy(update={"loss_type": loss, "average_log_prob": True, "max_steps": 3})
    plain = tune(random_generator(), pairs, config, 0, tmp_path / "plain")
    saving = tune(random_generator(), pairs, config.model_copy(update=change), 0, tmp_path / "saving")
    for one, other in zip(plain, saving, strict=True):
        for name in ("loss", "margin", "chosen_logp", "gradient_norm"):
            assert other[name] == pytest.approx(one[name], rel=1e-3, abs=1e-5), name
    one, other = weights(tmp_path / "plain"), weights(tmp_path / "saving")
    assert all(torch.allclose(one[key], other[key], atol=1e-4) for key in one)


def test_gradient_checkpointing_stores_fewer_activations(generator, pairs, tmp_path):
    def count_saved(enabled):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: sizes.append(tensor.numel()) or tensor, lambda t: t
        ):
            config = SMALL.model_copy(update={"gradient_checkpointing": enabled, "max_steps": 1})
            tune(random_generator(layers=4), pairs, config, 0, tmp_path / str(enabled))
        return sum(sizes)

    assert count_saved(True) < count_saved(False)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"use_rslora": True}, {"use_dora": True}, {"target_modules": "v,o,wi_0"}])
def test_variants_of_lora_are_tuned_and_loaded(generator, pairs, tmp_path, change):
    config = SMALL.model_copy(update=change)
    rows = tune(generator, random_pairs(12), config.model_copy(update={"num_train_epochs": 6}), 0, tmp_path)
    assert rows[-1]["loss"] < rows[0]["loss"]
    adapted = load_adapter(generator.language_model, tmp_path)
    assert same(get_adapter_state_dict(adapted), weights(tmp_path))
    tune(random_generator(), pairs, config, 0, tmp_path / "on", init_adapter=tmp_path)


def test_unknown_target_modules_are_refused_with_the_known_ones(generator, pairs, tmp_path):
    with pytest.raises(
        AtomError,
        match=r"the layers 'query'.*target_modules to some of k, lm_head, o, q, v, wi_0",
    ):
        tune(generator, pairs, SMALL.model_copy(update={"target_modules": "query"}), 0, tmp_path)


@pytest.mark.slow
def test_unclear_preferences_count_less(tmp_path):
    config = SMALL.model_copy(
        update={"loss_type": "dpo", "beta": 1.0, "degree_smoothing": {"Slightly better": 0.4}, "max_steps": 1}
    )
    losses = {}
    for degree in ("Much better", "Slightly better"):
        pairs = [TrainingPair(pair.text, pair.chosen, pair.rejected, degree) for pair in random_pairs(4)]
        tune(
            random_generator(),
            pairs,
            config.model_copy(update={"max_steps": 0, "num_train_epochs": 9}),
            0,
            tmp_path / degree,
        )
        rows = tune(random_generator(), pairs, config, 0, tmp_path / "on", init_adapter=tmp_path / degree)
        losses[degree] = rows[0]["preference_loss"], rows[0]["margin"]
    assert losses["Slightly better"][1] < losses["Much better"][1]
    assert losses["Slightly better"][0] > losses["Much better"][0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"loss_type": "orpo"}, "needs averaged"),
        ({"loss_type": "kto", "micro_batch_size": 4}, "leave micro_batch_size at 0"),
        ({"loss_type": "sft", "degree_smoothing": {"Better": 0.1}}, "takes no label smoothing"),
        ({"degree_smoothing": {"Better": 0.5}}, "less than 0.5"),
        ({"target_modules": "q, v"}, "pattern"),
        ({"vocabulary": "motion", "target_modules": "q,lm_head"}, "leave lm_head out"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(change, reason):
    with pytest.raises(ValueError, match=reason):
        TuningConfig(**change)


def test_an_adapter_has_its_provenance_and_is_refused_on_another_base(pairs, tmp_path):
    generator = random_generator()
    generator.weights_hash = "a" * 64
    tune(generator, pairs, SMALL, 5, tmp_path / "first")
    tune(generator, pairs, SMALL, 6, tmp_path / "second", init_adapter=tmp_path / "first")
    provenance = json.loads((tmp_path / "second/atom.json").read_text())
    assert provenance["tuning"] == SMALL.model_dump() and (provenance["seed"], provenance["pairs"]) == (6, 20)
    assert provenance["went_on_from"] == hash_adapter(tmp_path / "first")
    check_adapter_base(tmp_path / "second", "a" * 64)
    with pytest.raises(AtomError, match=r"tuned on a base with the hash aaaaaaaaaaaa\.\.\., this one has bbbbbbbbbbbb"):
        check_adapter_base(tmp_path / "second", "b" * 64)
    (tmp_path / "second/atom.json").write_text("{")
    with pytest.raises(AtomError, match=r"atom\.json does not say what the adapter was tuned on"):
        check_adapter_base(tmp_path / "second", "a" * 64)
    (tmp_path / "second/atom.json").unlink()
    check_adapter_base(tmp_path / "second", "b" * 64)


def test_after_gradient_checkpointing_the_generator_samples_as_before(generator, pairs, tmp_path):
    before = generator.sample(["a person jumps twice"], [4], max_new_tokens=20)
    tune(generator, pairs, SMALL.model_copy(update={"gradient_checkpointing": True, "max_steps": 2}), 0, tmp_path)
    assert not any(
        layer.training or getattr(layer, "gradient_checkpointing", False)
        for layer in generator.language_model.modules()
    )
    assert generator.sample(["a person jumps twice"], [4], max_new_tokens=20) == before


def test_fast_frozen_layers_give_the_same_losses_and_gradients(generator, pairs):
    adapted = add_adapter(generator.language_model, SMALL, 0)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)
    batch = PairBatch.of(list(TokenizedPairs(generator, pairs)), 0, torch.device("cpu"))

    def step():
        adapted.zero_grad()
        chosen, rejected = compute_pair_log_probs(adapted.get_base_model(), batch, "sum")
        (chosen - rejected).square().mean().backward()
        return chosen.detach(), {name: p.grad.clone() for name, p in adapted.named_parameters() if p.grad is not None}

    plain, plain_gradients = step()
    with fast_frozen_linears(adapted):
        fast, fast_gradients = step()
    assert torch.allclose(fast, plain, rtol=1e-5) and plain_gradients.keys() == fast_gradients.keys()
    for name, gradient in plain_gradients.items():
        assert (fast_gradients[name] - gradient).abs().max() <= 1e-4 * gradient.abs().max(), name
    again, _ = step()
    assert torch.equal(again, plain)
