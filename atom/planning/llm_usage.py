"""Estimates of the requests to language models: tokens, cost and time."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from PIL import Image

from atom.config import RunConfig
from atom.corpus.composition import make_motion
from atom.external.motion_set import find_unread_texts, read_motion_set
from atom.judging.vision.motion_pictures import draw_pictures
from atom.judging.vision.questions import SYSTEM, build_events_question, build_rating_question
from atom.llm_client.prices import BATCH_DISCOUNT, Price, find_price, read_prices
from atom.planning.counts import RunCounts, typical_prompts
from atom.planning.estimate import Bounds, Estimate, format_duration, format_range
from atom.prompts.dataset_prompts import find_unread_captions, load_captions
from atom.prompts.llm_reading import build_reading_request

CHARACTERS_PER_TOKEN = 4  # of English text; a common rule of thumb
ANSWER_TOKENS = 150  # of an answer about three actions, to a question about the events
WRITER_TOKENS = (700, 350)  # of a request for eight prompts, and of its answer
READER_TOKENS = 90  # of what a model answers about one caption of two events
NUM_MEASURED_PROMPTS = 9


@dataclass(frozen=True)
class ModelRequests:
    """Requests of one kind to one model.

    Attributes:
        requests: number of requests.
        prompt_tokens: tokens of one request, at least and at most.
        completion_tokens: tokens of one answer.
    """

    model: str
    requests: float
    prompt_tokens: Bounds
    completion_tokens: float


@dataclass(frozen=True)
class QuestionSize:
    """Mean size of a question about one motion.

    Attributes:
        tokens: tokens of the question and its pictures, at least and at most.
        bytes: bytes of the pictures.
    """

    tokens: Bounds
    bytes: float


def count_picture_tokens(width: int, height: int) -> Bounds:
    """Counts the tokens of a picture by OpenAI's rule for GPT-4o; other models have other rules.

    A picture is scaled to at most 2048 pixels, and to a short side of at most 768. It costs 85 tokens, and in high
    detail 170 more for each tile of 512 x 512.

    Args:
        width: pixels.
        height: pixels.

    Returns:
        Tokens in low and in high detail.
    """
    scale = min(1.0, 2048 / max(width, height))
    scale = min(scale, 768 / min(width, height))
    return 85, 85 + 170 * math.ceil(width * scale / 512) * math.ceil(height * scale / 512)


def measure_question(config: RunConfig) -> QuestionSize:
    """Measures the questions about the motions of a few typical prompts, by drawing their pictures."""
    settings = config.judging.vision
    tokens: list[Bounds] = []
    sizes = []
    prompts = typical_prompts()
    for number, prompt in enumerate(prompts[:: len(prompts) // NUM_MEASURED_PROMPTS]):
        joints = make_motion(prompt.events, np.random.default_rng(number)).joints
        if settings.question == "events":
            question = build_events_question(prompt.events, len(joints))
        else:
            question = build_rating_question(prompt.text, prompt.task)
        pictures = draw_pictures(joints, settings.frames, prompt.task)
        words = (len(SYSTEM) + len(question)) / CHARACTERS_PER_TOKEN
        picture_tokens = [count_picture_tokens(*Image.open(io.BytesIO(picture.data)).size) for picture in pictures]
        tokens.append((words + sum(low for low, _ in picture_tokens), words + sum(high for _, high in picture_tokens)))
        sizes.append(sum(len(picture.data) for picture in pictures))
    low, high = (fmean(bounds[i] for bounds in tokens) for i in (0, 1))
    return QuestionSize({"low": (low, low), "high": (high, high), "auto": (low, high)}[settings.detail], fmean(sizes))


def count_model_requests(config: RunConfig, counts: RunCounts) -> list[ModelRequests]:
    """Counts the requests of a run to language models.

    Args:
        config: config of the run.
        counts: how much the run makes.

    Returns:
        The requests, by model and kind.
    """
    found = []
    if config.prompts.writer == "llm" and counts.prompts:
        settings = config.prompts.llm
        prompt_tokens, completion_tokens = (number * (0.5 + settings.per_request / 16) for number in WRITER_TOKENS)
        requests = math.ceil(counts.prompts / settings.per_request)
        found.append(
            ModelRequests(
                settings.model,
                requests,
                (prompt_tokens, prompt_tokens * settings.attempts),
                completion_tokens * settings.attempts,
            )
        )
    if config.prompts.reader == "llm" and (texts := _find_texts_to_read(config)):
        batch = texts[: config.prompts.llm.per_request]
        request = build_reading_request(batch, config.prompts)
        characters = len(request.system) + sum(len(part) for part in request.parts if isinstance(part, str))
        prompt_tokens = characters / CHARACTERS_PER_TOKEN
        requests = math.ceil(len(texts) / config.prompts.llm.per_request)
        bounds = (prompt_tokens, 2 * prompt_tokens)  # an answer of no use is retried once
        found.append(ModelRequests(request.model, requests, bounds, len(batch) * READER_TOKENS))
    if counts.judged:
        low, high = measure_question(config).tokens
        models = [config.judging.vision.model, *filter(None, [config.judging.vision.second_model])]
        found += [ModelRequests(model, counts.judged / len(models), (low, high), ANSWER_TOKENS) for model in models]
        if counts.compared:
            found.append(ModelRequests(models[0], counts.compared, (2 * low, 2 * high), ANSWER_TOKENS))
    return found


def _find_texts_to_read(config: RunConfig) -> list[str]:
    """The distinct captions that this run reads."""
    texts: list[str] = []
    if config.prompts.writer == "captions":
        texts += [row.text for row in find_unread_captions(load_captions(config.prompts.captions or ""))]
    for path in filter(None, (config.external.candidates, config.external.base, config.external.tuned)):
        texts += find_unread_texts(read_motion_set(path))
    return list(dict.fromkeys(texts))


def estimate_llm_usage(config: RunConfig, counts: RunCounts) -> list[Estimate]:
    """Estimates the tokens, the cost, and the time that the service's rate limits alone demand.

    Args:
        config: config of the run.
        counts: how much the run makes.

    Returns:
        The estimates; none for a run without language models.
    """
    model_requests = count_model_requests(config, counts)
    if not model_requests:
        return []
    requests = sum(one.requests for one in model_requests)
    tokens = tuple(
        sum(one.requests * (one.prompt_tokens[i] + one.completion_tokens) for one in model_requests) for i in (0, 1)
    )
    found = [
        Estimate(
            "tokens",
            f"{format_range(tokens, _format_number)} in {requests:,.0f} requests",
            "questions about typical motions; pictures by OpenAI's rule, from low to high detail",
        ),
        _estimate_cost(config, model_requests),
    ]
    if config.service.mode == "live":
        seconds = 60 * requests / config.service.requests_per_minute
        if config.service.tokens_per_minute:
            seconds = max(seconds, 60 * tokens[1] / config.service.tokens_per_minute)
        found.append(
            Estimate("request time", f"at least {format_duration(seconds)}", "the rate limits in the section service")
        )
    return found


def _estimate_cost(config: RunConfig, model_requests: list[ModelRequests]) -> Estimate:
    known_prices = read_prices(config.service.prices)
    prices: dict[str, Price] = {}
    for one in model_requests:
        price = find_price(one.model, known_prices)
        if price is None:
            return Estimate("cost", "not known", f"no price for {one.model}: set service.prices to a file with it")
        prices[one.model] = price
    discount = BATCH_DISCOUNT if config.service.mode == "batch" else 1.0
    low, high = (
        discount * sum(one.requests * prices[one.model].cost(1, 0) * one.prompt_tokens[i] for one in model_requests)
        + discount * sum(one.requests * prices[one.model].cost(0, 1) * one.completion_tokens for one in model_requests)
        for i in (0, 1)
    )
    basis = f"prices of {config.service.prices or 'atom/llm_client/prices.yaml'}"
    budget = config.service.budget_dollars
    if budget is not None:
        basis += f"; service.budget_dollars is {budget:g}" + (", where the run will stop" if budget < low else "")
    return Estimate("cost", format_range((low, high), lambda dollars: f"${dollars:,.2f}"), basis)


def _format_number(number: float) -> str:
    return f"{number / 1e6:.2f} million" if number >= 1e5 else f"{number:,.0f}"
