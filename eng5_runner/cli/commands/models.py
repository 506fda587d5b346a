"""models: every model that is known here, its price, what it takes, and what it needs to be asked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from rich.markup import escape
from rich.table import Table

from eng5_runner.cli.narrate import people, write_json
from eng5_runner.contracts.request import Provider
from eng5_runner.errors import UsageError
from eng5_runner.judges.catalogue import READY, KnownModel, known_models
from eng5_runner.judges.manifest import USERS_FILE, Model
from eng5_runner.reports.terminal_table import plain_table

_PER_MILLION = 1000
_THOUSAND = 1000


def list_models(*, provider: str | None, json_lines: bool) -> int:
    """Tell of the built-in models and of the user's own.

    Raises:
        UsageError: there is no such provider.
        ConfigurationError: the user's file of models cannot be used.
    """
    if provider is not None and provider not in set(Provider):
        raise UsageError(f"--provider {provider} is not known.", remedy=f"Use one of {', '.join(Provider)}.")
    known = [one for one in known_models(os.environ) if provider in (None, one.entry.provider)]
    if json_lines:
        for one in known:
            write_json({"event": "Model"} | _facts(one))
        return 0
    console = people()
    console.print(_table(known))
    for remedy in dict.fromkeys(f"{one.entry.provider}: {one.remedy}" for one in known if one.remedy):
        console.print(remedy, markup=False)
    console.print("USD per million tokens. A bill can differ: `--json` tells when and where a price was looked up.")
    console.print(f"Your own models, prices and limits: a file that {USERS_FILE} names; docs/judges.md shows its form.")
    return 0


def _facts(one: KnownModel) -> dict[str, object]:
    """The entry of `GET /api/v1/models`, and beside it what it needs here. Of a key its name alone."""
    key = None if one.place is None else {"variable": one.place.key, "set": one.key_set}
    return one.entry.model_dump(mode="json") | {
        "state": one.state,
        "remedy": one.remedy,
        "key": key,
        "origin": "own" if one.own else "built-in",
        "price": _price(one.model),
    }


def _price(model: Model | None) -> object:
    """All of the price, USD per 1,000 tokens; None where it is not known, or nothing is ever charged."""
    if model is None or model.price is None:
        return None
    return _plain(model.price.model_dump(exclude_none=True))


def _plain(value: object) -> object:
    """For JSON."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return float(value) if isinstance(value, Decimal) else value


def _table(known: Iterable[KnownModel]) -> Table:
    table = plain_table("provider", "model", "in", "out", "as of", "context", "takes", "", title="Models")
    for one in known:
        entry, price = one.entry, one.model.price if one.model else None
        context = f"{entry.context_window // _THOUSAND:,}k" if entry.context_window else ""
        table.add_row(
            entry.provider,
            escape(entry.model_id) + (" (yours)" if one.own else ""),
            _usd(entry.cost_per_1k_input_tokens),
            _usd(entry.cost_per_1k_output_tokens),
            price.looked_up.isoformat() if price else "",
            context,
            "; ".join(_takes(one.model)) if one.model else "texts only",
            escape(_state(one)),
            style="" if one.state == READY else "dim",
        )
    return table


def _usd(per_thousand: float | None) -> str:
    return "not known" if per_thousand is None else f"{per_thousand * _PER_MILLION:g}"


def _takes(model: Model) -> Iterable[str]:
    if model.temperature == "always":
        yield "temperature"
    elif model.temperature == "without_reasoning":
        yield "temperature with effort none"
    if model.reasoning_efforts:
        yield f"effort {'/'.join(model.reasoning_efforts)}"
    if model.verbosities:
        yield f"verbosity {'/'.join(model.verbosities)}"


def _state(one: KnownModel) -> str:
    """Whether it can be asked, and how long still."""
    if one.model is not None and one.model.retires is not None and not one.model.is_retired(datetime.now(UTC).date()):
        return f"{one.state}; answers until {one.model.retires}"
    return f"{one.state}; deprecated" if one.model is not None and one.model.deprecated else one.state
