"""Chat requests, parsed and validated as strictly as by the real service."""

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

from atom.mock_service.errors import bad_request

ResponseFormat = Literal["json_schema", "json_object", "text"]

CHARACTERS_PER_TOKEN = 4
# OpenAI's rule for GPT-4o: a fixed number of tokens for a picture, and more for each tile in high detail.
_TILE, _PICTURE_TOKENS, _TILE_TOKENS = 512, 85, 170
_MEDIA_TYPES = {f"image/{name}" for name in ("png", "jpeg", "webp", "gif")}


@dataclass(frozen=True)
class RequestPicture:
    """A picture in a request."""

    sha256: str
    tokens: int


@dataclass(frozen=True)
class ChatRequest:
    """A chat request.

    Attributes:
        parts: texts and pictures of the user's messages, in order.
        form: format of the answer that the request asks for.
        max_tokens: limit of the answer's length; None for no limit.
        key: sha256 of the whole body, pictures by their bytes. A live request and a batch line with the same body have
            the same key.
    """

    model: str
    parts: tuple[str | RequestPicture, ...]
    form: ResponseFormat
    max_tokens: int | None
    prompt_tokens: int
    key: str

    @property
    def text(self) -> str:
        return "\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def pictures(self) -> list[str]:
        return [part.sha256 for part in self.parts if isinstance(part, RequestPicture)]

    def random(self, *purpose: object) -> Random:
        """A random generator that is seeded by this request and the purpose of the draw, and by nothing else."""
        return Random(" ".join(map(str, (self.key, *purpose))))


def parse_request(body: Any) -> ChatRequest:
    """Parses a request body. An invalid one is an ApiError 400, as at OpenAI. Unused fields are ignored."""
    if not isinstance(body, dict):
        raise bad_request("We could not parse the JSON body of your request: it must be an object.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise bad_request("you must provide a model parameter")
    if body.get("stream"):
        raise bad_request("This mock service does not stream; leave 'stream' out.", "stream", "unsupported_value")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise bad_request("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    parsed = [_parse_message(message, f"messages[{place}]") for place, message in enumerate(messages)]
    all_parts = [part for _, parts in parsed for part in parts]
    texts = [part for part in all_parts if isinstance(part, str)]
    hashed_messages = [
        {**message, "content": [part if isinstance(part, str) else part.sha256 for part in parts]}
        for message, (_, parts) in zip(messages, parsed, strict=True)
    ]
    return ChatRequest(
        model=body["model"],
        parts=tuple(part for role, parts in parsed if role == "user" for part in parts),
        form=_parse_response_format(body.get("response_format"), texts),
        max_tokens=_parse_max_tokens(body),
        prompt_tokens=sum(
            math.ceil(len(part) / CHARACTERS_PER_TOKEN) if isinstance(part, str) else part.tokens for part in all_parts
        ),
        key=hashlib.sha256(json.dumps({**body, "messages": hashed_messages}, sort_keys=True).encode()).hexdigest(),
    )


def _parse_message(message: Any, where: str) -> tuple[str, list[str | RequestPicture]]:
    """The role and the parts of a message."""
    if not isinstance(message, dict) or message.get("role") not in ("system", "developer", "user", "assistant"):
        raise bad_request(f"Invalid value for '{where}.role'.", f"{where}.role", "invalid_value")
    content = message.get("content")
    if isinstance(content, str):
        return message["role"], [content]
    if not isinstance(content, list) or not content:
        raise bad_request(f"Invalid type for '{where}.content'.", f"{where}.content", "invalid_type")
    return message["role"], [_parse_part(part, f"{where}.content[{place}]") for place, part in enumerate(content)]


def _parse_part(part: Any, where: str) -> str | RequestPicture:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return part["text"]
    if (
        kind == "image_url"
        and isinstance(part.get("image_url"), dict)
        and isinstance(part["image_url"].get("url"), str)
    ):
        return _parse_picture(part["image_url"]["url"], part["image_url"].get("detail", "auto"), where)
    raise bad_request(f"Invalid value for '{where}': a text or an image_url is supported.", where, "invalid_value")


def _parse_picture(url: str, detail: Any, where: str) -> RequestPicture:
    head, _, encoded = url.partition(",")
    scheme, _, kind = head.partition(":")
    if scheme != "data" or not kind.endswith(";base64"):
        raise bad_request(
            "This mock service downloads no pictures: send a data URL in base64.", where, "invalid_image_url"
        )
    if kind.removesuffix(";base64") not in _MEDIA_TYPES:
        raise bad_request(
            f"Unsupported picture type; known are {', '.join(sorted(_MEDIA_TYPES))}.", where, "invalid_image_format"
        )
    if detail not in ("low", "high", "auto"):
        raise bad_request(
            f"Invalid value for '{where}.image_url.detail'.", f"{where}.image_url.detail", "invalid_value"
        )
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise bad_request("Invalid base64 image_url.", where, "invalid_base64") from None
    return RequestPicture(
        hashlib.sha256(data).hexdigest(), _PICTURE_TOKENS + (0 if detail == "low" else _count_tile_tokens(data))
    )


def _count_tile_tokens(data: bytes) -> int:
    try:
        with Image.open(io.BytesIO(data)) as image:  # reads only the header
            width, height = image.size
    except (UnidentifiedImageError, OSError, ValueError):
        return _TILE_TOKENS  # tests send arbitrary bytes as pictures
    return _TILE_TOKENS * math.ceil(width / _TILE) * math.ceil(height / _TILE)


def _parse_max_tokens(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        if (value := body.get(name)) is not None:
            if not isinstance(value, int) or value < 1:
                raise bad_request(
                    f"Invalid value for '{name}': expected an integer above 0.", name, "integer_below_min_value"
                )
            return value
    return None


def _parse_response_format(response_format: Any, texts: list[str]) -> ResponseFormat:
    if response_format is None or response_format == {"type": "text"}:
        return "text"
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind == "json_object":
        if not any("json" in text.lower() for text in texts):
            raise bad_request(
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                "messages",
            )
        return "json_object"
    json_schema = response_format.get("json_schema") if kind == "json_schema" else None
    if (
        not isinstance(json_schema, dict)
        or not isinstance(json_schema.get("name"), str)
        or not isinstance(json_schema.get("schema"), dict)
    ):
        raise bad_request("Invalid value for 'response_format'.", "response_format", "invalid_value")
    if json_schema.get("strict") and (fault := _find_schema_fault(json_schema["schema"])):
        raise bad_request(
            f"Invalid schema for response_format '{json_schema['name']}': {fault}", "response_format", "invalid_schema"
        )
    return "json_schema"


def _find_schema_fault(node: Any) -> str | None:
    """Why strict structured outputs refuse a schema, or None."""
    if isinstance(node, list):
        return next(filter(None, map(_find_schema_fault, node)), None)
    if not isinstance(node, dict):
        return None
    if node.get("type") == "object":
        if node.get("additionalProperties") is not False:
            return "'additionalProperties' is required to be supplied and to be false."
        if set(node.get("required", ())) != set(node.get("properties", ())):
            return "'required' is required to be supplied and to be an array including every key in properties."
    return next(filter(None, map(_find_schema_fault, node.values())), None)
