"""The model behind the service: it answers chat requests, whether live or in a batch."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from dataclasses import dataclass
from typing import Any

from atom.mock_service.chat_request import CHARACTERS_PER_TOKEN, ChatRequest, parse_request
from atom.mock_service.errors import ApiError
from atom.mock_service.faults import FaultSampler, ModelOutput, apply_fault
from atom.mock_service.motion_index import MotionIndex
from atom.mock_service.responder import Responder
from atom.mock_service.settings import MockServiceSettings
from atom.mock_service.statistics import RequestStatistics


@dataclass(frozen=True)
class ChatReply:
    """A chat completion, and the fault that hit it, if any."""

    completion: dict[str, Any]
    fault: str | None


class ChatModel:
    """Parses a request, draws its fault and computes its chat completion."""

    def __init__(self, settings: MockServiceSettings, index: MotionIndex, statistics: RequestStatistics) -> None:
        self._settings, self._index, self._statistics = settings, index, statistics
        self._faults, self._responder = FaultSampler(settings), Responder(settings, index)

    async def reply(self, body: Any, batched: bool = False) -> ChatReply:
        """Answers a request.

        Args:
            body: the JSON body of the request.
            batched: whether the request is a line of a batch.

        Returns:
            The completion, which counts as paid from now on.

        Raises:
            ApiError: the request is invalid, or a fault leaves it without an answer.
        """
        request = parse_request(body)
        if self._settings.models and request.model not in self._settings.models:
            raise ApiError(
                404,
                f"The model `{request.model}` does not exist or you do not have access to it.",
                code="model_not_found",
            )
        fault = self._faults.draw(request, batched)
        if self._index.has_unknown(request.pictures):
            await asyncio.to_thread(self._index.refresh, time.monotonic())
        completion = _build_completion(request, apply_fault(self._responder.answer(request), fault, request))
        self._statistics.record_answer(request.key, completion["usage"], fault, batched)
        return ChatReply(completion, fault)


def _build_completion(request: ChatRequest, output: ModelOutput) -> dict[str, Any]:
    answer_tokens = math.ceil(len(output.text or output.refusal or "") / CHARACTERS_PER_TOKEN)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": output.text, "refusal": output.refusal, "annotations": []},
                "logprobs": None,
                "finish_reason": output.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": request.prompt_tokens,
            "completion_tokens": answer_tokens,
            "total_tokens": request.prompt_tokens + answer_tokens,
        },
        "service_tier": "default",
        "system_fingerprint": "atom-double",
    }
