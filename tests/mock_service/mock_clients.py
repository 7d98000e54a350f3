"""Clients of a running mock service, which use the real SDK."""

import asyncio
import json
from contextlib import asynccontextmanager

import openai

from atom.judging.vision.questions import SYSTEM, EventsAnswer, build_events_question
from atom.llm_client.request import Request


@asynccontextmanager
async def client(mock, key="test-key"):
    async with openai.AsyncOpenAI(base_url=mock.address, api_key=key, max_retries=0) as opened:
        yield opened


def question(motion, events=None, **fields):
    """The question about the events of a motion."""
    text = build_events_question(events or motion.events, len(motion.joints))
    return Request("gpt-4o", SYSTEM, (motion.picture, text), **{"schema": EventsAnswer, **fields})


def body(request, **more):
    form = {"response_format": request.response_format} if request.response_format else {}
    return {"model": request.model, "messages": request.messages(), **form, **more}


def ask(mock, *requests, key="test-key", **more):
    """The completions of requests that are sent at the same time; a single one for a single request."""

    async def gathered():
        async with client(mock, key) as opened:
            return await asyncio.gather(*(opened.chat.completions.create(**body(r, **more)) for r in requests))

    completions = asyncio.run(gathered())
    return completions[0] if len(requests) == 1 else completions


def value(completion):
    return json.loads(completion.choices[0].message.content)
