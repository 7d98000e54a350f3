"""A chat request as the double reads it, with the mistakes that the real service would not let pass."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import math
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from PIL import Image, UnidentifiedImageError

from atom.mock_service.errors import bad

Form = Literal["json_schema", "json_object", "text"]

CHARACTERS = 4  # of a token
_TILE, _PICTURE_TOKENS, _TILE_TOKENS = 512, 85, 170
_MEDIA_TYPES = {f"image/{name}" for name in ("png", "jpeg", "webp", "gif")}


@dataclass(frozen=True)
class Shown:
    """A picture of a request."""

    sha256: str
    tokens: int


@dataclass(frozen=True)
class Asked:
    """A chat request.

    Attributes:
        parts: texts and pictures of the user's messages, in order.
        key: sha256 of all of the body, pictures by their bytes; the same for a live request and a line of a batch.
    """

    model: str
    parts: tuple[str | Shown, ...]
    form: Form
    most_tokens: int | None
    prompt_tokens: int
    key: str

    @property
    def text(self) -> str:
        return "\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def pictures(self) -> list[str]:
        return [part.sha256 for part in self.parts if isinstance(part, Shown)]

    def chance(self, *what: object) -> Random:
        """Chance that depends on this request and on `what` it is for, and on nothing else."""
        return Random(" ".join(map(str, (self.key, *what))))


def read_request(body: Any) -> Asked:
    """ApiError 400 that says what is wrong, as OpenAI would. Fields that mean nothing here are ignored."""
    if not isinstance(body, dict):
        raise bad("We could not parse the JSON body of your request: it must be an object.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise bad("you must provide a model parameter")
    if body.get("stream"):
        raise bad("This test double does not stream; leave 'stream' out.", "stream", "unsupported_value")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    read = [_message(message, f"messages[{place}]") for place, message in enumerate(messages)]
    every = [part for _, parts in read for part in parts]
    texts = [part for part in every if isinstance(part, str)]
    bare = [
        {**message, "content": [part if isinstance(part, str) else part.sha256 for part in parts]}
        for message, (_, parts) in zip(messages, read, strict=True)
    ]
    return Asked(
        model=body["model"],
        parts=tuple(part for role, parts in read if role == "user" for part in parts),
        form=_form(body.get("response_format"), texts),
        most_tokens=_most_tokens(body),
        prompt_tokens=sum(
            math.ceil(len(part) / CHARACTERS) if isinstance(part, str) else part.tokens for part in every
        ),
        key=hashlib.sha256(json.dumps({**body, "messages": bare}, sort_keys=True).encode()).hexdigest(),
    )


def _message(message: Any, where: str) -> tuple[str, list[str | Shown]]:
    """The role of a message, its texts and its pictures."""
    if not isinstance(message, dict) or message.get("role") not in ("system", "developer", "user", "assistant"):
        raise bad(f"Invalid value for '{where}.role'.", f"{where}.role", "invalid_value")
    content = message.get("content")
    if isinstance(content, str):
        return message["role"], [content]
    if not isinstance(content, list) or not content:
        raise bad(f"Invalid type for '{where}.content'.", f"{where}.content", "invalid_type")
    return message["role"], [_part(part, f"{where}.content[{place}]") for place, part in enumerate(content)]


def _part(part: Any, where: str) -> str | Shown:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return part["text"]
    if (
        kind == "image_url"
        and isinstance(part.get("image_url"), dict)
        and isinstance(part["image_url"].get("url"), str)
    ):
        return _picture(part["image_url"]["url"], part["image_url"].get("detail", "auto"), where)
    raise bad(f"Invalid value for '{where}': a text or an image_url is supported.", where, "invalid_value")


def _picture(url: str, detail: Any, where: str) -> Shown:
    head, _, encoded = url.partition(",")
    scheme, _, kind = head.partition(":")
    if scheme != "data" or not kind.endswith(";base64"):
        raise bad("This test double downloads no pictures: send a data URL in base64.", where, "invalid_image_url")
    if kind.removesuffix(";base64") not in _MEDIA_TYPES:
        raise bad(
            f"Unsupported picture type; known are {', '.join(sorted(_MEDIA_TYPES))}.", where, "invalid_image_format"
        )
    if detail not in ("low", "high", "auto"):
        raise bad(f"Invalid value for '{where}.image_url.detail'.", f"{where}.image_url.detail", "invalid_value")
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise bad("Invalid base64 image_url.", where, "invalid_base64") from None
    return Shown(hashlib.sha256(data).hexdigest(), _PICTURE_TOKENS + (0 if detail == "low" else _tile_tokens(data)))


def _tile_tokens(data: bytes) -> int:
    try:
        with Image.open(io.BytesIO(data)) as image:  # reads the head alone
            width, height = image.size
    except (UnidentifiedImageError, OSError, ValueError):
        return _TILE_TOKENS  # tests may send any bytes as a picture
    return _TILE_TOKENS * math.ceil(width / _TILE) * math.ceil(height / _TILE)


def _most_tokens(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        if (value := body.get(name)) is not None:
            if not isinstance(value, int) or value < 1:
                raise bad(f"Invalid value for '{name}': expected an integer above 0.", name, "integer_below_min_value")
            return value
    return None


def _form(wanted: Any, texts: list[str]) -> Form:
    if wanted is None or wanted == {"type": "text"}:
        return "text"
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object":
        if not any("json" in text.lower() for text in texts):
            raise bad(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                "messages",
            )
        return "json_object"
    named = wanted.get("json_schema") if kind == "json_schema" else None
    if (
        not isinstance(named, dict)
        or not isinstance(named.get("name"), str)
        or not isinstance(named.get("schema"), dict)
    ):
        raise bad("Invalid value for 'response_format'.", "response_format", "invalid_value")
    if named.get("strict") and (fault := _looseness(named["schema"])):
        raise bad(f"Invalid schema for response_format '{named['name']}': {fault}", "response_format", "invalid_schema")
    return "json_schema"


def _looseness(node: Any) -> str | None:
    """What strict schemas may not have."""
    if isinstance(node, list):
        return next(filter(None, map(_looseness, node)), None)
    if not isinstance(node, dict):
        return None
    if node.get("type") == "object":
        if node.get("additionalProperties") is not False:
            return "'additionalProperties' is required to be supplied and to be false."
        if set(node.get("required", ())) != set(node.get("properties", ())):
            return "'required' is required to be supplied and to be an array including every key in properties."
    return next(filter(None, map(_looseness, node.values())), None)
