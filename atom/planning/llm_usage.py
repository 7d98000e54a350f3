"""What the questions to language models take: tokens, money, time and room."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from PIL import Image

from atom.config import RunConfig
from atom.corpus.composition import make_motion
from atom.judging.vision.frames import draw_pictures
from atom.judging.vision.questions import SYSTEM, build_events_question, build_rating_question
from atom.llm_client.prices import BATCH_DISCOUNT, Price, find_price, read_prices
from atom.planning.counts import Counts, typical_prompts
from atom.planning.estimate import Amount, Estimate, between, duration

CHARACTERS_A_TOKEN = 4  # of English, a common rule of thumb
ANSWER_TOKENS = 150  # of a decomposed answer about three actions
WRITER_TOKENS = (700, 350)  # in and out of a request for eight prompts
SHOWN_PROMPTS = 9


@dataclass(frozen=True)
class Asked:
    """Equal requests to one model, with the tokens of each."""

    model: str
    requests: float
    sent: Amount
    answered: float


@dataclass(frozen=True)
class Shown:
    """Means over typical motions: tokens of a question with its pictures, bytes of these."""

    tokens: Amount
    bytes: float


def count_picture_tokens(width: int, height: int) -> Amount:
    """Tokens of one picture in low and in high detail by OpenAI's rule for GPT-4o: 85, and 170 for each tile of 512
    pixels after scaling to at most 2048 and a short side of at most 768. Other models count otherwise."""
    scale = min(1.0, 2048 / max(width, height))
    scale = min(scale, 768 / min(width, height))
    return 85, 85 + 170 * math.ceil(width * scale / 512) * math.ceil(height * scale / 512)


def shown(config: RunConfig) -> Shown:
    """What a question about a motion of a typical prompt shows; drawn for a few of them."""
    settings = config.judging.vision
    tokens: list[Amount] = []
    sizes = []
    prompts = typical_prompts()
    for number, prompt in enumerate(prompts[:: len(prompts) // SHOWN_PROMPTS]):
        joints = make_motion(prompt.events, np.random.default_rng(number)).joints
        if settings.question == "events":
            question = build_events_question(prompt.events, len(joints))
        else:
            question = build_rating_question(prompt.text, prompt.task)
        pictures = draw_pictures(joints, settings.frames, prompt.task)
        words = (len(SYSTEM) + len(question)) / CHARACTERS_A_TOKEN
        each = [count_picture_tokens(*Image.open(io.BytesIO(picture.data)).size) for picture in pictures]
        tokens.append((words + sum(low for low, _ in each), words + sum(high for _, high in each)))
        sizes.append(sum(len(picture.data) for picture in pictures))
    low, high = (fmean(amount[i] for amount in tokens) for i in (0, 1))
    return Shown({"low": (low, low), "high": (high, high), "auto": (low, high)}[settings.detail], fmean(sizes))


def asked_of_models(config: RunConfig, counts: Counts) -> list[Asked]:
    found = []
    if config.prompts.writer == "llm" and counts.prompts:
        settings = config.prompts.llm
        sent, answered = (number * (0.5 + settings.per_request / 16) for number in WRITER_TOKENS)
        requests = math.ceil(counts.prompts / settings.per_request)
        found.append(Asked(settings.model, requests, (sent, sent * settings.attempts), answered * settings.attempts))
    if counts.judged:
        low, high = shown(config).tokens
        models = [config.judging.vision.model, *filter(None, [config.judging.vision.second_model])]
        found += [Asked(model, counts.judged / len(models), (low, high), ANSWER_TOKENS) for model in models]
        if counts.compared:
            found.append(Asked(models[0], counts.compared, (2 * low, 2 * high), ANSWER_TOKENS))
    return found


def asking(config: RunConfig, counts: Counts) -> list[Estimate]:
    """Tokens, money, and the time that the service's limits alone ask for; nothing for a run that asks no model."""
    asked = asked_of_models(config, counts)
    if not asked:
        return []
    requests = sum(one.requests for one in asked)
    tokens = tuple(sum(one.requests * (one.sent[i] + one.answered) for one in asked) for i in (0, 1))
    found = [
        Estimate(
            "tokens",
            f"{between(tokens, _in_words)} in {requests:,.0f} requests",
            "questions about typical motions; pictures by OpenAI's rule, from low to high detail",
        ),
        _money(config, asked),
    ]
    if config.service.mode == "live":
        seconds = 60 * requests / config.service.requests_per_minute
        if config.service.tokens_per_minute:
            seconds = max(seconds, 60 * tokens[1] / config.service.tokens_per_minute)
        found.append(
            Estimate("time of requests", f"at least {duration(seconds)}", "limits a minute of the section service")
        )
    return found


def _money(config: RunConfig, asked: list[Asked]) -> Estimate:
    known = read_prices(config.service.prices)
    prices: dict[str, Price] = {}
    for one in asked:
        price = find_price(one.model, known)
        if price is None:
            return Estimate("money", "not known", f"no price for {one.model}: name a file in service.prices")
        prices[one.model] = price
    share = BATCH_DISCOUNT if config.service.mode == "batch" else 1.0
    low, high = (
        share * sum(one.requests * prices[one.model].cost(1, 0) * one.sent[i] for one in asked)
        + share * sum(one.requests * prices[one.model].cost(0, 1) * one.answered for one in asked)
        for i in (0, 1)
    )
    how = (
        "prices of atom/llm_client/prices.yaml"
        if config.service.prices is None
        else f"prices of {config.service.prices}"
    )
    budget = config.service.budget_dollars
    if budget is not None:
        how += f"; service.budget_dollars is {budget:g}" + (", where it will stop" if budget < low else "")
    return Estimate("money", between((low, high), lambda dollars: f"${dollars:,.2f}"), how)


def _in_words(number: float) -> str:
    return f"{number / 1e6:.2f} million" if number >= 1e5 else f"{number:,.0f}"
