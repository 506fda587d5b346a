"""The models that can judge, as a table and as facts for JSON.

console.print(models_table(known_models(os.environ)))
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from rich.markup import escape
from rich.table import Table

from eng5_runner.judges.catalogue import READY, KnownModel
from eng5_runner.judges.manifest import Model
from eng5_runner.reports.terminal.table import plain_table

_PER_MILLION = 1000
_THOUSAND = 1000


def models_table(known: Iterable[KnownModel]) -> Table:
    """A row for each model: prices in USD per million tokens, what it takes, and whether it can be asked."""
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


def model_facts(one: KnownModel) -> dict[str, object]:
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
