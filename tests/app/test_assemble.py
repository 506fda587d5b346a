"""From settings to a run's spec: which services it uses, and what it leaves out."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from eng5_runner.app.addresses import CJ_DEFAULT, CONTENT_DEFAULT, KAFKA_DEFAULT
from eng5_runner.app.assemble import build_spec, destination, executes_remotely
from eng5_runner.app.settings import settings_from
from eng5_runner.core.spec import RunSpec, Target
from eng5_runner.errors import InputsMissing, UsageError
from tests.support.run.runs import make_inputs

INPUTS, _ = make_inputs()
UUID_TEXT = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def spec(**values: object) -> RunSpec:
    return build_spec(settings_from(**values).settings, INPUTS, run_id=UUID(int=1), label="ours")


def test_without_overrides_the_service_chooses_the_judge():
    assert spec().judge is None
    assert spec(llm_model="small-1").judge.model_override == "small-1"


TWO = {"llm_provider": "openai", "llm_model": "gpt-5.1", "further_models": "anthropic/opus, openrouter/a/b"}


def test_further_models_judge_with_the_same_settings():
    judges = spec(**TWO, llm_temperature=0.5).judges
    assert [(one.provider_override, one.model_override) for one in judges] == [
        ("openai", "gpt-5.1"),
        ("anthropic", "opus"),
        ("openrouter", "a/b"),
    ]
    assert {one.temperature_override for one in judges} == {0.5}
    assert "further_models" not in spec().model_dump(), "older ledgers keep their bytes"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"llm_model": None}, "--llm-provider and --llm-model"),
        ({"further_models": "openai/gpt-5.1"}, "Name each model once"),
        ({"design": "boundary", "pairs": "pairs.csv"}, "--design boundary"),
        ({"target_se": 0.5}, "--target-se"),
        ({"target_reliability": 0.5}, "--target-reliability"),
        ({"max_requests": 2}, "--max-requests 2"),
        ({"further_models": "nobody/gpt"}, "further_models must be"),
        ({"further_models": "openai/gpt-5.1,openai"}, "further_models must be"),
    ],
)
def test_what_several_judges_cannot_be_combined_with_is_a_usage_error(more, named):
    given = {name: value for name, value in (TWO | more).items() if value is not None}
    with pytest.raises(UsageError) as refused:
        spec(**given)
    assert named in f"{refused.value.message} {refused.value.remedy}"


def test_batches_are_waited_for_longer_unless_an_idle_time_is_given():
    assert spec(batch=True).budget.batching_mode == spec(llm_batching_mode="provider_batch_api").budget.batching_mode
    waits = [spec(**values).timeouts.idle for values in ({}, {"batch": True}, {"batch": True, "idle_timeout": 900.0})]
    assert waits == [900.0, 26 * 3600.0, 900.0]
    with pytest.raises(UsageError, match="--batch and --llm-batching-mode per_request contradict"):
        spec(batch=True, llm_batching_mode="per_request")
    with pytest.raises(UsageError, match="llm_batching_mode"):
        spec(llm_batching_mode="soon")


def test_anchors_are_compared_without_an_assignment():
    assert spec(mode="anchor-align", assignment_id=UUID_TEXT).study.assignment_id is None
    assert spec(mode="execute", assignment_id=UUID_TEXT).study.assignment_id == UUID(UUID_TEXT)


def test_paths_are_kept_absolute_and_texts_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rubric.md").write_text("  Look for clarity.\n", encoding="utf-8")
    made = spec(mode="execute", stack="remote", assets="study", rubric="rubric.md", kafka_ca="ca.pem")
    assert made.assets == str(tmp_path / "study")
    assert made.judge.judge_rubric_override == "Look for clarity."
    assert made.target.kafka_access.ca == str(tmp_path / "ca.pem")
    with pytest.raises(InputsMissing, match=r"--system-prompt .*nowhere"):
        spec(system_prompt="nowhere.txt")


@pytest.mark.parametrize(
    ("values", "remote"),
    [
        ({}, False),
        ({"kafka_bootstrap": "k:1"}, True),
        ({"content_service_url": "http://c"}, True),
        ({"cj_service_url": "http://c"}, True),
        ({"llm_provider_service_url": "http://l"}, False),
        ({"cj_service_url": "http://c", "stack": "embedded"}, False),
        ({"stack": "remote"}, True),
    ],
)
def test_a_given_address_means_given_services(values: dict[str, object], remote: bool):
    settings = settings_from(mode="execute", **values).settings
    assert executes_remotely(settings) is remote
    assert destination(settings).target.stack == ("remote" if remote else "embedded")
    planned = destination(settings_from(mode="plan", **values).settings)
    assert (planned.target, planned.send) == (Target(stack="embedded"), False)


def test_given_services_that_are_not_named_are_expected_on_this_machine():
    where = destination(settings_from(mode="execute", stack="remote", kafka_bootstrap="").settings)
    target = where.target
    assert where.send
    assert (target.kafka_bootstrap, target.content_service_url, target.cj_service_url) == (
        KAFKA_DEFAULT,
        CONTENT_DEFAULT,
        CJ_DEFAULT,
    )
    assert target.llm_provider_service_url is None


def test_a_run_without_kafka_sends_nothing_and_uploads_only_to_given_services():
    embedded = destination(settings_from(mode="execute", no_kafka=True).settings)
    assert (embedded.send, embedded.target.content_service_url) == (False, None)
    remote = destination(settings_from(mode="execute", no_kafka=True, stack="remote").settings)
    assert (remote.send, remote.target.content_service_url) == (False, CONTENT_DEFAULT)


def test_only_the_embedded_services_can_leave_their_cache_out():
    assert destination(settings_from(mode="execute", no_cache=True).settings).target.replays is False
    with pytest.raises(UsageError, match="--no-cache"):
        destination(settings_from(mode="execute", no_cache=True, stack="remote").settings)
