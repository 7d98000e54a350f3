"""The built-in evaluator: what its embeddings depend on, how well it ranks, its folder and its training."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from atom.config import load_section
from atom.corpus.composition import make_motion
from atom.corpus.corpus_shards import build_corpus, draw_events
from atom.errors import AtomError
from atom.evaluation.evaluator import small_evaluator_training
from atom.evaluation.evaluator.base import TaggedText
from atom.evaluation.evaluator.small_evaluator import BUILTIN, load_small_evaluator, save_small_evaluator
from atom.evaluation.evaluator.small_evaluator_training import (
    CAPTION_ERRORS,
    EvaluatorExample,
    SmallEvaluatorTrainingConfig,
    contrastive_loss,
    make_captions,
    make_distinct_motions,
    measure_evaluator_quality,
    pretrain_evaluator,
    randomly_mirror,
    train_evaluator,
)
from atom.events import ACTIONS, Event, assign_split
from atom.motion.features import CONTACTS, joints_to_features
from atom.prompts.parsing import parse_events

ROUNDING = 1e-4  # of vectors of length 8, in sums of another order


@pytest.fixture(scope="module")
def evaluator():
    return load_small_evaluator()


@pytest.fixture(scope="module")
def motions():
    """Compositions of a split that neither the training nor the shipped figures used, and their features."""
    return make_distinct_motions(300, "test", seed=5)


@pytest.fixture(scope="module")
def features():
    """Of the first of them; 300 take seconds."""
    return [rows for _, rows in make_distinct_motions(40, "test", seed=5)]


def words(*texts):
    return [TaggedText(text) for text in texts]


def test_texts_and_motions_lie_on_one_sphere_and_stay_where_they_are(evaluator, features):
    texts = words("a person jumps twice", "someone bows, then walks forward")
    for embed, given in ((evaluator.embed_texts, texts), (evaluator.embed_motions, features[:5])):
        found = embed(given)
        assert found.shape == (len(given), 64) and found.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 8, atol=ROUNDING)
        np.testing.assert_array_equal(embed(given), found)
    assert evaluator.name == "built-in" and evaluator.embed_motions([]).shape == (0, 64)


def test_neither_order_nor_batch_mates_matter(evaluator, features):
    lengths = [len(rows) for rows in features]
    assert len(set(lengths)) > 10
    together = evaluator.embed_motions(features)
    order = np.random.default_rng(0).permutation(len(features))
    np.testing.assert_allclose(evaluator.embed_motions([features[i] for i in order]), together[order], atol=ROUNDING)
    for place in (int(np.argmin(lengths)), int(np.argmax(lengths)), 0):
        np.testing.assert_allclose(evaluator.embed_motions([features[place]])[0], together[place], atol=ROUNDING)

    texts = words("a person bows", "a man walks forward, then jumps up five times and finally sits on a chair", "bow")
    np.testing.assert_allclose(evaluator.embed_texts(texts[::-1])[::-1], evaluator.embed_texts(texts), atol=ROUNDING)
    np.testing.assert_allclose(evaluator.embed_texts(texts[:1])[0], evaluator.embed_texts(texts)[0], atol=ROUNDING)


def test_contacts_and_frames_beyond_the_last_movement_do_not_count(evaluator, features):
    longest = np.concatenate([features[0], features[1], features[2]])[:196]
    other = longest.copy()
    other[:, CONTACTS] = 1 - other[:, CONTACTS]
    for same in (other, np.concatenate([longest, features[3]]), np.concatenate([longest[:196], longest[:3]])):
        np.testing.assert_allclose(evaluator.embed_motions([same]), evaluator.embed_motions([longest]), atol=ROUNDING)
    assert np.abs(evaluator.embed_motions([longest[:100]]) - evaluator.embed_motions([longest])).max() > 0.1


def test_of_a_text_the_known_words_count_and_their_order(evaluator):
    plain, same, tagged, turned, unknown, other_unknown = evaluator.embed_texts(
        [
            *words("a person bows and then jumps", "A person bows, and THEN jumps."),
            TaggedText("a person bows and then jumps", ("a/DET", "person/NOUN")),
            *words("a person jumps and then bows", "a zebra bows and then jumps", "a wombat bows and then jumps"),
        ]
    )
    np.testing.assert_allclose([same, tagged], [plain, plain], atol=ROUNDING)
    np.testing.assert_allclose(unknown, other_unknown, atol=ROUNDING)
    assert np.linalg.norm(plain - turned) > 1
    assert np.linalg.norm(plain - unknown) < np.linalg.norm(plain - turned)


@pytest.mark.slow
def test_the_shipped_figures_hold_on_compositions_nobody_measured(evaluator, motions):
    found = measure_evaluator_quality(evaluator, motions, seed=7)
    shipped = json.loads((BUILTIN / "training.json").read_text())
    assert shipped["weights"] == evaluator.weights_hash
    quality = shipped["quality"]["clean"]
    assert quality["r_precision"][0] >= 0.8 and quality["r_precision"][2] >= 0.95
    assert quality["nearer"]["swapped"] >= 0.85 and quality["nearer"]["recounted"] >= 0.8
    assert (np.array(found["r_precision"]) >= np.array(quality["r_precision"]) - 0.06).all()
    assert all(found["nearer"][name] >= share - 0.08 for name, share in quality["nearer"].items())
    assert found["matching"] <= 1.15 * quality["matching"]


@pytest.mark.slow
def test_captions_of_other_motions_are_farther(evaluator, motions):
    turned = [(motions[i - 1][0], rows) for i, (_, rows) in enumerate(motions)]
    found = measure_evaluator_quality(evaluator, turned, seed=7)
    assert found["r_precision"][0] < 0.2
    assert found["matching"] > 2 * measure_evaluator_quality(evaluator, motions, seed=7)["matching"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((40, 262)), r"motion 1 has shape \(40, 262\)"),
        (np.zeros((3, 263)), r"motion 1 has shape \(3, 263\)"),
        (np.full((40, 263), np.nan), "motion 1 holds NaN or infinity, first in frame 0"),
    ],
)
def test_what_is_no_motion_is_named(evaluator, features, rows, message):
    with pytest.raises(AtomError, match=message):
        evaluator.embed_motions([features[0], rows])


def test_a_text_without_words_is_named(evaluator):
    with pytest.raises(AtomError, match=r"'\.\.\.' holds no word"):
        evaluator.embed_texts(words("a person bows", "..."))


def _cut(folder):
    path = folder / "evaluator.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _without_a_tensor(folder):
    state = load_file(folder / "evaluator.safetensors")
    del state["motion_encoder.hidden"]
    save_file(state, folder / "evaluator.safetensors")


def _changed_config(**changes):
    def change(folder):
        config = json.loads((folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps(config))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json.*atom pretrain-evaluator"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json.*atom pretrain-evaluator"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json.*atom pretrain-evaluator"),
        (_changed_config(words=None), "config.json.*atom pretrain-evaluator"),
        (_changed_config(height=3), "config.json.*height.*atom pretrain-evaluator"),
        (_changed_config(width=-1), "config.json.*width.*atom pretrain-evaluator"),
        (_changed_config(words=["bows"]), "evaluator.safetensors does not fit.*word_vectors.weight is"),
        (_without_a_tensor, "evaluator.safetensors does not fit.*missing motion_encoder.hidden"),
        (_cut, "evaluator.safetensors.*damaged"),
        (lambda folder: (folder / "evaluator.safetensors").unlink(), "can't read .*evaluator.safetensors"),
    ],
)
def test_a_damaged_folder_is_named(tmp_path, damage, message):
    folder = shutil.copytree(BUILTIN, tmp_path / "evaluator")
    damage(folder)
    with pytest.raises(AtomError, match=message) as raised:
        load_small_evaluator(folder)
    assert "\n" not in str(raised.value)


def test_the_package_is_small_and_its_hash_tells_it_from_others(evaluator, tmp_path):
    assert sum(path.stat().st_size for path in BUILTIN.iterdir()) < 1_500_000
    folder = shutil.copytree(BUILTIN, tmp_path / "evaluator")
    assert load_small_evaluator(folder).weights_hash == evaluator.weights_hash
    state = load_file(folder / "evaluator.safetensors")
    state["mean"][0] += 1
    save_file(state, folder / "evaluator.safetensors")
    assert load_small_evaluator(folder).weights_hash != evaluator.weights_hash


def test_wrong_captions_are_wrong_in_the_way_they_say():
    rng = np.random.default_rng(0)
    for _ in range(200):
        events = draw_events(rng)
        for name, make_error in CAPTION_ERRORS.items():
            wrong = make_error(events, rng)
            if wrong is None:
                countable = any(ACTIONS[event.action].countable for event in events)
                assert (name == "recounted" and not countable) or (name in ("swapped", "dropped") and len(events) == 1)
                continue
            assert wrong != events
            if name == "dropped":
                assert len(wrong) == len(events) - 1
                continue
            changed = [(a, b) for a, b in zip(events, wrong, strict=True) if a != b]
            if name == "swapped":
                assert sorted(wrong, key=repr) == sorted(events, key=repr) and len(changed) == 2
            elif name == "recounted":
                ((before, after),) = changed
                assert before.action == after.action and abs(before.count - after.count) == 1
            else:
                ((before, after),) = changed
                assert before.action != after.action


def test_training_tells_nothing_of_other_splits():
    rng = np.random.default_rng(1)
    batch = [EvaluatorExample(np.zeros((4, 263), np.float16), draw_events(rng)) for _ in range(60)]
    batch[1] = batch[0]
    texts, same = make_captions(batch, 3, rng)
    parsed = [tuple(replace(event, phrase="") for event in parse_events(text).events) for text in texts]
    assert {assign_split(events) for events in parsed} == {"train"}
    assert len(texts) > 150 and same.shape == (60, len(texts))
    for i, example in enumerate(batch):
        assert [events == example.events for events in parsed] == same[i].tolist()
    assert same[0, 1] and same.diagonal().all()


def test_mirror_images_stay_in_the_training_split():
    rng = np.random.default_rng(2)
    example = EvaluatorExample(joints_to_features(make_motion([Event("wave_left")], rng).joints), (Event("wave_left"),))
    images = [randomly_mirror(example, rng) for _ in range(40)]
    mirrored = [image for image in images if image.events == (Event("wave_right"),)]
    assert 5 < len(mirrored) < 35
    assert all((image.features == example.features).all() for image in images if image.events == example.events)
    back = next(image for image in iter(lambda: randomly_mirror(mirrored[0], rng), None) if image is not mirrored[0])
    np.testing.assert_allclose(back.features, example.features, atol=1e-6)

    held_out = next(
        events
        for events in iter(lambda: draw_events(rng), None)
        if assign_split(tuple(replace(e, action=_other(e.action)) for e in events)) != "train"
    )
    kept = EvaluatorExample(example.features, held_out)
    assert all(randomly_mirror(kept, rng) is kept for _ in range(20))


def _other(action):
    swap = {"left": "right", "right": "left"}
    return "_".join(swap.get(part, part) for part in action.split("_"))


def test_the_loss_is_least_where_captions_are_nearest_and_leaves_equal_ones_out():
    texts = torch.tensor([[1.0, 0], [0, 1], [-1, 0]]) * 2**0.5
    motions = texts[:2].clone()
    same = torch.tensor([[True, False, False], [False, True, False]])
    # Squared distances 0, 4 and 8 over 2 dimensions x 2 x temperature 1: likeness 0, -1 and -2.
    first, second = np.log(1 + np.exp(-1) + np.exp(-2)), np.log(1 + 2 * np.exp(-1))
    expected = (first + second) / 2 + np.log(1 + np.exp(-1))
    assert contrastive_loss(texts, motions, same, 1.0).item() == pytest.approx(expected, abs=1e-5)
    assert contrastive_loss(texts, motions.flip(0), same, 1.0).item() > expected
    same[0, 1] = True  # the second text tells what happens in the first motion, too
    expected = (np.log(1 + np.exp(-2)) + second) / 2 + np.log(1 + np.exp(-1)) / 2
    assert contrastive_loss(texts, motions, same, 1.0).item() == pytest.approx(expected, abs=1e-5)


class Cut(Exception):
    """The power fails."""


TINY = ("clips=250", "judged=64", "steps=5", "width=8", "word_size=8", "dimensions=4", "batch=8")


def tiny(*changes):
    return load_section(SmallEvaluatorTrainingConfig, [*TINY, *changes])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    build_corpus(folder, 250, seed=1)
    return folder


@pytest.fixture
def work(corpus, tmp_path):
    shutil.copytree(corpus, tmp_path / "work" / "corpus")
    return tmp_path / "work"


@pytest.mark.slow
def test_a_training_that_was_cut_off_ends_with_the_same_evaluator(work, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(small_evaluator_training, "_SAVE_EVERY", 2)
    calls = []
    figures = pretrain_evaluator(tmp_path / "whole", tiny(), work, lambda *call: calls.append(call))
    assert calls[-1][:3] == ("evaluator", 5, 5)
    assert set(figures["quality"]) == {"clean", "decoded"} and figures["quality"]["clean"]["motions"] > 32
    assert json.loads((tmp_path / "whole" / "training.json").read_text()) == figures
    assert load_small_evaluator(tmp_path / "whole").embed_texts(words("a person bows")).shape == (1, 4)

    def cut(what, done, total, note):
        if done == 3:
            raise Cut

    again = tmp_path / "again"
    shutil.copytree(corpus, again / "corpus")
    with pytest.raises(Cut):
        train_evaluator(tiny(), again, cut)
    calls.clear()
    networks = train_evaluator(tiny(), again, lambda *call: calls.append(call))
    assert calls[0][1] == 3  # the step after the last that was kept
    save_small_evaluator(tmp_path / "mended", networks)
    assert load_small_evaluator(tmp_path / "mended").weights_hash == figures["weights"]


def test_a_loss_that_is_no_number_stops_the_training(work):
    with pytest.raises(AtomError, match=r"loss became nan at step \d: lower its learning_rate"):
        train_evaluator(tiny("learning_rate=1e30", "warmup=1"), work, lambda *_: None)
