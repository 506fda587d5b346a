"""stack up and stack serve: the embedded services in the foreground, all together or one alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from eng5_runner.app.logs import logging_to
from eng5_runner.cli.narrate import people, write_json

if TYPE_CHECKING:
    from eng5_runner.app.services import FirstAdmin, ServiceName, Serving
    from eng5_runner.app.stack import StackAddresses


def stack_up(
    data_dir: Path,
    *,
    kafka_bootstrap: str | None,
    no_cache: bool,
    is_open: bool,
    json_lines: bool,
    until_stdin_closes: bool,
    verbose: bool,
) -> int:
    """Run all services until a signal, or until standard input closes."""
    from eng5_runner.app.stack import run_stack  # loads the statistics of the CJ service

    with logging_to(sys.stderr, identity={"service": "embedded-stack"}, verbose=verbose):
        run_stack(
            data_dir,
            on_ready=lambda addresses: _show_addresses(addresses, json_lines=json_lines),
            kafka_bootstrap=kafka_bootstrap,
            no_cache=no_cache,
            is_open=is_open,
            until_stdin_closes=until_stdin_closes,
        )
    return 0


def stack_serve(name: ServiceName, data_dir: Path, *, no_cache: bool, json_lines: bool, verbose: bool) -> int:
    """Run one service until a signal."""
    from eng5_runner.app import services

    def on_ready(serving: Serving) -> None:
        _show_serving(name, serving, json_lines=json_lines)

    with logging_to(sys.stderr, identity={"service": services.log_name(name)}, verbose=verbose):
        match name:
            case "content":
                services.run_content_service(data_dir, on_ready=on_ready)
            case "identity":
                services.run_identity_service(data_dir, on_ready=on_ready)
            case "llm":
                services.run_llm_service(data_dir, no_cache=no_cache, on_ready=on_ready)
            case "cj":
                from eng5_runner.app.stack import run_cj_service  # loads the statistics of the CJ service

                run_cj_service(data_dir, on_ready=on_ready)
    return 0


def _show_addresses(addresses: StackAddresses, *, json_lines: bool) -> None:
    environment = addresses.environment()
    if json_lines:
        write_json(environment | _first_admin_facts(addresses.first_admin))
        return
    _show_first_admin(addresses.first_admin)
    if addresses.secret is None:
        people().print("this stack is open: every user of this machine can make its judges work, and read the essays")
    people().print("the embedded stack is up; Ctrl-C ends it. For the runner in another terminal:")
    for variable, value in environment.items():
        sys.stdout.write(f"export {variable}={value}\n")
    sys.stdout.flush()


def _show_serving(name: ServiceName, serving: Serving, *, json_lines: bool) -> None:
    if json_lines:
        write_json({"service": name, "url": serving.url} | _first_admin_facts(serving.first_admin))
        return
    _show_first_admin(serving.first_admin)
    people().print(f"{name} serves at {serving.url}; Ctrl-C ends it")


def _first_admin_facts(first: FirstAdmin | None) -> dict[str, object]:
    return {} if first is None else {"first_admin": {"email": first.email, "password": first.password}}


def _show_first_admin(first: FirstAdmin | None) -> None:
    if first is not None:
        people().print(f"an administrator was created: {first.email}, password {escape(first.password)}")
        people().print("the password is shown this once; `eng5-runner admin login` asks for it")
