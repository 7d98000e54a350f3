"""Clients of a running mock service, which use the real SDK, and stored motions for it."""

import asyncio
import json
from contextlib import asynccontextmanager

import openai

from atom.judging.vision.questions import SYSTEM, EventsAnswer, build_events_question
from atom.llm_client.request import Request
from storage import MOTIONS, PICTURES, PROMPTS, Recipe


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


def put_motion(store, name, motion, number, events=None, prompt_id="p"):
    """Stores a motion with its picture, and its prompt where `events` are given."""
    inputs = []
    if events:
        prompt = {
            "prompt_id": prompt_id,
            "text": "a prompt",
            "task": "temporal",
            "events": [event.to_dict() for event in events],
            "split": "train",
            "source": "test",
            "seed": 0,
            "rejected": None,
            "answer": None,
        }
        with store.write(Recipe("prompts", 1, PROMPTS, seed=number)) as writer:
            writer.rows([prompt])
        inputs.append(writer.ref.key)
    row = {
        "motion_id": name,
        "prompt_id": prompt_id,
        "sample": 0,
        "seed": number,
        "tokens": [],
        "frames": len(motion.joints),
        "joints": motion.joints,
        "stop_reason": "end",
    }
    with store.write(Recipe("motions", 1, MOTIONS, seed=number)) as writer:
        writer.rows([row])
    picture = {"label": motion.picture.label, "media_type": "image/jpeg", "frames": [0], "data": motion.picture.data}
    with store.write(Recipe("pictures", 1, PICTURES, inputs=[*inputs, writer.ref.key])) as written:
        written.rows([{"motion_id": name, "prompt_id": prompt_id, "shown": [picture]}])
