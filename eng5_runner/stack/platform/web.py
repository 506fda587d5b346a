"""The HTTP parts that all services share: the shape of errors, the correlation id, health, metrics, a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from pydantic import BaseModel, JsonValue, ValidationError

from eng5_runner.contracts.base import describe
from eng5_runner.contracts.services import ErrorAnswer, ErrorBody, Health, ProviderTrouble
from eng5_runner.errors import ConfigurationError, DiskError, ServiceUnavailable
from eng5_runner.stack.platform.transactions import ValueRefused
from eng5_runner.transport.stack_secret import VARIABLE, StackSecret

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BodyT = TypeVar("BodyT", bound=BaseModel)

CORRELATION_HEADER = "X-Correlation-ID"
CORRELATION_ID: web.RequestKey[str] = web.RequestKey("correlation_id", str)
_CORRELATION_LENGTH = 128
LOOPBACK = "127.0.0.1"
_LOOPBACK_NAMES = frozenset((LOOPBACK, "localhost", "[::1]", "::1"))
_OPEN_PATHS = frozenset(("/healthz", "/metrics"))
_JSON = "application/json"
_SHUTDOWN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Checkup:
    """The check that `/healthz` makes before it reports that a service is healthy.

    Attributes:
        problem: why the service does not work at the moment; None if it does.
    """

    problem: Callable[[], Awaitable[str | None]]


CHECKUP: web.AppKey[Checkup] = web.AppKey("checkup", Checkup)


@dataclass(frozen=True, slots=True)
class Troubles:
    """What `/healthz` says of the providers behind a service that works itself.

    Attributes:
        now: the providers that give no answer at the moment.
        calls: the number of calls to paid judges that wait for their answers.
    """

    now: Callable[[], dict[str, ProviderTrouble]]
    calls: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Measuring:
    """What `/metrics` does before it answers.

    Attributes:
        now: sets the gauges that nothing else sets.
    """

    now: Callable[[], Awaitable[None]]


MEASURING: web.AppKey[Measuring] = web.AppKey("measuring", Measuring)
TROUBLES: web.AppKey[Troubles] = web.AppKey("troubles", Troubles)


class RequestRefused(Exception):
    """A request that the service answers with an error in the contract's shape.

    Attributes:
        status: the HTTP status.
        error_code: the contract's name of the kind of error.
        message: what is wrong, for people.
        headers: of the answer, such as `Retry-After`.
    """

    def __init__(self, status: int, *, error_code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message
        self.headers = headers or {}


def not_found(message: str) -> RequestRefused:
    """A 404 in the contract's shape."""
    return RequestRefused(404, error_code="RESOURCE_NOT_FOUND", message=message)


def invalid(message: str) -> RequestRefused:
    """A 400 in the contract's shape."""
    return RequestRefused(400, error_code="VALIDATION_ERROR", message=message)


def answer(body: BaseModel | Mapping[str, JsonValue], *, status: int = 200) -> web.Response:
    """A JSON answer."""
    content = body.model_dump_json().encode() if isinstance(body, BaseModel) else orjson.dumps(body)
    return web.Response(body=content, status=status, content_type=_JSON)


async def parsed(request: web.Request, model: type[BodyT]) -> BodyT:
    """The request's body as a model; unknown fields are ignored.

    Raises:
        RequestRefused: the body breaks the contract or is not sent as JSON; the message says where, without values.
    """
    if request.content_type != _JSON:  # a web page can send other types to any address without asking
        raise RequestRefused(415, error_code="VALIDATION_ERROR", message=f"the body must be sent as {_JSON}")
    try:
        return model.model_validate_json(await request.read(), extra="ignore")
    except ValidationError as error:
        raise invalid(describe(error)) from error


def service(
    name: str, *, largest_body: int, honours: tuple[str, ...] | None = None
) -> tuple[web.Application, CollectorRegistry]:
    """An application with `/healthz`, `/metrics` and the contract's error shape, and its metrics.

    Args:
        name: the service's name.
        largest_body: the most bytes of a request's body.
        honours: the study options that the service supports, if any.
    """
    registry = CollectorRegistry()
    requests = Counter("http_requests", "Answered requests.", ["method", "route", "status"], registry=registry)

    async def healthz(request: web.Request) -> web.StreamResponse:
        checkup = request.app.get(CHECKUP)
        problem = await checkup.problem() if checkup else None
        if problem is not None:
            return answer({"status": "unhealthy", "service": name, "reason": problem}, status=503)
        troubles = request.app.get(TROUBLES)
        health = Health(
            status="healthy",
            service=name,
            supported_options=honours,
            providers=troubles.now() if troubles else None,
            calls_under_way=troubles.calls() if troubles else None,
        )
        return answer(health)

    async def metrics(request: web.Request) -> web.StreamResponse:
        measuring = request.app.get(MEASURING)
        if measuring is not None:
            await measuring.now()
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=largest_body, middlewares=[_in_the_contracts_shape(name, requests)])
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", metrics)
    return app, registry


def _in_the_contracts_shape(name: str, requests: Counter) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(CORRELATION_HEADER, "")
        usable = given.isascii() and given.isprintable() and 0 < len(given) <= _CORRELATION_LENGTH
        correlation_id = given if usable else str(uuid4())
        request[CORRELATION_ID] = correlation_id
        try:
            response = await handler(request)
        except RequestRefused as refusal:
            response = _refused(refusal, name=name, correlation_id=correlation_id)
        except web.HTTPException as error:
            response = _refused(_as_refusal(error), name=name, correlation_id=correlation_id)
        except ValueRefused as error:
            response = _refused(invalid(str(error)), name=name, correlation_id=correlation_id)
        except ServiceUnavailable as error:
            unavailable = RequestRefused(503, error_code="SERVICE_UNAVAILABLE", message=error.message)
            response = _refused(unavailable, name=name, correlation_id=correlation_id)
        except DiskError as error:
            full = RequestRefused(507, error_code="INSUFFICIENT_STORAGE", message=error.message)
            response = _refused(full, name=name, correlation_id=correlation_id)
        except Exception:  # the one boundary of a service: a bug is a 500 in the contract's shape
            log.exception("request failed", service=name, method=request.method, path=request.path)
            response = _refused(
                RequestRefused(500, error_code="INTERNAL_ERROR", message="internal error"),
                name=name,
                correlation_id=correlation_id,
            )
        response.headers[CORRELATION_HEADER] = correlation_id
        resource = request.match_info.route.resource
        requests.labels(request.method, resource.canonical if resource else "unknown", response.status).inc()
        return response

    return middleware


def fence(secret: StackSecret | None, *, host: str) -> Middleware:
    """Refuse requests of web pages, and of clients that do not know the stack's secret.

    A browser names the page that makes a request in `Origin`; no client of the contract is a web page. A page whose
    domain name was pointed at this machine is recognised by `Host`. Health and metrics need no secret.

    Args:
        secret: of the stack; None lets every local client in.
        host: the address that the service listens on. The name in `Host` is only known for loopback.
    """
    names = _LOOPBACK_NAMES if host in _LOOPBACK_NAMES else None

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none":
            raise RequestRefused(403, error_code="FORBIDDEN", message="web pages may not use this service")
        if names is not None and request.host.rpartition(":")[0] not in names and request.host not in names:
            raise RequestRefused(403, error_code="FORBIDDEN", message="the header Host does not name this machine")
        if secret is not None and request.path not in _OPEN_PATHS and not secret.is_in(request.headers):
            message = f"the stack's secret is missing or wrong; see {VARIABLE}"
            raise RequestRefused(401, error_code="AUTHENTICATION_ERROR", message=message)
        return await handler(request)

    return middleware


def _as_refusal(error: web.HTTPException) -> RequestRefused:
    codes = {404: "RESOURCE_NOT_FOUND", 413: "VALIDATION_ERROR"}
    return RequestRefused(error.status, error_code=codes.get(error.status, "HTTP_ERROR"), message=error.reason)


def error_body(refusal: RequestRefused, *, name: str, correlation_id: str) -> ErrorBody:
    """The refusal in the contract's shape."""
    return ErrorBody(
        error_code=refusal.error_code, message=refusal.message, correlation_id=correlation_id, service=name
    )


def _refused(refusal: RequestRefused, *, name: str, correlation_id: str) -> web.Response:
    body = error_body(refusal, name=name, correlation_id=correlation_id)
    response = answer(ErrorAnswer(error=body), status=refusal.status)
    response.headers.update(refusal.headers)
    return response


@asynccontextmanager
async def served(
    app: web.Application, *, host: str = LOOPBACK, port: int = 0, secret: StackSecret | None = None
) -> AsyncIterator[str]:
    """Serve the application behind the stack's fence; yields its address, `http://<host>:<port>`.

    Args:
        app: made by `service`.
        host: the address to listen on.
        port: 0 for a free one.
        secret: that clients must know; None lets every local client in.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    app.middlewares.append(fence(secret, host=host))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    try:
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigurationError(
                f"{host}:{port} cannot be listened on: {error.strerror}", remedy="Give another HOST or PORT."
            ) from error
        taken = runner.addresses[0][1]
        yield f"http://[{host}]:{taken}" if ":" in host else f"http://{host}:{taken}"
    finally:
        await runner.cleanup()
