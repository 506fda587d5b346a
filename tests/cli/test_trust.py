"""A run folder that came from somebody else does not decide where essays and tokens go."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import eng5_runner as eng5
from eng5_runner.app.trust import remember_run, strange_addresses
from eng5_runner.core.spec import Target
from tests.support.run.runs import REMOTE, RUN_ID, Run, make_spec
from tests.support.run.world import World
from tests.support.runner import run

ADDRESSES = ("k:1", "http://c", "http://j")
THE_SAME = {"KAFKA_BOOTSTRAP_SERVERS": "k:1", "CONTENT_SERVICE_URL": "http://c", "CJ_SERVICE_URL": "http://j"}


def unfinished(directory: Path, target: Target = REMOTE) -> Path:
    world = World()
    world.cj.script = lambda _run_id, _essays: []
    Run(directory, world, make_spec(target=target)).start()
    return directory


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    return unfinished(tmp_path / "run")


@pytest.fixture
def mine(tmp_path: Path) -> dict[str, str]:
    return {"ENG5_STATE_DIR": str(tmp_path / "state")}


def test_a_run_that_this_user_did_not_begin_is_strange(strangers: Path, mine: dict[str, str]) -> None:
    assert strange_addresses(strangers, mine) == ADDRESSES


def test_a_run_that_this_user_began_is_not(strangers: Path, mine: dict[str, str]) -> None:
    remember_run(make_spec(), mine)
    assert strange_addresses(strangers, mine) == ()
    assert (Path(mine["ENG5_STATE_DIR"]) / "runs" / str(RUN_ID)).stat().st_mode & 0o077 == 0


def test_a_note_is_for_the_addresses_that_the_run_began_with(tmp_path: Path, mine: dict[str, str]) -> None:
    remember_run(make_spec(), mine)
    changed = REMOTE.model_copy(update={"cj_service_url": "http://elsewhere"})
    assert strange_addresses(unfinished(tmp_path / "changed", changed), mine) == ("k:1", "http://c", "http://elsewhere")


@pytest.mark.parametrize("variable", THE_SAME)
def test_an_environment_that_names_another_address_makes_a_run_strange(
    strangers: Path, mine: dict[str, str], variable: str
) -> None:
    remember_run(make_spec(), mine)
    assert strange_addresses(strangers, mine | {variable: "http://mine"}) == ADDRESSES


def test_the_addresses_of_the_environment_are_not_strange(strangers: Path, mine: dict[str, str]) -> None:
    assert strange_addresses(strangers, mine | THE_SAME) == ()
    some = {name: THE_SAME[name] for name in list(THE_SAME)[:2]}
    assert strange_addresses(strangers, mine | some) == ADDRESSES


def test_a_run_on_its_own_stack_and_a_finished_run_have_no_strange_addresses(
    tmp_path: Path, mine: dict[str, str]
) -> None:
    embedded = unfinished(tmp_path / "embedded", REMOTE.model_copy(update={"stack": "embedded"}))
    assert strange_addresses(embedded, mine) == ()
    Run(tmp_path / "complete").start()
    assert strange_addresses(tmp_path / "complete", mine) == ()


@pytest.fixture
def catcher() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def test_nothing_goes_to_a_strangers_address(
    tmp_path: Path, mine: dict[str, str], catcher: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = f"127.0.0.1:{catcher.getsockname()[1]}"
    target = REMOTE.model_copy(update={"kafka_bootstrap": at, "cj_service_url": f"http://{at}"})
    directory = unfinished(tmp_path / "run", target)
    env = mine | {"HULEEDU_ADMIN_TOKEN": "a.secret.token", "CJ_SERVICE_URL": "http://mine"}

    refused = run("resume", directory, cwd=tmp_path, env=env)
    assert refused.code == 2
    assert at in refused.err and "--trust-addresses" in refused.err
    with pytest.raises(BlockingIOError):
        catcher.accept()

    monkeypatch.setenv("ENG5_STATE_DIR", mine["ENG5_STATE_DIR"])
    with pytest.raises(eng5.UsageError, match="http://c"):
        eng5.resume(directory)

    trusted = run("resume", directory, "--trust-addresses", cwd=tmp_path, env=env)
    assert trusted.code == 69
    catcher.accept()[0].close()
