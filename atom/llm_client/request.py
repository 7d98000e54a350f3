"""Requests to a language model and its answers, independent of how they are sent."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Literal

from pydantic import BaseModel

AnswerForm = Literal["schema", "json", "text"]
"""How a request states the format of its answer: a strict JSON schema, any JSON object, or in words alone."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture of a motion.

    Attributes:
        data: bytes of the encoded picture.
        label: the line of text that introduces the picture to the model.
        frames: indices of the frames of the motion that the picture shows.
    """

    data: bytes
    media_type: Literal["image/png", "image/jpeg"]
    label: str = ""
    frames: tuple[int, ...] = ()

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Request:
    """One question to a model.

    Attributes:
        parts: texts and pictures of the user's message, in the order in which they are sent.
        schema: the pydantic model that the answer must match; None for free text.
        form: how the request states the format of its answer.
        detail: resolution at which the service looks at the pictures, as OpenAI defines it.
        vote, refresh: numbers that make the same question another request, so that the journal does not answer it.
    """

    model: str
    system: str
    parts: tuple[str | Picture, ...]
    schema: type[BaseModel] | None = None
    form: AnswerForm = "schema"
    max_tokens: int = 1000
    temperature: float | None = None
    detail: Literal["low", "high", "auto"] = "auto"
    vote: int = 0
    refresh: int = 0

    @cached_property
    def key(self) -> str:
        """sha256 of everything that decides the answer, pictures by their bytes; the service's address is left out."""
        content = {
            "model": self.model,
            # The hash stands for the picture: the key stays short to compute, and its bytes are not encoded again.
            "messages": self._messages(lambda picture: picture.sha256),
            "response_format": self.response_format,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "vote": self.vote,
            "refresh": self.refresh,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @cached_property
    def response_format(self) -> dict[str, Any] | None:
        if self.schema is None or self.form == "text":
            return None
        if self.form == "json":
            return {"type": "json_object"}
        return {
            "type": "json_schema",
            "json_schema": {"name": self.schema.__name__, "schema": strict_schema(self.schema), "strict": True},
        }

    def messages(self) -> list[dict[str, Any]]:
        """The chat messages, with the pictures as base64 data URLs."""
        return self._messages(
            lambda picture: f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"
        )

    def _messages(self, picture_url: Callable[[Picture], str]) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = []
        for part in self.parts:
            if isinstance(part, Picture):
                if part.label:
                    content.append({"type": "text", "text": part.label})
                content.append({"type": "image_url", "image_url": {"url": picture_url(part), "detail": self.detail}})
            else:
                content.append({"type": "text", "text": part})
        if self.schema is not None and self.form != "schema":
            content.append({"type": "text", "text": _describe_schema(self.schema)})
        # Some servers accept no list of parts, so a single text is sent as a plain string.
        message = content[0]["text"] if len(content) == 1 and content[0]["type"] == "text" else content
        return [{"role": "system", "content": self.system}, {"role": "user", "content": message}]

    def with_changes(self, **fields: Any) -> Request:
        """A copy with other values for these fields."""
        return replace(self, **fields)


@dataclass(frozen=True)
class Answer:
    """A model's answer.

    Attributes:
        cost: US dollars; None where the price of the model is unknown.
        latency: seconds from the request to the answer.
        raw: the whole chat completion as JSON.
        journaled: whether the answer comes from the journal, without a new request.
    """

    text: str
    refusal: str | None
    finish_reason: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    latency: float
    raw: str
    journaled: bool = False

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@cache
def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema in the form of strict structured outputs: every property required, no others, no defaults."""
    return _make_strict(model.model_json_schema())


def _make_strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_make_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: _make_strict(value) for name, value in node.items() if name not in ("default", "title")}
    if node.get("type") == "object":
        # What OpenAI demands of a strict schema: all fields required, none besides.
        node["required"] = list(node.get("properties", {}))
        node["additionalProperties"] = False
    return node


def _describe_schema(model: type[BaseModel]) -> str:
    return (
        "Answer with one JSON object and nothing else, no code fence and no words around it. Its JSON schema:\n"
        + json.dumps(strict_schema(model))
    )
