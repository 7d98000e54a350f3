"""Guo's evaluator: the peers' embeddings, and files that must be refused."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from atom.errors import AtomError
from atom.evaluation.evaluator.base import TaggedText
from atom.evaluation.evaluator.guo_evaluator import load_guo_evaluator
from atom.evaluation.evaluator.networks import MotionEncoder, MovementEncoder, RecurrentEncoder, TextEncoder
from atom.evaluation.evaluator.word_tags import tag_words
from atom.evaluation.evaluator.word_vectors import PARTS_OF_SPEECH, WordVectors

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from bench_metrics import embedded_as_by_guo, networks_of

MEAN, STD = np.zeros(263, np.float32), np.ones(263, np.float32)
VOCABULARY = ["sos", "eos", "unk", "a", "person", "walks", "walk", "left", "and/or", "slowly"]


def save_words(folder: Path, size: int, words=VOCABULARY) -> Path:
    folder.mkdir(exist_ok=True)
    np.save(folder / "our_vab_data.npy", np.random.default_rng(0).normal(size=(len(words), size)))
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(words))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: len(words) - 1 - i for i, word in enumerate(words)}))
    return folder


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    return save_words(tmp_path_factory.mktemp("words"), 30)


@pytest.fixture(scope="module")
def peer(shared):
    return np.load(shared / "parity/evaluator_small/cases.npz", allow_pickle=False)


@pytest.fixture(scope="module")
def peers_file(shared) -> Path:
    return shared / "parity/evaluator_small/finest.pt"


@pytest.fixture(scope="module")
def clips(peer) -> list[np.ndarray]:
    return [motion[:length] for motion, length in zip(peer["motions"], peer["m_lens"])]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Small random networks in the layout of finest.tar, so that most tests need no peer's file."""
    torch.manual_seed(0)
    parts = {
        "movement_encoder": MovementEncoder(259, 8, 6).state_dict(),
        "text_encoder": TextEncoder(30, 15, 8, 5).state_dict(),
        "motion_encoder": MotionEncoder(6, 8, 5).state_dict(),
    }
    path = tmp_path_factory.mktemp("weights") / "finest.tar"
    torch.save({**parts, "epoch": 3, "opt_text_encoder": {"state": {}}}, path)
    return path


@pytest.fixture(scope="module")
def motions() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(length, 263)).astype(np.float32) for length in (40, 196, 8, 40, 120, 188, 4, 192)]


def tagged(*tokens: str) -> TaggedText:
    return TaggedText(" ".join(token.rpartition("/")[0] for token in tokens), tokens)


def peers_networks(path: Path, *, packed: bool = True) -> tuple[MovementEncoder, TextEncoder, MotionEncoder]:
    states = torch.load(path, weights_only=True)
    movement = MovementEncoder.from_state_dict(states["movement_encoder"])
    text = TextEncoder.from_state_dict(states["text_encoder"])
    motion = MotionEncoder.from_state_dict(states["motion_encoder"], packed=packed)
    movement.load_state_dict(states["movement_encoder"])
    text.load_state_dict(states["text_encoder"])
    motion.load_state_dict(states["motion_encoder"])
    return movement.eval(), text.eval(), motion.eval()


@torch.inference_mode()
def test_the_networks_are_the_peers(peers_file, peer):
    movement, text, packed = peers_networks(peers_file)
    _, _, unpacked = peers_networks(peers_file, packed=False)
    frames, lengths = torch.from_numpy(peer["motions"][..., :-4]), torch.from_numpy(peer["m_lens"] // 4)
    movements = movement(frames)
    np.testing.assert_allclose(movements, peer["movements"], atol=1e-5)
    np.testing.assert_allclose(packed(movements, lengths), peer["guo_motion"], atol=1e-5)
    np.testing.assert_allclose(unpacked(movements, lengths), peer["motiongpt_motion"], atol=1e-5)
    captions = [torch.from_numpy(peer[name]) for name in ("word_embs", "pos_onehot", "cap_lens")]
    np.testing.assert_allclose(text(*captions), peer["guo_text"], atol=1e-5)
    np.testing.assert_allclose(text(*captions), peer["motiongpt_text"], atol=1e-5)


@torch.inference_mode()
def test_theirs_come_back_sorted_by_length_and_ours_as_they_were_given(peers_file, peer):
    movement, text, motion = peers_networks(peers_file)
    order = peer["wrapper_order"]
    lengths = peer["m_lens"][order]
    by_length = np.argsort(lengths)[::-1]
    ours = motion(movement(torch.from_numpy(peer["motions"][order][..., :-4])), torch.from_numpy(lengths // 4))
    np.testing.assert_allclose(ours.numpy()[by_length], peer["wrapper_motion"], atol=1e-5)
    np.testing.assert_allclose(ours.numpy()[by_length], peer["wrapper_motion_only"], atol=1e-5)
    captions = [torch.from_numpy(peer[name]) for name in ("word_embs", "pos_onehot", "cap_lens")]
    np.testing.assert_allclose(text(*captions).numpy()[by_length], peer["wrapper_text"], atol=1e-5)


def test_embedded_motions_are_guos(peers_file, peer, clips, words):
    """One clip of 30 frames is cut to 28 first, as by Guo's data loader, which the fixture leaves out."""
    whole = peer["m_lens"] % 4 == 0
    assert whole.sum() == 7
    evaluator = load_guo_evaluator(peers_file, words, MEAN, STD, max_frames=64, batch=3)
    np.testing.assert_allclose(evaluator.embed_motions(clips)[whole], peer["guo_motion"][whole], atol=1e-5)
    order = peer["wrapper_order"]
    found = evaluator.embed_motions([clips[i] for i in order])
    np.testing.assert_allclose(found[whole[order]], peer["guo_motion"][order][whole[order]], atol=1e-5)
    (cut,) = evaluator.embed_motions([clips[5][:28]])
    np.testing.assert_allclose(evaluator.embed_motions(clips)[5], cut, atol=1e-6)


def test_embedded_motions_are_motiongpts(peers_file, peer, clips, words):
    whole = peer["m_lens"] % 4 == 0
    evaluator = load_guo_evaluator(peers_file, words, MEAN, STD, "motiongpt")
    np.testing.assert_allclose(evaluator.embed_motions(clips)[whole], peer["motiongpt_motion"][whole], atol=1e-5)
    alone = evaluator.embed_motions(clips[4:])
    expected = peer["motiongpt_motion_last4_cropped_to_40"]
    np.testing.assert_allclose(alone[whole[4:]], expected[whole[4:]], atol=1e-5)
    by_four = load_guo_evaluator(peers_file, words, MEAN, STD, "motiongpt", batch=4)
    np.testing.assert_array_equal(by_four.embed_motions(clips)[4:], alone)
    assert by_four.weights_hash != evaluator.weights_hash


def test_a_packed_embedding_is_its_motions_alone(weights, words, motions):
    together = load_guo_evaluator(weights, words, MEAN, STD).embed_motions(motions)
    for batch in (1, 3, 8):
        evaluator = load_guo_evaluator(weights, words, MEAN, STD, batch=batch)
        np.testing.assert_allclose(evaluator.embed_motions(motions), together, atol=1e-6)
        np.testing.assert_allclose(evaluator.embed_motions(motions[::-1]), together[::-1], atol=1e-6)
    assert together.dtype == np.float32 and together.shape == (8, 5)
    assert np.linalg.norm(together[0] - together[3]) > 1e-3
    assert evaluator.embed_motions([]).shape == evaluator.embed_texts([]).shape == (0, 5)


@torch.inference_mode()
def test_a_short_padding_gives_what_guos_long_one_does(weights, words, motions):
    states = torch.load(weights, weights_only=True)
    movement, motion = MovementEncoder(259, 8, 6).eval(), MotionEncoder(6, 8, 5).eval()
    movement.load_state_dict(states["movement_encoder"])
    motion.load_state_dict(states["motion_encoder"])
    padded = torch.zeros(len(motions), 196, 259)
    for row, clip in zip(padded, motions):
        row[: len(clip)] = torch.from_numpy(clip[:, :-4])
    expected = motion(movement(padded), torch.tensor([len(clip) // 4 for clip in motions]))
    for batch in (1, 8):
        found = load_guo_evaluator(weights, words, MEAN, STD, batch=batch).embed_motions(motions)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_fast_and_plain_way_give_the_same(weights, words, motions):
    plain = embedded_as_by_guo(*networks_of(weights), motions)
    np.testing.assert_allclose(load_guo_evaluator(weights, words, MEAN, STD).embed_motions(motions), plain, atol=2e-6)


@torch.inference_mode()
def test_a_merged_embedding_changes_no_result(peers_file, peer):
    _, text, motion = peers_networks(peers_file)
    movements, lengths = torch.from_numpy(peer["movements"]), torch.from_numpy(peer["m_lens"] // 4)
    captions = [torch.from_numpy(peer[name]) for name in ("word_embs", "pos_onehot", "cap_lens")]
    before = motion(movements, lengths), text(*captions)
    motion.merge_embedding()
    text.merge_embedding()
    for one, other in zip(before, (motion(movements, lengths), text(*captions))):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_what_a_motion_is_reduced_to(weights, words, motions):
    evaluator = load_guo_evaluator(weights, words, MEAN, STD)
    rng = np.random.default_rng(2)
    mean, std = rng.normal(size=263), rng.uniform(0.5, 2, 263)
    raw = load_guo_evaluator(weights, words, mean, std)
    plain = evaluator.embed_motions(motions)
    np.testing.assert_allclose(raw.embed_motions([clip * std + mean for clip in motions]), plain, atol=1e-5)
    longer = [np.concatenate([clip, np.ones((1 if len(clip) < 196 else 99, 263))]) for clip in motions]
    np.testing.assert_allclose(evaluator.embed_motions(longer), plain, atol=1e-6)  # cut to 4s, and to 196
    contacts = [np.concatenate([clip[:, :-4], 1 - clip[:, -4:]], axis=1) for clip in motions]
    np.testing.assert_array_equal(evaluator.embed_motions(contacts), plain)
    last = [np.concatenate([clip[:, :258], clip[:, 258:259] + 1, clip[:, 259:]], axis=1) for clip in motions]
    assert (np.abs(evaluator.embed_motions(last) - plain).max(axis=1) > 1e-4).all()


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (np.zeros((40, 262)), r"motion 1 is \(40, 262\)"),
        (np.zeros(263), r"motion 1 is \(263,\)"),
        (np.zeros((3, 263)), "give features .4 or more frames"),
        (np.full((8, 263), np.nan), "motion 1 has numbers that are not finite"),
    ],
)
def test_a_motion_that_can_not_be_embedded_is_named(weights, words, motions, spoilt, message):
    with pytest.raises(AtomError, match=message):
        load_guo_evaluator(weights, words, MEAN, STD).embed_motions([motions[0], spoilt])


@torch.inference_mode()
def test_embedded_texts_are_those_of_the_network(weights, words):
    network = TextEncoder(30, 15, 8, 5).eval()
    network.load_state_dict(torch.load(weights, weights_only=True)["text_encoder"])
    texts = [tagged("a/DET", "person/NOUN", "walks/VERB"), tagged("walk/VERB"), tagged(*["a/DET"] * 30)]
    table = dict(zip(VOCABULARY, np.load(words / "our_vab_data.npy")[::-1].astype(np.float32)))
    for text, spoken in zip(texts, (["a", "person", "walks"], ["walk"], ["a"] * 20)):
        parts = {"a": "DET", "person": "NOUN", "walks": "VERB", "walk": "Act_VIP"}
        words_in_order = ["sos", *spoken, "eos"]
        one_hot = [[float(parts.get(word, "OTHER") == part) for part in PARTS_OF_SPEECH] for word in words_in_order]
        vectors = torch.from_numpy(np.stack([table[word] for word in words_in_order]))
        expected = network(vectors[None], torch.tensor([one_hot]), torch.tensor([len(words_in_order)]))
        for batch in (1, 2):
            found = load_guo_evaluator(weights, words, MEAN, STD, batch=batch).embed_texts(texts)
            np.testing.assert_allclose(found[texts.index(text)], expected[0], atol=1e-6)


def test_a_caption_is_read_as_by_guo(words):
    vectors = WordVectors.read(words)
    tokens = ["walk/NOUN", "left/ADJ", "slowly/ADV", "zigzag/VERB", "a/X", "and/or/CCONJ", "person/NOUN", "unk/NOUN"]
    caption = vectors.encode(tokens)
    parts = [PARTS_OF_SPEECH[place] for place in caption.parts_of_speech.argmax(1)]
    listed = ["Act_VIP", "Loc_VIP", "Desc_VIP"]  # whatever the tag says
    assert parts == ["OTHER", *listed, "OTHER", "OTHER", "OTHER", "NOUN", "NOUN", *["OTHER"] * 13]
    assert caption.length == 10 and caption.vectors.shape == (22, 30)
    np.testing.assert_array_equal(caption.parts_of_speech.sum(1), 1)
    unknown = vectors.vectors[vectors.rows["unk"]]
    np.testing.assert_array_equal(caption.vectors[[4, *range(10, 22)]], np.tile(unknown, (13, 1)))
    np.testing.assert_array_equal(caption.vectors[6], vectors.vectors[vectors.rows["and/or"]])
    long = vectors.encode(["a/DET"] * 19 + ["walk/VERB", "left/ADV"])
    assert long.length == 22
    np.testing.assert_array_equal(long.vectors[20:], vectors.vectors[[vectors.rows["walk"], vectors.rows["eos"]]])


def test_a_text_without_tags_is_refused(weights, words):
    evaluator = load_guo_evaluator(weights, words, MEAN, STD)
    with pytest.raises(AtomError, match="'a person walks' has no tagged words"):
        evaluator.embed_texts([TaggedText("a person walks")])
    with pytest.raises(AtomError, match="'walks' has no part of speech"):
        evaluator.embed_texts([TaggedText("a person walks", ("a/DET", "person/NOUN", "walks"))])


def test_the_hash_changes_with_all_that_decides_an_embedding(weights, words, tmp_path):
    same = load_guo_evaluator(weights, words, MEAN, STD)
    assert load_guo_evaluator(weights, words, MEAN, STD, batch=4).weights_hash == same.weights_hash
    state = torch.load(weights, weights_only=True)
    state["motion_encoder"]["hidden"] += 1
    torch.save(state, tmp_path / "other.tar")
    others = [
        load_guo_evaluator(tmp_path / "other.tar", words, MEAN, STD),
        load_guo_evaluator(weights, save_words(tmp_path / "words", 30, VOCABULARY[::-1]), MEAN, STD),
        load_guo_evaluator(weights, words, MEAN + 1, STD),
        load_guo_evaluator(weights, words, MEAN, STD + 1),
        load_guo_evaluator(weights, words, MEAN, STD, max_frames=64),
        load_guo_evaluator(weights, words, MEAN, STD, "motiongpt"),
    ]
    assert len({evaluator.weights_hash for evaluator in (same, *others)}) == 7
    assert (same.name, others[-1].name) == ("guo", "motiongpt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["text_encoder"].pop("hidden"), r"finest\.tar \(text_encoder\) .*missing hidden"),
        (lambda s: s["motion_encoder"].update(extra=torch.zeros(1)), r"\(motion_encoder\) .*unexpected extra"),
        (
            lambda s: s["motion_encoder"].update({"gru.bias_hh_l0": torch.zeros(7)}),
            r"gru\.bias_hh_l0 is \(7,\), not \(24,\)",
        ),
        (lambda s: s["movement_encoder"].pop("main.0.weight"), r"finest\.tar: 'main\.0\.weight' is missing"),
        (lambda s: s["movement_encoder"].update({"main.3.weight": torch.zeros(3)}), r"'main\.3\.weight' is \(3,\)"),
        (lambda s: s.pop("movement_encoder"), "no tensors under 'movement_encoder'"),
        (lambda s: s.update(text_encoder={"hidden": 1}), "no tensors under 'text_encoder'"),
        (lambda s: s.update(movement_encoder=MovementEncoder(247, 8, 6).state_dict()), "features .* 247 and 259"),
        (lambda s: s.update(motion_encoder=MotionEncoder(7, 8, 5).state_dict()), "movements .* 6 and 7"),
        (lambda s: s.update(motion_encoder=MotionEncoder(6, 8, 4).state_dict()), "embeddings differ in size, 5 and 4"),
        (lambda s: s.update(text_encoder=TextEncoder(300, 15, 8, 5).state_dict()), "word vectors .* 300 and 30"),
        (lambda s: s.update(text_encoder=TextEncoder(30, 14, 8, 5).state_dict()), "parts of speech .* 14 and 15"),
    ],
)
def test_weights_that_do_not_fit_are_named_key_by_key(weights, words, tmp_path, change, message):
    state = torch.load(weights, weights_only=True)
    change(state)
    torch.save(state, tmp_path / "finest.tar")
    with pytest.raises(AtomError, match=message) as caught:
        load_guo_evaluator(tmp_path / "finest.tar", words, MEAN, STD)
    assert "\n" not in str(caught.value)


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('the trap was sprung')",)


def test_weights_that_could_run_code_or_are_damaged_are_refused(weights, words, tmp_path):
    torch.save({"movement_encoder": Trap()}, tmp_path / "trap.tar")
    (tmp_path / "bare.tar").write_bytes(pickle.dumps({"movement_encoder": Trap()}, protocol=2))
    (tmp_path / "cut.tar").write_bytes(weights.read_bytes()[:5000])
    (tmp_path / "text.tar").write_text("hello")
    torch.save([1, 2], tmp_path / "list.tar")
    for name in ("trap", "bare", "cut", "text", "list", "absent"):
        with pytest.raises(AtomError, match=f"{name}.tar") as caught:
            load_guo_evaluator(tmp_path / f"{name}.tar", words, MEAN, STD)
        assert "\n" not in str(caught.value)
        assert ("could run code" in str(caught.value)) == (name in ("trap", "bare"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("our_vab_words.pkl", None, r"our_vab_words\.pkl missing"),
        ("our_vab_words.pkl", pickle.dumps(Trap()), r"words\.pkl was refused: .*builtins\.exec"),
        ("our_vab_idx.pkl", pickle.dumps({"a": Trap()}, protocol=0), r"idx\.pkl was refused: .*exec"),
        ("our_vab_idx.pkl", pickle.dumps({"a": np.int64(1)}), r"idx\.pkl was refused: .*numpy"),
        ("our_vab_words.pkl", pickle.dumps(VOCABULARY)[:20], r"words\.pkl was refused"),
        ("our_vab_words.pkl", b"hello", r"words\.pkl was refused"),
        ("our_vab_words.pkl", b"", r"words\.pkl was refused"),
        ("our_vab_words.pkl", pickle.dumps({"a": 1}), "must be a list of words"),
        ("our_vab_words.pkl", pickle.dumps(["a", 1]), "must be a list of words"),
        ("our_vab_words.pkl", pickle.dumps(["a", "strange"]), "row of each word"),
        ("our_vab_words.pkl", pickle.dumps(["a", "sos", "eos"]), "no 'unk'"),
        ("our_vab_idx.pkl", pickle.dumps([1, 2]), "row of each word"),
        ("our_vab_idx.pkl", pickle.dumps(dict.fromkeys(VOCABULARY, 1) | {"walks": 10}), "row of 'walks'"),
        ("our_vab_idx.pkl", pickle.dumps(dict.fromkeys(VOCABULARY, 1) | {"walks": -1}), "row of 'walks'"),
        ("our_vab_data.npy", pickle.dumps([1.0]), "no plain array"),
        ("our_vab_data.npy", b"", "no plain array"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_word_vectors_that_are_damaged_or_could_run_code_are_refused(tmp_path, name, content, message):
    folder = save_words(tmp_path / "words", 30)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(AtomError, match=message) as caught:
        WordVectors.read(folder)
    assert "\n" not in str(caught.value)


def test_vectors_must_be_a_table_of_numbers(tmp_path):
    folder = save_words(tmp_path / "words", 30)
    for array in (np.zeros(30), np.array([["a"]]), np.array([[None]])):
        np.save(folder / "our_vab_data.npy", array, allow_pickle=True)
        with pytest.raises(AtomError, match=r"our_vab_data\.npy"):
            WordVectors.read(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": MEAN[:-1]}, r"mean \(262,\) and std \(263,\) must be \(263,\)"),
        ({"std": MEAN}, "std above 0"),
        ({"mean": MEAN + np.nan}, "must be finite"),
        ({"variant": "peer"}, "use guo or motiongpt"),
        ({"device": "abacus"}, "device 'abacus'"),
    ],
)
def test_arguments_that_can_not_be_meant_are_refused(weights, words, arguments, message):
    with pytest.raises(AtomError, match=message):
        load_guo_evaluator(weights, words, **{"mean": MEAN, "std": STD} | arguments)


@pytest.mark.parametrize("packed", [True, False])
def test_without_gradients_the_same_states_come_out(packed):
    torch.manual_seed(0)
    encoder = RecurrentEncoder(12, 16, 8, packed=packed)
    sequences, lengths = torch.randn(6, 9, 12), torch.tensor([3, 9, 1, 9, 5, 2])
    with_gradients = encoder(sequences, lengths)
    with torch.inference_mode():
        assert torch.allclose(encoder(sequences, lengths), with_gradients, atol=1e-6)


def test_words_have_the_tags_that_the_evaluator_knows():
    text = "The person can not walk, then quickly sits down while waving his 2 hands at them"
    tags = (
        "the/DET person/NOUN can/AUX not/OTHER walk/VERB then/ADV quickly/ADV sit/VERB down/ADV while/OTHER wave/VERB"
    )
    assert tag_words(text) == (*tags.split(), "his/DET", "hand/NOUN", "at/ADP", "them/NOUN")
