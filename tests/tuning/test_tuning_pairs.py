"""Pairs that are read as they are needed."""

import pytest
import torch
from tuning_models import random_generator, random_pairs

from atom.config import TuningConfig
from atom.tuning.batches import PairBatch, iterate_batches, plan_batches
from atom.tuning.pairs import PairFile, TokenizedPairs, TrainingPair, compute_pair_shapes, hash_pairs, unpair
from atom.tuning.preference_trainer import tune

CPU = torch.device("cpu")


def in_file(path, pairs, size=7):
    return PairFile.write(path, (pairs[start : start + size] for start in range(0, len(pairs), size)))


def test_a_pair_file_gives_the_pairs_back(tmp_path):
    pairs = [*random_pairs(30), TrainingPair("he bows", (1,), None, "Much better"), TrainingPair("he bows", (), (3,))]
    in_a_file = in_file(tmp_path / "pairs.arrow", pairs)
    assert len(in_a_file) == 32 and list(in_a_file) == pairs and hash_pairs(in_a_file) == hash_pairs(pairs)
    assert len(in_file(tmp_path / "none.arrow", [])) == 0
    with pytest.raises(IndexError):
        in_a_file[32]


def test_a_pair_file_gives_the_same_adapter_as_a_list(tmp_path):
    config = TuningConfig(r=4, batch_size=4, num_train_epochs=2, warmup_steps=1)
    pairs = random_pairs(20)
    tune(random_generator(), pairs, config, 0, tmp_path / "list")
    tune(random_generator(), in_file(tmp_path / "pairs.arrow", pairs), config, 0, tmp_path / "file")
    files = [tmp_path / name / "adapter_model.safetensors" for name in ("list", "file")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_batches_are_read_on_demand():
    read = []

    class Watched(TokenizedPairs):
        def __getitems__(self, indices):
            read.append(list(indices))
            return super().__getitems__(indices)

    pairs = random_pairs(20)
    plan = plan_batches(compute_pair_shapes(pairs), TuningConfig(batch_size=6), 0)
    batches = iterate_batches(Watched(random_generator(), pairs), plan, 0, CPU)
    assert read == []
    first = next(batches)
    assert read == plan[:1] and len(first.chosen_index) == len(plan[0])
    assert len(list(batches)) == len(plan) - 1 and read == plan


def test_unpaired_motions_are_labelled_by_most_of_their_pairs_and_are_unique():
    a, b, c = (1,), (2,), (3,)
    pairs = [TrainingPair("x", a, b), TrainingPair("x", a, c), TrainingPair("x", b, c), TrainingPair("y", b, a)]
    motions = unpair(pairs)
    assert motions == [
        TrainingPair("x", a, None),
        TrainingPair("x", None, c),
        TrainingPair("y", b, None),
        TrainingPair("y", None, a),
    ]
    assert unpair(motions) == motions


def test_a_batch_of_unpaired_motions_says_which_side_each_has():
    pairs = TokenizedPairs(
        random_generator(), [TrainingPair("he bows", (1, 2), None), TrainingPair("he bows", None, (3,))]
    )
    batch = PairBatch.of(list(pairs), 0, CPU)
    assert batch.has_chosen.tolist() == [True, False] and batch.has_rejected.tolist() == [False, True]
    assert (batch.chosen_index.tolist(), batch.rejected_index.tolist(), len(batch.labels)) == ([0], [1], 2)
