"""External motions with captions in free words, judged over HTTP by the mock service: from captions to a report."""

import json
from collections import Counter

import numpy as np
import pytest
from flow_runs import computed

from atom.config import load_config
from atom.corpus.composition import make_motion
from atom.errors import AtomError
from atom.events import Event, is_known
from atom.external.motion_set import derive_prompts, read_motion_set
from atom.mock_service import MockServiceSettings, MotionIndex, hash_joints, read_shown_events, run_in_thread
from atom.prompts.reading import read_text
from flows.services import check_services, language_models
from storage import Store

TRAIN = (
    "a man juggles three balls, then takes a bow",
    "someone is shoved from behind and stumbles forward",
    "the woman does a cartwheel",
    "an old man shuffles along and leans on a wall",
    "a person scratches their head while walking in a circle",
    "a child skips four times and then hurls a ball with the left hand",
    "she does two handstands",
    "he wipes the table three times with his right hand",
    "a dancer pirouettes, drops to the floor and rolls over",
    "a person plays the violin",
    "the man waves his left hand, crouches, and crawls under a fence",
    "somebody stirs a pot five times",
)
TEST = (
    "a man strums a guitar and nods",
    "the person climbs a ladder, looks around and climbs down",
    "a woman knocks on a door four times",
    "someone stretches",
)
VISION = [
    "judging.judge=vision",
    "judging.vision.model=atom-double",
    "judging.vision.frames.size=64",
    "evaluation.judges=[vision]",
    "service.requests_per_minute=60000",
    "service.budget_tokens=90000000",
]


def make_set(folder, captions, samples):
    """A folder of motions for captions. Their joints are waves and walks: no judge of joints could tell them apart."""
    folder.mkdir()
    rows = []
    for number, text in enumerate(captions):
        for sample in range(samples):
            rng = np.random.default_rng([len(folder.name), number, sample])
            events = (Event("walk_forward"), Event(("wave_left", "wave_right")[sample % 2]))
            np.save(folder / f"{number}-{sample}.npy", make_motion(events, rng).joints)
            rows.append({"text": text, "file": f"{number}-{sample}.npy", "sample": sample})
    (folder / "index.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def write_shows(path, folder, faults=0):
    """Says what each motion shows: sample 0 the events of its caption, and each further sample, and each further fault,
    one event less and each of the others once more."""
    motions = read_motion_set(folder)
    prompts, quarantined = derive_prompts(motions)
    assert quarantined == []
    events_by_id = {prompt.prompt_id: prompt.events for prompt in prompts}
    with path.open("a") as file:
        for motion in motions.entries:
            wrong = motion.sample + faults
            events = events_by_id[motion.prompt_id]
            shown = [
                {"action": event.action, "count": (event.count or 1) + wrong} for event in events[: -wrong or None]
            ]
            file.write(json.dumps({"joints": hash_joints(motions.joints(motion)), "events": shown}) + "\n")
    return prompts


@pytest.fixture
def mock(tmp_path):
    """`mock(shows, noise=0.1, ...)` starts a service that knows the pictures of the test's store."""
    started = []

    def start(shows=None, **settings):
        index = MotionIndex(store=Store(str(tmp_path / "store")), shows=shows and read_shown_events(shows))
        started.append(run_in_thread(MockServiceSettings(**settings), index))
        return started[-1].__enter__()

    yield start
    for context in started:
        context.__exit__(None, None, None)


def rows_of(root, stage, record):
    store = Store(str(root))
    (found,) = (each for each in record["stages"] if each["name"] == stage)
    name = found.get("stored", stage)
    return [row for key in found.get("keys", [found["key"]]) for row in store.read(store.find(name, key)).to_pylist()]


@pytest.mark.slow
def test_captions_in_free_words_are_judged_paired_and_reported(tmp_path, run, mock):
    candidates = make_set(tmp_path / "candidates", TRAIN, 3)
    base, tuned = (make_set(tmp_path / name, TEST, 1) for name in ("base", "tuned"))
    shows, root = tmp_path / "shows.jsonl", tmp_path / "store"
    prompts = write_shows(shows, candidates)
    write_shows(shows, base, faults=1)
    write_shows(shows, tuned)
    assert not all(is_known(event.action) for prompt in prompts for event in prompt.events)
    service = mock(shows)
    settings = [
        *VISION,
        f"service.base_url={service.address}",
        f"external.candidates={candidates}",
        f"external.base={base}",
        f"external.tuned={tuned}",
        "evaluation.num_examples=3",
    ]
    record = run(root, *settings)
    stages = {stage["name"]: stage for stage in record["stages"]}
    assert record["state"] == "completed"
    assert stages["prompts"]["rows"] == len(TRAIN) + len(TEST) and stages["prompts"]["quarantined"] == 0
    pairs = rows_of(root, "preferences", record)
    assert set(Counter(pair["task"] for pair in pairs)) == {"integrity", "temporal", "frequency"}
    assert all(pair["chosen_motion_id"][-1] < pair["rejected_motion_id"][-1] for pair in pairs)
    best = [row for row in rows_of(root, "scores", record) if row["motion_id"].endswith("-0")]
    assert {row["score"] for row in best} == {5.0} and len(best) == len(TRAIN)
    assert record["evaluation"]["vision"]["overall"]["gain"] > 0
    page = (root / "runs" / record["run_id"] / "report.html").read_text()
    assert "pairs of" in page and "strum guitar" in page

    paid = service.statistics()
    assert paid["repeated"] == 0 and paid["answered"] > 0
    again = run(root, *settings)
    assert again["state"] == "completed" and computed(again) == {}
    assert service.statistics()["requests"] == paid["requests"]


@pytest.mark.slow
def test_a_language_model_reads_the_captions_once(tmp_path, run, mock):
    candidates, root = make_set(tmp_path / "candidates", TRAIN, 3), tmp_path / "store"
    service = mock(noise=0.3)  # without a file the motions show their captions, seen badly
    settings = [
        *VISION,
        f"service.base_url={service.address}",
        f"external.candidates={candidates}",
        "prompts.reader=llm",
        "prompts.reader_model=reader-double",
        "prompts.llm.per_request=5",
        "preferences.min_gap=0.5",
    ]
    record = run(root, *settings)
    assert record["state"] == "completed"
    (stage,) = (stage for stage in record["stages"] if stage["name"] == "prompts")
    assert (stage["rows"], stage["quarantined"]) == (len(TRAIN), 0) and stage["tokens"] > 0
    store = Store(str(root))
    read_offline = store.manifest("prompts", stage["key"]).stats["read_offline"]
    assert 0 < read_offline < len(TRAIN)
    for row in rows_of(root, "prompts", record):
        assert [Event.from_dict(event) for event in row["events"]] == list(read_text(row["text"]).events), row["text"]
    assert rows_of(root, "preferences", record)

    requests = service.statistics()["requests"]
    assert computed(run(root, *settings)) == {} and service.statistics()["requests"] == requests
    # Another reader is another artifact, and the judge's questions about the same events are answered already.
    assert run(root, *settings[:-4], "preferences.min_gap=0.5")["state"] == "completed"
    assert service.statistics()["requests"] == requests


def test_the_key_and_the_price_of_the_reader_are_checked_before_the_run(tmp_path):
    candidates = make_set(tmp_path / "candidates", TRAIN[:1], 1)
    settings = [f"external.candidates={candidates}", "prompts.reader=llm", "prompts.reader_model=unheard-of"]
    config = load_config(overrides=[*settings, "service.base_url=http://127.0.0.1:9/v1"])
    assert language_models(config) == ["unheard-of"]
    assert any("no price is known for unheard-of" in remark for remark in check_services(config, Store(str(tmp_path))))
    with pytest.raises(AtomError, match="no price for unheard-of"):
        check_services(config.model_copy(update={"service": config.service.model_copy(update={"budget_dollars": 1.0})}),
                       Store(str(tmp_path)))  # fmt: skip


def test_a_run_without_captions_has_nothing_to_read():
    with pytest.raises(AtomError, match=r"prompts\.reader=llm reads captions, and this run has none"):
        load_config(overrides=["prompts.reader=llm"])
