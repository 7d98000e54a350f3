"""The HTTP endpoints of the mock service: OpenAI's under /v1, and /statistics beside them."""

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

from atom.mock_service.batches import BatchRunner, FileStore
from atom.mock_service.chat_model import ChatModel
from atom.mock_service.errors import ApiError, bad_request
from atom.mock_service.faults import SlidingWindowLimit
from atom.mock_service.motion_index import MotionIndex
from atom.mock_service.settings import MockServiceSettings
from atom.mock_service.statistics import RequestStatistics


def make_app(settings: MockServiceSettings, index: MotionIndex) -> FastAPI:
    """Makes the web application. All its state is in memory.

    Args:
        settings: settings of the service.
        index: the motions that its pictures show.

    Returns:
        The application, with its counts in `app.state.statistics`.
    """
    statistics, files = RequestStatistics(), FileStore()
    chat = ChatModel(settings, index, statistics)
    batches = BatchRunner(settings, chat, files, statistics)

    app = FastAPI(title="AToM mock judge service", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.statistics = statistics
    _add_error_handlers(app, statistics)
    _add_statistics(app, statistics)
    api = APIRouter(prefix="/v1", dependencies=[Depends(_make_key_check(settings))])
    _add_chat(api, settings, chat, statistics)
    _add_files(api, files)
    _add_batches(api, batches)
    app.include_router(api)
    return app


def _add_chat(api: APIRouter, settings: MockServiceSettings, chat: ChatModel, statistics: RequestStatistics) -> None:
    limit, rng = SlidingWindowLimit(settings.requests_per_minute), random.Random(f"latency {settings.seed}")

    @api.post("/chat/completions")
    async def complete(request: Request) -> Response:
        with statistics.request():
            body = await request.body()
            limit.admit()
            reply = await chat.reply(_parse_json(body))
            latency = settings.latency * (1 + settings.jitter * rng.uniform(-1, 1))
            await asyncio.sleep(latency + (settings.stall_seconds if reply.fault == "stall" else 0))
        response_class = _CutResponse if reply.fault == "cut" else JSONResponse
        return response_class(reply.completion, headers={"x-request-id": f"req_{uuid.uuid4().hex}"})

    @api.get("/models")
    async def models() -> Response:
        names = settings.models or ("atom-double",)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "atom-double"} for name in names]
        return JSONResponse({"object": "list", "data": data})


def _add_files(api: APIRouter, files: FileStore) -> None:
    @api.post("/files")
    async def send(request: Request) -> Response:
        async with request.form() as form:
            file, purpose = form.get("file"), form.get("purpose")
            if not isinstance(file, UploadFile):
                raise bad_request("Missing required parameter: 'file'.", "file", "missing_required_parameter")
            if purpose != "batch":
                raise bad_request("Invalid value for 'purpose': this mock service supports only 'batch'.", "purpose")
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


def _add_batches(api: APIRouter, batches: BatchRunner) -> None:
    @api.post("/batches")
    async def create(request: Request) -> Response:
        return JSONResponse(batches.create(_parse_json(await request.body())).to_dict())

    @api.get("/batches")
    async def page(after: str | None = None, limit: int = 20) -> Response:
        return JSONResponse(batches.page(after, limit))

    @api.get("/batches/{name}")
    async def describe(name: str) -> Response:
        return JSONResponse(batches.get(name).to_dict())

    @api.post("/batches/{name}/cancel")
    async def cancel(name: str) -> Response:
        return JSONResponse(batches.cancel(name).to_dict())


def _add_statistics(app: FastAPI, statistics: RequestStatistics) -> None:
    @app.get("/statistics")
    async def show() -> Response:
        return JSONResponse(statistics.to_dict())

    @app.post("/statistics/reset")
    async def reset() -> Response:
        statistics.reset()
        return JSONResponse(statistics.to_dict())


def _make_key_check(settings: MockServiceSettings) -> Any:
    async def check(request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ApiError(
                401,
                "You didn't provide an API key. You need to provide your API key in an Authorization "
                "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        if settings.key and key.strip() != settings.key.get_secret_value():
            # A careful service would not repeat the key. This one does, to test that clients keep it out of their logs.
            raise ApiError(401, f"Incorrect API key provided: {key.strip()}.", code="invalid_api_key")

    return check


def _add_error_handlers(app: FastAPI, statistics: RequestStatistics) -> None:
    def respond(error: ApiError) -> Response:
        return JSONResponse(error.body, error.status, {**error.headers, "x-request-id": f"req_{uuid.uuid4().hex}"})

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> Response:
        if request.url.path.endswith("/chat/completions"):
            statistics.record_refusal(error.reason)
        return respond(error)

    @app.exception_handler(HTTPException)
    async def no_such_address(request: Request, error: HTTPException) -> Response:
        return respond(ApiError(error.status_code, f"Invalid URL ({request.method} {request.url.path})"))

    @app.exception_handler(RequestValidationError)
    async def bad_query(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return respond(bad_request(f"Invalid value for '{first['loc'][-1]}': {first['msg']}.", str(first["loc"][-1])))

    @app.exception_handler(Exception)
    async def internal_error(request: Request, error: Exception) -> Response:
        return respond(ApiError(500, "The mock service failed; its own output says how.", kind="server_error"))


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise bad_request("We could not parse the JSON body of your request.") from None


class _CutResponse(JSONResponse):
    """Sends the headers and half of the body. The server finds the response incomplete and closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
