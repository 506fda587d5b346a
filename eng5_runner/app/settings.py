"""Settings: flag > environment > file > default, and for each where it came from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from eng5_runner.contracts.base import describe
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.contracts.request import CourseCode, Language, MaxTokens, OutputVerbosity, Provider, ReasoningEffort
from eng5_runner.contracts.study_options import PairDesign, SwapShare
from eng5_runner.core.spec import KafkaMechanism, KafkaProtocol, Mode
from eng5_runner.errors import ConfigurationError, InputsMissing, UsageError

Origin: TypeAlias = Literal["flag", "environment", "file", "default"]


def _without_credentials(url: str) -> str:
    if "@" in url.split("//", 1)[-1].split("/", 1)[0]:
        raise ValueError("a URL must not hold a user or password")
    if not url.startswith(("http://", "https://")):
        raise ValueError("a URL begins with http:// or https://")
    return url


def _known_scale(scale: str) -> str:
    if scale not in GRADE_SCALES:
        raise ValueError(f"no such grade scale; there are {', '.join(GRADE_SCALES)}")
    return scale


Url: TypeAlias = Annotated[str, AfterValidator(_without_credentials)]
Scale: TypeAlias = Annotated[str, AfterValidator(_known_scale)]


class Settings(BaseModel):
    """Every setting of a run under its option's name with underscores. Times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    mode: Mode = Mode.PLAN
    assets: Path = Path()
    batch_id: str | None = None
    output_dir: Path = Path("runs")
    encoding: str | None = None
    assignment_id: str | None = None
    course_id: str | None = None
    grade_scale: Scale = "eng5_np_legacy_9_step"
    expected_grade_scale: Scale | None = None
    register_anchors: bool = False
    course_code: CourseCode = CourseCode.ENG5
    language: Language = Language.ENGLISH
    user_id: str = "eng5_np_research_runner"
    org_id: str | None = None
    llm_provider: Provider | None = None
    llm_model: str | None = None
    llm_temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    llm_max_tokens: MaxTokens | None = None
    system_prompt: Path | None = None
    rubric: Path | None = None
    reasoning_effort: ReasoningEffort | None = None
    output_verbosity: OutputVerbosity | None = None
    llm_batching_mode: str | None = None
    no_cache: bool = False
    max_comparisons: Annotated[int, Field(ge=1)] | None = None
    comparisons_per_essay: Annotated[float, Field(ge=1)] | None = None
    max_cost: Annotated[float, Field(gt=0)] | None = None
    target_se: Annotated[float, Field(gt=0)] | None = None
    target_reliability: Annotated[float, Field(gt=0, lt=1)] | None = None
    design: PairDesign = "balanced"
    pairs: Path | None = None
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    swap: SwapShare = "none"
    pilot: Path | None = None
    aim_within_one: Annotated[float, Field(gt=0, lt=1)] | None = None
    seed: int | None = None
    stack: Literal["auto", "embedded", "remote"] = "auto"
    kafka_bootstrap: str | None = None
    kafka_client_id: str = "eng5-np-runner"
    kafka_security_protocol: KafkaProtocol = "PLAINTEXT"
    kafka_sasl_mechanism: KafkaMechanism = "PLAIN"
    kafka_user: str | None = None
    kafka_ca: Path | None = None
    kafka_client_cert: Path | None = None
    kafka_client_key: Path | None = None
    kafka_topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = ""
    content_service_url: Url | None = None
    cj_service_url: Url | None = None
    llm_provider_service_url: Url | None = None
    no_kafka: bool = False
    await_completion: bool = True
    completion_timeout: Annotated[float, Field(gt=0)] = 1800.0
    idle_timeout: Annotated[float, Field(gt=0)] = 900.0
    upload_concurrency: Annotated[int, Field(ge=1, le=512)] = 32
    force_reupload: bool = False
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    verbose: bool = False
    json_lines: bool = Field(default=False, alias="json")
    yes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Settings and their origins."""

    settings: Settings
    origins: Mapping[str, Origin]

    def to_toml(self) -> bytes:
        """For `config.resolved.toml`: what was set and where each value came from. Secrets are no settings."""
        values = self.settings.model_dump(mode="json", exclude_none=True, by_alias=True)
        return tomli_w.dumps({"settings": values, "origins": dict(self.origins)}).encode()


def resolve(given: Mapping[str, tuple[object, Origin]], *, config: Path | None) -> Resolved:
    """Put flags and environment over the file over the defaults.

    Args:
        given: option name → value and origin, of the options that were set on the command line or in the environment.
        config: the settings file, if one was named.

    Raises:
        InputsMissing: the file is not there.
        ConfigurationError: it is no TOML, has an unknown key, or a value does not fit.
        UsageError: a flag's value does not fit.
    """
    known = {field.alias or name for name, field in Settings.model_fields.items()}
    from_file = {} if config is None else _read(config, known)
    values = from_file | {name: value for name, (value, _) in given.items()}
    origins: dict[str, Origin] = dict.fromkeys(sorted(known), "default")
    origins |= dict.fromkeys(from_file, "file")
    origins |= {name: origin for name, (_, origin) in given.items()}
    try:
        return Resolved(settings=Settings.model_validate(values), origins=origins)
    except ValidationError as error:
        culprit = str(error.errors(include_input=False)[0]["loc"][0])
        told = f"A setting does not fit: {describe(error)}."
        if origins.get(culprit) == "flag":
            raise UsageError(told, remedy="See eng5-runner --help.") from None
        raise ConfigurationError(
            told, remedy=f"It comes from the {origins.get(culprit, 'file')}; correct it there."
        ) from None


def _read(config: Path, known: set[str]) -> dict[str, object]:
    try:
        found = tomllib.loads(config.read_text())
    except FileNotFoundError:
        raise InputsMissing(f"The settings file {config} is not there.", remedy="Check --config.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{config} cannot be read: {error}.", remedy="It must be a TOML file.") from None
    # A run's own config.resolved.toml can be fed back as it is.
    table = found.get("settings", found)
    values = {str(key).replace("-", "_"): value for key, value in table.items()}
    for key in values.keys() - known:
        near = get_close_matches(key, known, n=1)
        raise ConfigurationError(
            f"{config}: unknown setting {key}.", remedy=f"Did you mean {near[0]}?" if near else "See --help."
        )
    return values
