"""A run's metrics for Prometheus: live on a port while it runs, and as a text file at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import stamina.instrumentation
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest, start_http_server

from eng5_runner.app.addresses import LOOPBACK
from eng5_runner.contracts.flaws import receive_comparison
from eng5_runner.contracts.plain import plain_comparison
from eng5_runner.core.events import (
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    EssayUploaded,
    Event,
    ListeningFrom,
    OffsetsLost,
    PreflightPassed,
    RequestPrepared,
    RequestPublished,
    RunClosed,
    RunResumed,
    RunStarted,
)
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.errors import ConfigurationError, DiskError
from eng5_runner.run.ports import Lag, Notice, Update, WorkLeft

METRICS_NAME = "metrics.prom"
# Of callbacks; each starts at 0, so that 0 and unknown differ. A comparison is judged, failed, or left out because the
# requests cannot have caused it; `cj_failed` means that the CJ service reported the batch as failed.
OUTCOMES = ("judged", "failed", "completed", "cj_failed", "result", "duplicate", "conflict", "rejected", "left_out")
# The stage that an event ends: the time since the event before belongs to that stage.
_ENDS: tuple[tuple[type, str], ...] = (
    (PreflightPassed, "preflight"),
    (ListeningFrom, "upload"),
    (RequestPublished, "publish"),
    (RunClosed, "gather"),
)


class RunMetrics:
    """Counts the updates of a session: the same ones that people and log get, so the figures cannot disagree."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._uploads = self._counter("uploads", "Texts that the Content Service holds.", "source")
        self._retries = self._counter("http_retries", "HTTP requests tried again, by status or error.", "cause")
        self._callbacks = self._counter("callbacks", "Callbacks of the run.", "outcome")
        for outcome in OUTCOMES:
            self._callbacks.labels(outcome)
        self._tokens = self._counter("tokens", "Tokens of the comparisons.", "provider", "model", "kind")
        self._cached = self._counter(
            "cached_tokens", "Tokens of the prompts that came from the provider's cache.", "provider", "model"
        )
        self._cost = self._counter("cost_usd", "USD spent on comparisons.", "provider", "model")
        self._unpriced = self._counter(
            "unpriced_calls", "Calls whose price is not known; cost_usd lacks them.", "provider", "model"
        )
        self._lost = self._counter("offsets_lost", "Records that the broker dropped before they were read.")
        self._trouble = self._counter("broker_trouble", "Times that the broker was found away.")
        self._lag = Gauge(
            "eng5_lag_records",
            "Records of a callback topic that are there and not read.",
            ["topic"],
            registry=self.registry,
        )
        self._stages = Gauge("eng5_stage_seconds", "Time of a stage.", ["stage"], registry=self.registry)
        self._since: datetime | None = None

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"eng5_{name}", text, labels, registry=self.registry)

    def count(self, update: Update) -> None:
        """Count one event or notice."""
        match update:
            case Lag():
                for topic, records in update.behind.items():
                    self._lag.labels(topic).set(records)
            case Notice():
                self._trouble.inc(update.kind == "trouble")
            case WorkLeft():
                return
            case _:
                self._event(update)

    def _event(self, event: Event) -> None:
        self._time(event)
        match event:
            case EssayUploaded():
                self._uploads.labels("cache" if event.cached else "upload").inc()
            case CallbackAccepted():
                self._accepted(event)
            case CallbackRepeated():
                self._callbacks.labels("conflict" if event.conflict else "duplicate").inc()
            case CallbackRejected():
                self._callbacks.labels("rejected").inc()
            case OffsetsLost():
                self._lost.inc(event.count)
            case _:
                return

    def _accepted(self, event: CallbackAccepted) -> None:
        if event.kind != "comparison":
            self._callbacks.labels("cj_failed" if event.kind == "failed" else event.kind).inc()
            return
        outcome = "left_out" if event.is_left_out else "judged" if event.judged else "failed"
        self._callbacks.labels(outcome).inc()
        raw = event.raw.encode()
        result = plain_comparison(raw) or receive_comparison(raw)[0].data
        who = (result.provider, result.model)
        self._cost.labels(*who).inc(event.cost_usd)
        self._unpriced.labels(*who).inc(event.is_unpriced)
        self._tokens.labels(*who, "prompt").inc(result.token_usage.prompt_tokens)
        self._cached.labels(*who).inc(result.request_metadata.cached_tokens or 0)
        self._tokens.labels(*who, "completion").inc(result.token_usage.completion_tokens)

    def _time(self, event: Event) -> None:
        if isinstance(event, RunStarted | RunResumed):
            self._since = event.at
        stage = next((name for kind, name in _ENDS if isinstance(event, kind)), None)
        if isinstance(event, RequestPrepared) and event.batch_id is not None:
            stage = "gather"  # of the request before
        if stage is not None and self._since is not None:
            # A run of several requests has each stage several times. The clock may have been set back meanwhile.
            self._stages.labels(stage).inc(max((event.at - self._since).total_seconds(), 0.0))
            self._since = event.at

    def count_retry(self, details: stamina.instrumentation.RetryDetails) -> None:
        """Count an HTTP request that is about to be tried again."""
        cause = details.caused_by
        self._retries.labels(str(getattr(cause, "status", type(cause).__name__))).inc()

    def to_text(self) -> bytes:
        """The text form, for a node exporter's textfile collector."""
        return generate_latest(self.registry)


@contextmanager
def measured(*, port: int | None, host: str = LOOPBACK) -> Iterator[RunMetrics]:
    """The metrics of one session; with a port they are served at that address of this machine while it lasts.

    Raises:
        ConfigurationError: the port is taken, or the address is not one of this machine.
    """
    metrics = RunMetrics()
    ours = metrics.count_retry
    stamina.instrumentation.set_on_retry_hooks((*stamina.instrumentation.get_on_retry_hooks(), ours))
    server = thread = None
    try:
        if port is not None:
            try:
                server, thread = start_http_server(port, addr=host, registry=metrics.registry)
            except OSError as error:
                raise ConfigurationError(
                    f"The metrics port {port} cannot be used at {host}: {error.strerror}.",
                    remedy="Choose another --metrics-port, or another --metrics-host.",
                ) from None
        yield metrics
    finally:
        # Another run of this process may have come or gone since.
        left = [hook for hook in stamina.instrumentation.get_on_retry_hooks() if hook != ours]
        stamina.instrumentation.set_on_retry_hooks(left)
        if server is not None and thread is not None:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def kept(metrics: RunMetrics, run_directory: Path) -> Iterator[None]:
    """Write the metrics into the run's directory at the end, if it is still there, also when the session fails."""
    try:
        yield
    finally:
        try:
            if run_directory.is_dir():
                write_atomically(run_directory / METRICS_NAME, metrics.to_text())
        except DiskError as error:  # the session's own error matters more
            structlog.get_logger().warning("metrics_not_written", cause=error.message)
