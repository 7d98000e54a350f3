"""A chat request answered, whether it came alone or as a line of a batch."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from dataclasses import dataclass
from typing import Any

from atom.mock_service.chat_request import CHARACTERS, Asked, read_request
from atom.mock_service.errors import ApiError
from atom.mock_service.faults import Faults, Said, spoiled
from atom.mock_service.motion_index import MotionIndex
from atom.mock_service.responder import Answering
from atom.mock_service.settings import MockServiceSettings
from atom.mock_service.statistics import Statistics


@dataclass(frozen=True)
class Reply:
    """A chat completion, and the fault that hit it."""

    completion: dict[str, Any]
    fault: str | None


class Chat:
    """The model behind the service."""

    def __init__(self, settings: MockServiceSettings, index: MotionIndex, statistics: Statistics) -> None:
        self._settings, self._index, self._statistics = settings, index, statistics
        self._faults, self._answering = Faults(settings), Answering(settings, index)

    async def reply(self, body: Any, batched: bool = False) -> Reply:
        """The answer to a request's body, which is paid from now on. ApiError when there is none."""
        asked = read_request(body)
        if self._settings.models and asked.model not in self._settings.models:
            raise ApiError(
                404,
                f"The model `{asked.model}` does not exist or you do not have access to it.",
                code="model_not_found",
            )
        fault = self._faults.draw(asked, batched)
        if self._index.lacks(asked.pictures):
            await asyncio.to_thread(self._index.look, time.monotonic())
        completion = _completion(asked, spoiled(self._answering.answer(asked), fault, asked))
        self._statistics.answered(asked.key, completion["usage"], fault, batched)
        return Reply(completion, fault)


def _completion(asked: Asked, said: Said) -> dict[str, Any]:
    answer_tokens = math.ceil(len(said.text or said.refusal or "") / CHARACTERS)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": asked.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said.text, "refusal": said.refusal, "annotations": []},
                "logprobs": None,
                "finish_reason": said.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": asked.prompt_tokens,
            "completion_tokens": answer_tokens,
            "total_tokens": asked.prompt_tokens + answer_tokens,
        },
        "service_tier": "default",
        "system_fingerprint": "atom-double",
    }
