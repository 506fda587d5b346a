"""The real ports of a session: one client for each service that the run uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.effects.cj_admin import CJAdminClient
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.content import ContentClient
from eng5_runner.effects.kafka.broker import connected
from eng5_runner.effects.llm_provider import ModelsClient
from eng5_runner.effects.upload_cache import UploadCache
from eng5_runner.run.ports import Ports
from eng5_runner.transport.http import Service, http_session
from eng5_runner.transport.kafka_settings import KafkaSettings
from eng5_runner.transport.stack_secret import StackSecret


@asynccontextmanager
async def open_ports(
    spec: RunSpec,
    *,
    target: Target,
    cache_folder: Path,
    token: str | None,
    kafka_password: SecretStr | None = None,
    trace: Mapping[str, str] | None = None,
    secret: StackSecret | None = None,
) -> AsyncIterator[Ports]:
    """Open the ports for one session of a run.

    Args:
        spec: of the run.
        target: the services' addresses in this session; an embedded stack has new ones each time.
        cache_folder: the folder of the upload cache.
        token: for the CJ service's admin side, if it needs one.
        kafka_password: of the target's Kafka user, if it has one.
        trace: headers by which the services add their work to this session's trace.
        secret: of the embedded stack that the target names; None for services of the field.

    Raises:
        ServiceUnavailable: Kafka cannot be reached.
        NotAllowed: Kafka refuses the user, the password or the certificate.
        ConfigurationError: the settings for Kafka contradict each other.
    """
    if not (spec.send or spec.uploads):
        yield Ports(clock=SystemClock())
        return
    headers = {"X-Correlation-ID": str(spec.correlation_id)} | dict(trace or {})
    admin = headers | {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(http_session(connections=spec.uploading.concurrency, secret=secret))

        def service(name: str, *, url: str, setting: str, headers: Mapping[str, str] = headers) -> Service:
            return Service(session=session, name=name, url=url.rstrip("/"), setting=setting, headers=headers)

        content = cache = cj = models = broker = None
        if target.content_service_url:
            content = ContentClient(
                service("Content Service", url=target.content_service_url, setting="--content-service-url")
            )
            cache = UploadCache(cache_folder, service_url=content.url)
        if target.cj_service_url and spec.send:
            url = target.cj_service_url
            cj = CJAdminClient(service("CJ service", url=url, setting="--cj-service-url", headers=admin))
        if target.llm_provider_service_url and spec.send:
            url = target.llm_provider_service_url
            models = ModelsClient(service("LLM provider service", url=url, setting="LLM_PROVIDER_SERVICE_URL"))
        if target.kafka_bootstrap and spec.send:
            settings = KafkaSettings(
                bootstrap=target.kafka_bootstrap,
                client_id=target.kafka_client_id,
                **target.kafka_access.model_dump(),
                password=kafka_password,
                topic_prefix=target.topic_prefix,
                record_headers=trace or {},
                secret=secret,
            )
            broker = await stack.enter_async_context(connected(settings))
        yield Ports(clock=SystemClock(), cache=cache, content=content, broker=broker, cj=cj, models=models)
