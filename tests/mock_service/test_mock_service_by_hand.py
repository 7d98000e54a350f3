"""Limits, faults and counts of the mock service without HTTP, on a clock of the tests."""

import json
from random import Random
from types import SimpleNamespace

import pytest

from atom.events import Event
from atom.judging.detected_events import DetectedEvent
from atom.mock_service import FaultRates, MockServiceSettings, responder
from atom.mock_service.batches import BatchJob, StoredFile
from atom.mock_service.errors import ApiError
from atom.mock_service.faults import FaultSampler, SlidingWindowLimit, apply_fault
from atom.mock_service.responder import Responder, _change_events, _format_occurrence, _parse_events_list
from atom.mock_service.statistics import PeakCounter, RequestStatistics


@pytest.fixture
def clock(monkeypatch):
    state = SimpleNamespace(now=100.0)
    monkeypatch.setattr("time.monotonic", lambda: state.now)
    return state


def test_a_minute_holds_as_many_requests_as_the_limit_and_says_when_there_is_room(clock):
    limit = SlidingWindowLimit(2)
    limit.admit()
    clock.now = 120.5
    limit.admit()
    clock.now = 159.75
    with pytest.raises(ApiError) as caught:
        limit.admit()
    assert caught.value.headers == {"retry-after": "1", "retry-after-ms": "250"}
    clock.now = 160.0
    limit.admit()
    with pytest.raises(ApiError):
        limit.admit()
    for _ in range(1000):
        SlidingWindowLimit(None).admit()


def test_a_peak_is_the_most_within_any_window(clock):
    counter = PeakCounter(1)
    for now, amount in ((100.0, 2), (100.5, 3), (101.0, 1), (101.4, 4), (105.0, 6)):
        clock.now = now
        counter.add(amount)
    assert counter.peak == 8  # 3, 1 and 4 within a second
    clock.now, counter = 200.0, PeakCounter(1)
    counter.add(5)
    clock.now = 201.0
    counter.add(5)
    assert counter.peak == 5  # a whole second apart


def test_answers_are_counted_by_request_and_tokens(clock):
    statistics = RequestStatistics()
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
    with statistics.request(), statistics.request():
        statistics.record_answer("a", usage, None, False)
        statistics.record_answer("a", usage, "cut", False)
        statistics.record_answer("a", usage, None, True)
    statistics.record_answer("b", usage, None, True)
    statistics.record_refusal("rate_limit")
    counts = statistics.to_dict()
    expected = {
        "requests": 2, "answered": 4, "answered_in_batches": 2, "refused": {"rate_limit": 1}, "spoiled": {"cut": 1},
        "distinct": 2, "repeated": 1, "repeated_answers": 2, "prompt_tokens": 40, "completion_tokens": 12, "tokens": 52,
        "most_in_flight": 2, "in_flight": 0, "most_tokens_in_a_minute": 26,
    }  # fmt: skip
    assert {name: counts[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("fault", "length", "finish"),
    [(None, 90, "stop"), ("invalid_json", 60, "stop"), ("truncated", 45, "length"), ("refusal", None, "stop")],
)
def test_faults_spoil_an_answer_by_their_share(fault, length, finish):
    output = apply_fault("x" * 90, fault, SimpleNamespace(max_tokens=None))
    assert (output.text and len(output.text), output.finish_reason) == (length, finish)
    assert bool(output.refusal) is (fault == "refusal")


def test_an_answer_is_cut_at_the_tokens_of_its_request():
    whole = apply_fault("x" * 40, None, SimpleNamespace(max_tokens=10))
    cut = apply_fault("x" * 41, None, SimpleNamespace(max_tokens=10))
    assert (len(whole.text), whole.finish_reason, len(cut.text), cut.finish_reason) == (40, "stop", 40, "length")


@pytest.mark.parametrize(
    ("fault", "batched", "form", "outcome"),
    [
        ("rate_limit", False, "text", 429),
        ("rate_limit", True, "text", None),
        ("server_error", True, "text", 500),
        ("unavailable", False, "text", 503),
        ("no_schema", False, "json_schema", 400),
        ("no_schema", False, "json_object", None),
        ("cut", False, "text", "cut"),
        ("cut", True, "text", None),
        ("refusal", True, "text", "refusal"),
    ],
)
def test_faults_of_a_connection_do_not_hit_a_batch(fault, batched, form, outcome):
    sampler = FaultSampler(MockServiceSettings(faults=FaultRates(**{fault: 1.0})))
    request = SimpleNamespace(form=form)
    if isinstance(outcome, int):
        with pytest.raises(ApiError) as caught:
            sampler.draw(request, batched)
        assert caught.value.status == outcome
    else:
        assert sampler.draw(request, batched) == outcome


@pytest.mark.parametrize(("score", "rating"), [(1.0, 1), (3.49, 3), (3.5, 4), (4.5, 5), (5.0, 5)])
def test_a_rating_is_the_nearest_whole_score_halves_up(monkeypatch, score, rating):
    monkeypatch.setattr(responder, "_score_motion", lambda motion, text: score)
    index = SimpleNamespace(find=lambda pictures: None)
    for noise, allowed in ((0.0, {rating}), (1.0, {rating - 1, rating + 1} & set(range(1, 6)))):
        request = SimpleNamespace(pictures=(), random=lambda *names: Random(0))
        answer = Responder(MockServiceSettings(noise=noise), index)._answer_rating(request, "")
        assert answer["score"] in allowed


def test_a_comparison_names_the_motion_with_the_higher_score(monkeypatch):
    index = SimpleNamespace(find=lambda pictures: None)
    for first, second, better in ((4.0, 3.0, "first"), (3.0, 4.0, "second"), (3.0, 3.0, "neither")):
        scores = iter((first, second))
        monkeypatch.setattr(responder, "_score_motion", lambda motion, text, scores=scores: next(scores))
        request = SimpleNamespace(parts=(), random=lambda *names: Random(0))
        assert Responder(MockServiceSettings(), index)._answer_comparison(request, "")["better"] == better


def test_a_mistake_changes_one_count_by_one_or_swaps_two_neighbours():
    events = [Event("jump_up", 5), Event("walk_forward"), Event("clap", 1)]
    found = {tuple((event.action, event.count) for event in _change_events(events, Random(n))) for n in range(200)}
    jump, walk, clap = (("jump_up", 5), ("walk_forward", 1), ("clap", 1))
    assert found == {
        (("jump_up", 4), walk, clap),
        (jump, walk, ("clap", 2)),
        (walk, jump, clap),
        (jump, clap, walk),
    }
    assert _change_events([Event("walk_forward")], Random(0)) == [Event("walk_forward")]


def test_frames_of_an_occurrence_include_the_last_one():
    event = DetectedEvent("jump_up", 3, 10, 25)
    assert _format_occurrence(event) == {"first_frame": 10, "last_frame": 24, "times": 3}
    parsed = _parse_events_list("jumps x2; walks forward")
    assert [(event.action, event.count) for event in parsed] == [("jump_up", 2), ("walk_forward", None)]
    assert json.dumps(_parse_events_list("  x2")) == "[]"


def test_files_and_batches_have_the_fields_of_openais():
    file = StoredFile("requests.jsonl", "batch", b"abc").to_dict()
    assert file.pop("id").startswith("file-") and file.pop("created_at") > 0
    assert file == {
        "object": "file", "bytes": 3, "filename": "requests.jsonl", "purpose": "batch", "status": "processed",
        "expires_at": None,
    }  # fmt: skip
    batch = BatchJob("file-1", {"atom": "run"}).to_dict()
    assert batch.pop("id").startswith("batch_") and batch.pop("expires_at") - batch.pop("created_at") == 24 * 3600
    begun = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    assert batch == {
        "object": "batch", "endpoint": "/v1/chat/completions", "errors": None, "input_file_id": "file-1",
        "completion_window": "24h", "status": "validating", "output_file_id": None, "error_file_id": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0}, "metadata": {"atom": "run"},
        **{f"{status}_at": None for status in begun},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event("hurl ball", None), "hurls ball"),
        (Event("hurl ball", 1), "hurls ball"),
        (Event("hurl ball", 2), "hurls ball twice"),
        (Event("be pushed", 7), "is pushed 7 times"),
        (Event("have seat"), "has seat"),
    ],
)
def test_an_event_is_told_in_the_third_person_with_its_count(event, words):
    assert responder._tell(event) == words
