"""A judge behind an OpenAI API that nobody of this project wrote: LLMock, which fails as it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from llmock.scenarios import Fail
from llmock.testing import LLMockServer

from tests.support.judges.driver import environ_for
from tests.support.judges.paid import JUDGE
from tests.support.kafka.cluster import free_ports
from tests.support.runner import Ran, artefact, newest, run


@pytest.fixture
def server() -> Iterator[LLMockServer]:
    with LLMockServer() as started:
        yield started


def judged_by(server: LLMockServer, tmp_path: Path, study: Path, *arguments: object, **more: str) -> Ran:
    environ = environ_for(tmp_path, server.url) | {"ENG5_NO_JUDGE_CHECK": ""} | more
    return run(*arguments, "--assets", study, *JUDGE, "--json", cwd=tmp_path, env=environ)


def test_a_study_is_judged_by_it(server: LLMockServer, study: Path, tmp_path: Path) -> None:
    ran = judged_by(server, tmp_path, study, "--mode", "execute", "--max-comparisons", 16)
    assert ran.code == 0, ran.err
    made = artefact(newest(tmp_path))
    assert len(made["llm_comparisons"]) == 16  # type: ignore[arg-type]
    assert {one["served_model"] for one in made["llm_comparisons"]} == {"local-7b"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fail", "code", "said"),
    [
        (Fail(401, times=None), 77, "does not accept the key"),
        (Fail(402, times=None), 77, "no money or quota"),
        (Fail(503, times=None), 69, "does not work now"),
        (Fail(503, retry_after=0.0, times=1), 0, "answers for local-7b"),
        (Fail(429, retry_after=0.0, times=2), 0, "answers for local-7b"),
        (Fail(400, code="context_length_exceeded", times=None), 78, "the prompt is too long"),
    ],
)
def test_its_failures_are_named_beforehand(
    server: LLMockServer, fail: Fail, code: int, said: str, study: Path, tmp_path: Path
) -> None:
    server.state.scenarios.add(fail)
    ran = judged_by(server, tmp_path, study, "preflight")
    assert ran.code == code, ran.out + ran.err
    assert said in ran.out


def test_an_address_that_misses_it_is_named_with_the_right_one(
    server: LLMockServer, study: Path, tmp_path: Path
) -> None:
    ran = judged_by(server, tmp_path, study, "preflight", ENG5_OPENAI_BASE_URL=server.url)
    assert ran.code == 78 and f"Set ENG5_OPENAI_BASE_URL to {server.url}/v1" in ran.out, ran.out
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}/v1"
    gone = judged_by(server, tmp_path, study, "preflight", ENG5_OPENAI_BASE_URL=nobody)
    assert gone.code == 69 and "cannot be reached" in gone.out, gone.out
