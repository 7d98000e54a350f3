"""The double's HTTP: OpenAI's addresses below /v1, and beside them what it counted."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from atom.mock_service.batches import Batches, Files
from atom.mock_service.chat_model import Chat
from atom.mock_service.errors import ApiError, bad
from atom.mock_service.faults import RateLimit
from atom.mock_service.motion_index import MotionIndex
from atom.mock_service.settings import MockServiceSettings
from atom.mock_service.statistics import Statistics


def make_app(settings: MockServiceSettings, index: MotionIndex) -> FastAPI:
    """The service; `app.state.statistics` are its counts. Nothing of it outlives the app."""
    statistics, files = Statistics(), Files()
    chat = Chat(settings, index, statistics)
    batches = Batches(settings, chat, files, statistics)

    app = FastAPI(title="AToM test double", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.statistics = statistics
    _tell_errors(app, statistics)
    _add_statistics(app, statistics)
    api = APIRouter(prefix="/v1", dependencies=[Depends(_key_check(settings))])
    _add_chat(api, settings, chat, statistics)
    _add_files(api, files)
    _add_batches(api, batches)
    app.include_router(api)
    return app


def _add_chat(api: APIRouter, settings: MockServiceSettings, chat: Chat, statistics: Statistics) -> None:
    limit, chance = RateLimit(settings.requests_per_minute), random.Random(f"latency {settings.seed}")

    @api.post("/chat/completions")
    async def complete(request: Request) -> Response:
        with statistics.request():
            body = await request.body()
            limit.pass_through()
            reply = await chat.reply(_json(body))
            latency = settings.latency * (1 + settings.jitter * chance.uniform(-1, 1))
            await asyncio.sleep(latency + (settings.stall_seconds if reply.fault == "stall" else 0))
        kind = _CutResponse if reply.fault == "cut" else JSONResponse
        return kind(reply.completion, headers={"x-request-id": f"req_{uuid.uuid4().hex}"})

    @api.get("/models")
    async def models() -> Response:
        names = settings.models or ("atom-double",)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "atom-double"} for name in names]
        return JSONResponse({"object": "list", "data": data})


def _add_files(api: APIRouter, files: Files) -> None:
    @api.post("/files")
    async def send(request: Request) -> Response:
        async with request.form() as form:
            file, purpose = form.get("file"), form.get("purpose")
            if not isinstance(file, UploadFile):
                raise bad("Missing required parameter: 'file'.", "file", "missing_required_parameter")
            if purpose != "batch":
                raise bad("Invalid value for 'purpose': this test double knows 'batch' alone.", "purpose")
            return JSONResponse(files.add(file.filename or "file", purpose, await file.read()).to_dict())

    @api.get("/files")
    async def page(after: str | None = None, limit: int = 10_000) -> Response:
        return JSONResponse(files.page(after, limit))

    @api.get("/files/{name}")
    async def describe(name: str) -> Response:
        return JSONResponse(files.get(name).to_dict())

    @api.get("/files/{name}/content")
    async def content(name: str) -> Response:
        return Response(files.get(name).data, media_type="application/octet-stream")


def _add_batches(api: APIRouter, batches: Batches) -> None:
    @api.post("/batches")
    async def create(request: Request) -> Response:
        return JSONResponse(batches.create(_json(await request.body())).to_dict())

    @api.get("/batches")
    async def page(after: str | None = None, limit: int = 20) -> Response:
        return JSONResponse(batches.page(after, limit))

    @api.get("/batches/{name}")
    async def describe(name: str) -> Response:
        return JSONResponse(batches.get(name).to_dict())

    @api.post("/batches/{name}/cancel")
    async def cancel(name: str) -> Response:
        return JSONResponse(batches.cancel(name).to_dict())


def _add_statistics(app: FastAPI, statistics: Statistics) -> None:
    @app.get("/statistics")
    async def show() -> Response:
        return JSONResponse(statistics.to_dict())

    @app.post("/statistics/reset")
    async def reset() -> Response:
        statistics.reset()
        return JSONResponse(statistics.to_dict())


def _key_check(settings: MockServiceSettings) -> Any:
    async def check(request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ApiError(
                401,
                "You didn't provide an API key. You need to provide your API key in an Authorization "
                "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        if settings.key and key.strip() != settings.key.get_secret_value():
            # A careful service would not repeat the key: clients have to keep it out of their logs all the same.
            raise ApiError(401, f"Incorrect API key provided: {key.strip()}.", code="invalid_api_key")

    return check


def _tell_errors(app: FastAPI, statistics: Statistics) -> None:
    def told(error: ApiError) -> Response:
        return JSONResponse(error.body, error.status, {**error.headers, "x-request-id": f"req_{uuid.uuid4().hex}"})

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> Response:
        if request.url.path.endswith("/chat/completions"):
            statistics.refused(error.reason)
        return told(error)

    @app.exception_handler(HTTPException)
    async def no_such_address(request: Request, error: HTTPException) -> Response:
        return told(ApiError(error.status_code, f"Invalid URL ({request.method} {request.url.path})"))

    @app.exception_handler(RequestValidationError)
    async def bad_query(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return told(bad(f"Invalid value for '{first['loc'][-1]}': {first['msg']}.", str(first["loc"][-1])))

    @app.exception_handler(Exception)
    async def our_own_fault(request: Request, error: Exception) -> Response:
        return told(ApiError(500, "The test double failed; its own output says how.", kind="server_error"))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise bad("We could not parse the JSON body of your request.") from None


class _CutResponse(JSONResponse):
    """Sends its head and half of its body. Whoever serves it then finds it incomplete and closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
