"""From settings to a run's spec: which services it uses, what it sends, and which settings contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from eng5_runner.app.addresses import CJ_DEFAULT, CONTENT_DEFAULT, KAFKA_DEFAULT
from eng5_runner.app.options.judge import models_in
from eng5_runner.app.options.table import SETTINGS, Settings
from eng5_runner.contracts.choices import BatchingMode
from eng5_runner.core.choices import BATCH_IDLE_SECONDS
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.errors import UsageError
from eng5_runner.inventory.boundary_pairs import read_pairs
from eng5_runner.inventory.text_file import read_text
from eng5_runner.run.pseudonyms import names_of

# The settings of which the spec has the named file's text.
_ADDRESSES = MappingProxyType({
    "kafka_bootstrap": KAFKA_DEFAULT, "content_service_url": CONTENT_DEFAULT, "cj_service_url": CJ_DEFAULT,
})  # fmt: skip
_TEXT_FILES = MappingProxyType({"system_prompt": "--system-prompt", "rubric": "--rubric"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The services that a run uses, and whether it sends its request to them."""

    target: Target
    send: bool


def destination(settings: Settings) -> Destination:
    """The services of a run: those that were given, else the embedded ones.

    Raises:
        UsageError: the given services are asked for what only the embedded ones can do.
    """
    send = settings.mode.executes and not settings.no_kafka
    if not settings.mode.executes or not executes_remotely(settings):
        # The embedded stack's addresses are known once it is up. Without Kafka no service needs the texts.
        content = "http://embedded/v1/content" if send else None
        target = Target(stack="embedded", content_service_url=content, replays=not settings.no_cache)
        return Destination(target=target, send=send)
    if settings.no_cache:
        raise UsageError(
            "--no-cache works with the embedded stack only; the given services have a cache of their own.",
            remedy="Leave it out, or start the services with it: eng5-runner stack up --no-cache.",
        )
    given = {field: value for field, value in _section(settings, "target").items() if value}
    access = _section(settings, "target.kafka_access")
    target = Target.model_validate({"stack": "remote", "kafka_access": access} | dict(_ADDRESSES) | given)
    return Destination(target=target, send=send)


def executes_remotely(settings: Settings) -> bool:
    """Whether an execution with these settings uses given services, also where this run is only a plan."""
    given = (settings.kafka_bootstrap, settings.content_service_url, settings.cj_service_url)
    return settings.stack == "remote" or (settings.stack == "auto" and any(given))


def assumed_addresses(settings: Settings) -> tuple[str, ...]:
    """The services that a run looks for on this machine because only other addresses were given, in one sentence."""
    if not (settings.mode.executes and executes_remotely(settings)):
        return ()
    flags = {setting.name: setting.flag for setting in SETTINGS}
    assumed = [f"{flags[name]} {url}" for name, url in _ADDRESSES.items() if not getattr(settings, name)]
    return (f"not given, so taken to be on this machine: {', '.join(assumed)}",) if assumed else ()


def build_spec(settings: Settings, inputs: Inputs, *, run_id: UUID, label: str) -> RunSpec:
    """The spec of a new run: each setting at the place that the option table names.

    Raises:
        UsageError: two settings contradict each other.
        InputsInvalid: the table of pairs, or a prompt or rubric file, cannot be used.
        InputsMissing: one of these files does not exist.
    """
    check_design(settings)
    check_judges(settings)
    where = destination(settings)
    study = _section(settings, "study")
    if settings.mode.anchors_only:
        study.pop("assignment_id", None)
    return RunSpec.model_validate(
        _section(settings, "")
        | {
            "run_id": run_id,
            "label": label,
            "send": where.send,
            "study": study,
            "judge_check": not settings.no_judge_check,
            "judge": _section(settings, "judge") or None,
            "further_models": [
                {"provider": provider, "model": model} for provider, model in models_in(settings.further_models or "")
            ],
            "budget": _section(settings, "budget")
            | {"pairs": _pairs(settings, inputs), "batching_mode": batching_mode_of(settings)},
            "target": where.target,
            "timeouts": _timeouts(settings),
            "uploading": _section(settings, "uploading"),
        }
    )


def batching_mode_of(settings: Settings) -> BatchingMode | None:
    """The batching mode that was asked for, in whichever way."""
    return BatchingMode.PROVIDER_BATCH_API if settings.batch else settings.llm_batching_mode


def _timeouts(settings: Settings) -> dict[str, object]:
    """The timeouts; a provider takes up to a day for a batch, and says nothing meanwhile."""
    is_batched = batching_mode_of(settings) is BatchingMode.PROVIDER_BATCH_API
    usual = {"idle": BATCH_IDLE_SECONDS} if is_batched else {}
    return usual | _section(settings, "timeouts")


def _pairs(settings: Settings, inputs: Inputs) -> tuple[tuple[str, str], ...]:
    return () if settings.pairs is None else read_pairs(settings.pairs, inputs, names=names_of(settings.pseudonyms))


def _section(settings: Settings, section: str) -> dict[str, object]:
    """The values that have their place in a section of the spec, by field; unset ones are left out."""
    fields: dict[str, object] = {}
    for setting in SETTINGS:
        place, _, field = setting.option.spec.rpartition(".")
        value = getattr(settings, setting.name)
        if field and place == section and value is not None:
            fields[field] = _plain(value, name=setting.name, encoding=settings.encoding)
    return fields


def _plain(value: object, *, name: str, encoding: str | None) -> object:
    """A value as the spec has it: the text of a file of texts, and any other path absolute, for a later `resume`."""
    if not isinstance(value, Path):
        return value
    if name not in _TEXT_FILES:
        return str(value.resolve())
    return read_text(value, name=f"{_TEXT_FILES[name]} {value}", encoding=encoding).strip()


def check_design(settings: Settings) -> None:
    """Refuse settings that contradict each other.

    Raises:
        UsageError: two settings cannot be combined; it names both.
    """
    boundary = settings.design == "boundary"
    target = settings.target_se is not None or settings.target_reliability is not None
    for wrong, message, remedy in (
        (
            settings.max_comparisons is not None and settings.comparisons_per_essay is not None,
            "--max-comparisons and --comparisons-per-essay both set the number of comparisons.",
            "Give one of them.",
        ),
        (
            settings.batch and settings.llm_batching_mode not in (None, BatchingMode.PROVIDER_BATCH_API),
            f"--batch and --llm-batching-mode {settings.llm_batching_mode} contradict each other.",
            "Give one of them.",
        ),
        (
            settings.pairs is not None and not boundary,
            "--pairs needs --design boundary.",
            "Give --design boundary too, or leave --pairs out.",
        ),
        (
            boundary and settings.pairs is None,
            "--design boundary needs --pairs: it compares named pairs only.",
            "Name the pairs with --pairs FILE.",
        ),
        (
            boundary and settings.comparisons_per_essay is not None,
            "--comparisons-per-essay has no meaning with --design boundary.",
            "Give --repeats: each pair is asked that many times in both orders.",
        ),
        (
            boundary and target,
            "--target-se and --target-reliability need a design that compares all essays.",
            "Leave them out, or leave --design boundary out.",
        ),
        (
            settings.stop_decided and not boundary,
            "--stop-decided needs --design boundary: it leaves out named pairs that are decided.",
            "Give --design boundary and --pairs FILE, or leave --stop-decided out.",
        ),
        (
            settings.stop_decided and settings.max_comparisons is not None,
            "--max-comparisons has no meaning with --stop-decided.",
            "Give --repeats: each pair is asked at most that many times in both orders.",
        ),
        (
            boundary and settings.swap != "none",
            "--swap has no meaning with --design boundary, which asks each pair in both orders.",
            "Leave --swap out.",
        ),
    ):
        if wrong:
            raise UsageError(message, remedy=remedy)


def check_judges(settings: Settings) -> None:
    """Refuse further judges with settings that only one judge can have.

    Raises:
        UsageError: two settings cannot be combined; it names both.
    """
    if not settings.further_models:
        return
    first = (settings.llm_provider, settings.llm_model)
    every = [first, *models_in(settings.further_models)]
    for wrong, message, remedy in (
        (
            not all(first),
            "--further-models needs the first judge by name.",
            "Give --llm-provider and --llm-model too.",
        ),
        (
            len(set(every)) < len(every),
            "--further-models and --llm-model name a model twice.",
            "Name each model once.",
        ),
        (
            settings.design == "boundary",
            "--further-models shares comparisons out, and --design boundary asks one judge for each of its pairs.",
            "Leave one of them out.",
        ),
        (
            settings.target_se is not None or settings.target_reliability is not None,
            "--further-models has no target: each judge has its own request, and the service looks at one of them.",
            "Give the number of comparisons instead of --target-se or --target-reliability.",
        ),
        (
            settings.max_requests < len(every),
            f"--max-requests {settings.max_requests} is too few: each of {len(every)} judges has its own request.",
            "Allow more requests, or name fewer models.",
        ),
    ):
        if wrong:
            raise UsageError(message, remedy=remedy)
