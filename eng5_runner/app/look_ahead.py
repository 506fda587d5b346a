"""The library's plan, and what a given LLM provider service says of its models."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from eng5_runner.app.assemble import executes_remotely
from eng5_runner.app.environment import trace_of
from eng5_runner.app.loop import run_in_thread
from eng5_runner.app.plan import PlannedRun, plan_run, read_study
from eng5_runner.app.settings import Settings, names_settings, settings_from
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.llm_provider import ModelsClient
from eng5_runner.errors import RunnerError
from eng5_runner.planning.candidates import ServiceModels
from eng5_runner.transport.http import Service, http_session
from eng5_runner.transport.stack_secret import StackSecret

_PATIENCE_SECONDS = 5.0


@names_settings
def plan(*, config: str | Path | None = None, **settings: object) -> PlannedRun:
    """What a run would do, cost and be worth. Nothing is sent and nothing is written but rows of a key table.

    A given LLM provider service is asked for its models and their prices.

    Args:
        config: a settings file (TOML); keyword arguments go before it.
        settings: any setting of docs/options.md, such as `assets`,
            `max_comparisons` (a number), `max_cost` (USD), `llm_provider`, `seed`.

    Returns:
        The planned run: `.plan` (comparisons, USD, seconds, standard errors in logits), `.inputs`, `.findings`.

    Raises:
        UsageError: a setting does not fit, or two contradict each other.
        InputsMissing: a file of the assets is not there.
        InputsInvalid: the assets cannot be used; the message lists the findings.
        ConfigurationError: the judge cannot be asked.

    Example:
        >>> import eng5_runner as eng5
        >>> planned = eng5.plan(assets="examples/eng5_demo", max_comparisons=60, llm_provider="mock")
        >>> planned.plan.comparisons, planned.plan.students, planned.plan.anchors
        (60, 30, 14)
    """
    resolved = settings_from(environment={}, config=config, **settings | {"mode": "plan"})
    return plan_run(resolved, read_study(resolved.settings), service=models_of_service(resolved.settings))


def models_of_service(settings: Settings) -> ServiceModels | None:
    """What the given LLM provider service says of its models; None without one, or if it does not answer in 5 s.

    A plan works without it, and preflight says what is wrong with the service.
    """
    url = settings.llm_provider_service_url
    if not executes_remotely(settings) or not url:
        return None
    return run_in_thread(_ask(url), on_interrupt=lambda: None)  # it ends by itself soon


async def _ask(url: str) -> ServiceModels | None:
    secret = StackSecret.of(os.environ)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), http_session(connections=1, secret=secret) as session:
            service = Service(
                session=session,
                name="LLM provider service",
                url=url.rstrip("/"),
                setting="--llm-provider-service-url",
                headers=trace_of(os.environ).headers,
            )
            manifest = await ModelsClient(service).models()
    except (RunnerError, TimeoutError):
        return None
    return ServiceModels(manifest=manifest, day=SystemClock().now().date())
