"""Folders of motions that a user's own generator fills."""

import json
import textwrap

import numpy as np
import pytest

from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event
from atom.external import motion_generator
from atom.external.motion_generator import derive_sample_seed, make_motion_folder
from atom.external.motion_set import derive_prompts, read_motion_set
from atom.prompts.grammar import Prompt

TWICE, WAVE = "a person jumps twice", "a person bows, then waves with the left hand"


@pytest.fixture(scope="module")
def body():
    return make_motion([Event("jump_up", 2)], np.random.default_rng(7)).joints


class Standing:
    """A body that stands, in a slightly different place for each seed."""

    name = "standing"

    def __init__(self, body, spoil=None):
        self.body, self.spoil, self.batches = body, spoil or {}, []

    def motions(self, texts, seeds):
        self.batches.append(list(zip(texts, seeds)))
        return [
            self.spoil.get(text, lambda motion: motion)(self.body + seed % 97 / 1000)
            for text, seed in zip(texts, seeds)
        ]


PROMPTS = [
    Prompt("p1", TWICE, "frequency", (Event("jump_up", 2, "jumps twice"),), "train", 0),
    Prompt("p2", WAVE, "temporal", (Event("bow"), Event("wave_left")), "test", 0),
    Prompt("p3", "a person bows", "integrity", (Event("bow"),), "train", 0),
]


def test_a_generated_folder_is_a_set_with_its_prompts(tmp_path, body):
    generator = Standing(body)
    steps = []
    counts = make_motion_folder(generator, PROMPTS, tmp_path / "new", 2, 5, 4, lambda *step: steps.append(step))
    assert (counts.generated, counts.kept, counts.rejected) == (6, 0, 0) and steps == [(4, 6), (6, 6)]
    assert [len(batch) for batch in generator.batches] == [4, 2]
    motion_set = read_motion_set(tmp_path / "new")
    assert motion_set.quarantined == [] and derive_prompts(motion_set)[1] == []
    for prompt, expected in zip(derive_prompts(motion_set)[0], PROMPTS, strict=True):
        assert (prompt.prompt_id, prompt.text, prompt.task, prompt.events, prompt.split) == (
            expected.prompt_id,
            expected.text,
            expected.task,
            expected.events,
            expected.split,
        )
    for entry in motion_set.entries:
        assert entry.seed == derive_sample_seed(5, entry.prompt_id, entry.sample)
        np.testing.assert_allclose(motion_set.joints(entry), body + entry.seed % 97 / 1000, atol=1e-6)
    assert len({entry.seed for entry in motion_set.entries}) == 6


class Crash(Exception):
    pass


class Breaking(Standing):
    def motions(self, texts, seeds):
        if len(self.batches) == 2:
            raise Crash
        return super().motions(texts, seeds)


def test_a_run_that_was_cut_off_generates_only_what_is_missing(tmp_path, body):
    whole = tmp_path / "whole"
    make_motion_folder(Standing(body), PROMPTS, whole, 2, 5, 6)
    with pytest.raises(Crash):
        make_motion_folder(Breaking(body), PROMPTS, tmp_path / "cut", 2, 5, 2)
    lines = (tmp_path / "cut/index.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 4
    (tmp_path / "cut/index.jsonl").write_text("".join(lines[:3]) + lines[3][:40])  # its last line half written
    (tmp_path / "cut/motions/p1-1.npy").unlink()
    again = Standing(body)
    counts = make_motion_folder(again, PROMPTS, tmp_path / "cut", 2, 5, 10)
    assert (counts.generated, counts.kept) == (4, 2)
    assert [text for text, _ in again.batches[0]] == [TWICE, WAVE, "a person bows", "a person bows"]

    def content(folder):
        entries = read_motion_set(folder).entries
        return sorted((entry.prompt_id, entry.sample, entry.seed, entry.digest) for entry in entries)

    assert content(tmp_path / "cut") == content(whole)
    assert not list(tmp_path.rglob("*.partial"))
    assert make_motion_folder(Standing(None), PROMPTS, whole, 2, 5).generated == 0


def test_an_array_that_is_no_motion_is_recorded_and_not_generated_again(tmp_path, body):
    spoil = {TWICE: lambda motion: motion * np.nan, WAVE: lambda motion: motion[:, :5], "a person bows": lambda _: "no"}
    for kept in (0, 3):
        counts = make_motion_folder(Standing(body, spoil), [*PROMPTS, *MORE], tmp_path, 1)
        assert (counts.generated, counts.kept, counts.rejected) == (3 - kept, kept, 3)
        spoil = {}
    rejected = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [row["prompt_id"] for row in rejected] == ["p1", "p2", "p3"]
    assert ["NaN" in rejected[0]["reason"], "shape" in rejected[1]["reason"], "type" in rejected[2]["reason"]] == [
        True
    ] * 3
    (tmp_path / "rejected.jsonl").unlink()
    assert make_motion_folder(Standing(body), [*PROMPTS, *MORE], tmp_path, 1).generated == 3


MORE = [
    Prompt(f"m{n}", f"a person bows {word}", "frequency", (Event("bow", n),), "train", 0)
    for n, word in ((2, "twice"), (3, "three times"), (4, "four times"))
]


def test_a_folder_holds_one_source_and_a_generator_returns_a_motion_per_text(tmp_path, body):
    make_motion_folder(Standing(body), PROMPTS, tmp_path, 1)
    with pytest.raises(AtomError, match=r"motions of another seed, such as p1-0\.npy: give another folder"):
        make_motion_folder(Standing(body), PROMPTS, tmp_path, 1, seed=1)
    other = Standing(body)
    other.name = "other"
    with pytest.raises(AtomError, match="motions of another generator"):
        make_motion_folder(other, PROMPTS, tmp_path, 1)
    other.motions = lambda texts, seeds: []
    with pytest.raises(AtomError, match="other returned 0 motions for 3 texts"):
        make_motion_folder(other, PROMPTS, tmp_path / "new", 1)
    bad = Prompt("../p", TWICE, "frequency", (Event("jump_up", 2),), "train", 0)
    with pytest.raises(AtomError, match=r"prompt_id '\.\./p' must be"):
        make_motion_folder(other, [bad], tmp_path / "new", 1)


def test_the_documented_generator_runs(tmp_path):
    example = textwrap.dedent(motion_generator.__doc__[motion_generator.__doc__.index("    import numpy") :])
    defined = {}
    exec(example, defined)
    counts = make_motion_folder(defined["Diffusion"](), PROMPTS, tmp_path, 2)
    assert (counts.generated, counts.rejected) == (6, 0)
    motion_set = read_motion_set(tmp_path)
    assert all(motion_set.joints(entry).shape == (60, 22, 3) for entry in motion_set.entries)
