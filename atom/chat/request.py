"""What is asked of a model and what it answers, apart from how it is sent."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Literal

from pydantic import BaseModel

Form = Literal["schema", "json", "text"]
"""How an answer's shape is asked for: by a strict schema, as any JSON object, or in words alone."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture and the line that announces it to the model; frames are those of the motion that it shows."""

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
        parts: the user's message, texts and pictures in the order in which they are sent.
        schema: what the answer has to be; None: free text.
        vote, refresh: asked again with another number, the same question counts as another one.
    """

    model: str
    system: str
    parts: tuple[str | Picture, ...]
    schema: type[BaseModel] | None = None
    form: Form = "schema"
    max_tokens: int = 1000
    temperature: float | None = None
    detail: Literal["low", "high", "auto"] = "auto"
    vote: int = 0
    refresh: int = 0

    @cached_property
    def key(self) -> str:
        """sha256 of all that decides the answer: pictures enter by their bytes, and where it is sent does not enter."""
        content = {
            "model": self.model,
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
        """The chat messages with the pictures inside, which are encoded only now."""
        return self._messages(
            lambda picture: f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"
        )

    def _messages(self, address: Any) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = []
        for part in self.parts:
            if isinstance(part, Picture):
                if part.label:
                    content.append({"type": "text", "text": part.label})
                content.append({"type": "image_url", "image_url": {"url": address(part), "detail": self.detail}})
            else:
                content.append({"type": "text", "text": part})
        if self.schema is not None and self.form != "schema":
            content.append({"type": "text", "text": _shape_in_words(self.schema)})
        # A single text goes as a plain string, which every server takes.
        plain = content[0]["text"] if len(content) == 1 and content[0]["type"] == "text" else content
        return [{"role": "system", "content": self.system}, {"role": "user", "content": plain}]

    def changed(self, **fields: Any) -> Request:
        return replace(self, **fields)


@dataclass(frozen=True)
class Answer:
    """A model's answer. cost is in US dollars, None where no price is known; latency in seconds.

    journaled: it was there already and nothing was asked. raw: the whole chat completion as JSON.
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
    """The model's JSON schema as strict services want it: all properties required, no others, no defaults."""
    return _strict(model.model_json_schema())


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: _strict(value) for name, value in node.items() if name not in ("default", "title")}
    if node.get("type") == "object":
        node["required"] = list(node.get("properties", {}))
        node["additionalProperties"] = False
    return node


def _shape_in_words(model: type[BaseModel]) -> str:
    return (
        "Answer with one JSON object and nothing else, no code fence and no words around it. Its JSON schema:\n"
        + json.dumps(strict_schema(model))
    )
