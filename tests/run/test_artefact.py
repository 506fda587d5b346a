"""What a run states: valid in every outcome, and nothing that the evidence does not hold."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import subprocess
import sys
from collections import Counter
from copy import deepcopy
from itertools import combinations, islice, product
from pathlib import Path
from tempfile import TemporaryDirectory

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from msgspec.structs import replace

from eng5_runner.canonical import canonical_json
from eng5_runner.core.events import CallbackAccepted
from eng5_runner.core.inputs import EssayFlag
from eng5_runner.effects.ledger import LEDGER_NAME
from eng5_runner.effects.schema import artefact_schema, violations, violations_by_reference
from eng5_runner.errors import InputsInvalid
from eng5_runner.run.hydrate import hydrate
from tests.support.run import messages
from tests.support.run.messages import Callback
from tests.support.run.outcomes import HOSTILE, OUTCOMES
from tests.support.run.runs import GRADES, RUN_ID, STUDENTS, Run, write_ledger
from tests.support.run.world import World, whole_story

ROOT = Path(__file__).parents[2]
FIELDS_SCHEMA = ROOT / "tests" / "field" / "data" / "assessment_run.v1.0.schema.json"


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_artefact_is_valid_in_every_outcome(outcome, artefacts):
    artefact = artefacts[outcome]
    assert violations(artefact) == violations_by_reference(artefact) == []
    told = artefact["runner_status"]
    assert told["outcome"] == {"silent": "partial"}.get(outcome, outcome)
    assert told["partial_data"] == (outcome not in ("complete", "not-sent"))
    assert bool(told["reasons"]) == (outcome in ("partial", "silent", "failed", "open"))


@pytest.mark.parametrize("outcome", [name for name in OUTCOMES if name != "not-sent"])
def test_an_artefact_of_execute_is_one_of_the_fields_version(outcome, artefacts):
    schema = json.loads(FIELDS_SCHEMA.read_text())
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(artefacts[outcome])
    assert artefacts[outcome]["metadata"]["runner_mode"] == "execute"


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_checksum_is_of_the_artefact_with_zeros_in_its_place(outcome, artefacts):
    blank = deepcopy(artefacts[outcome])
    stated = blank["validation"]["artefact_checksum"]
    blank["validation"]["artefact_checksum"] = "0" * 64
    assert hashlib.sha256(canonical_json(blank)).hexdigest() == stated


OURS = {name: essay_id for essay_id, name in messages.SENT.items()}


def sent_comparisons(run: Run) -> list[dict]:
    """The raw comparisons of a run, read without any model of ours."""
    found = [json.loads(e.raw)["data"] for e in run.events if isinstance(e, CallbackAccepted)]
    return [data for data in found if "request_id" in data]


def test_each_judgement_is_stated_as_the_service_sent_it(finished, artefacts):
    raw = {data["request_id"]: data for data in sent_comparisons(finished["complete"]) if "winner" in data}
    stated = artefacts["complete"]["llm_comparisons"]
    assert {one["request_id"] for one in stated} == raw.keys()
    for one in stated:
        data = raw[one["request_id"]]
        meta = data["request_metadata"]
        sides = (OURS[meta["essay_a_id"]], OURS[meta["essay_b_id"]])
        assert (one["essay_a_id"], one["essay_b_id"]) == sides
        winner, loser = sides if data["winner"] == "Essay A" else sides[::-1]
        assert (one["winner_id"], one["loser_id"]) == (winner, loser)
        assert one["winner_position"] == data["winner"][-1]
        assert one["prompt_hash"] == meta["prompt_sha256"]
        assert (one["cost_usd"], one["started_at"]) == (data["cost_estimate"], data["requested_at"])
        assert one["correlation_id"] == data["correlation_id"]


def test_a_failed_comparison_has_no_winner_and_no_stack_trace(artefacts):
    for one in artefacts["complete"]["failed_comparisons"]:
        assert not one.keys() & {"winner_id", "loser_id", "winner_position"}
        assert one["failure_reason"] == "LLM_PROVIDER_RATE_LIMIT: Slow down."
        assert "secret" not in json.dumps(one)
    assert len(artefacts["complete"]["failed_comparisons"]) == 2
    assert artefacts["failed"]["llm_comparisons"] == artefacts["failed"]["bt_summary"] == []


@pytest.mark.parametrize("outcome", ["complete", "partial", "interrupted"])
def test_each_essay_is_counted_in_just_the_judgements_that_name_it(outcome, artefacts):
    stated = artefacts[outcome]["llm_comparisons"]
    took_part = Counter(one[side] for one in stated for side in ("essay_a_id", "essay_b_id"))
    won = Counter(one["winner_id"] for one in stated)
    assert {entry["essay_id"] for entry in artefacts[outcome]["bt_summary"]} == {*GRADES, *STUDENTS}
    for entry in artefacts[outcome]["bt_summary"]:
        assert entry["comparison_count"] == took_part[entry["essay_id"]]
        assert entry["wins"] == won[entry["essay_id"]]
        assert entry.get("anchor_grade") == GRADES.get(entry["essay_id"])


def test_ranks_follow_positions(artefacts):
    summary = artefacts["complete"]["bt_summary"]
    assert [entry["rank"] for entry in summary] == list(range(1, 7))
    thetas = [entry["theta"] for entry in summary]
    assert thetas == sorted(thetas, reverse=True)
    assert math.isclose(sum(thetas), 0.0, abs_tol=1e-5)


def test_costs_are_the_sum_over_all_calls_also_failed_ones(finished, artefacts):
    raw = sent_comparisons(finished["complete"])
    costs = artefacts["complete"]["costs"]
    assert costs["total_usd"] == round(math.fsum(data["cost_estimate"] for data in raw), 9)
    assert math.isclose(sum(row["usd"] for row in costs["token_counts"]), costs["total_usd"])
    assert sum(row["comparisons"] for row in costs["token_counts"]) == len(raw) == 18
    for field in ("prompt_tokens", "completion_tokens"):
        assert sum(row[field] for row in costs["token_counts"]) == sum(data["token_usage"][field] for data in raw)


def test_what_was_rejected_is_listed_with_its_place_and_reason(artefacts):
    (told,) = artefacts["failed"]["runner_status"]["rejected"]
    assert (told["topic"], told["partition"], told["offset"]) == (messages.Topic.RESULT, 0, 0)
    assert "JSON" in told["reason"]


def test_a_judges_formula_is_inert_in_the_table_and_verbatim_in_the_artefact(finished, artefacts):
    assert HOSTILE in [one["justification"] for one in artefacts["complete"]["llm_comparisons"]]
    assert b"\"'=HYPERLINK" in (finished["complete"].directory / "tables" / "comparisons.csv").read_bytes()


HYDRATE = """
import sys
from pathlib import Path
from eng5_runner.run.hydrate import hydrate, listed_files
from eng5_runner.run.manifest import entry_of, manifest_files
run = Path(sys.argv[1])
files = dict(hydrate(run).files)
files |= manifest_files([entry_of(run, path) for path in listed_files(run)])
print(*(name for name, data in sorted(files.items()) if (run / name).read_bytes() != data), len(files))
"""


@pytest.mark.parametrize(("seed", "zone", "threads"), [("1", "Asia/Kathmandu", "1"), ("4242", "America/St_Johns", "2")])
def test_hydrating_again_in_another_process_gives_the_same_bytes(seed, zone, threads, finished):
    """Under another hash seed, time zone, locale and number of BLAS threads: artefact, tables, request, manifests."""
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}
    environment |= {"OPENBLAS_NUM_THREADS": threads}
    command = [sys.executable, "-c", HYDRATE, str(finished["complete"].directory)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["10"], done.stdout


def started(directory: Path, *callbacks: Callback) -> Run:
    """A run to which the service says the whole story and this."""
    world = World()
    world.cj.script = lambda run_id, essays: [*callbacks, *whole_story(run_id, essays)[-2:]]
    run = Run(directory / "run", world)
    run.start()
    return run


ODD = [
    ({"correlation_id": "the-pair's-own"}, "correlation_id"),
    ({"correlation_id": "1B4E28BA2FA111D2883F0016D3CCA427"}, "correlation_id"),
    ({"requested_at": "0001-01-01T00:00:00Z"}, "started_at"),
    ({"requested_at": "2027-03-02T08:00:00+05:45"}, "started_at"),
    ({"response_time_ms": 10**30}, "request_id"),
    ({"justification": "\u0000\u2028\ud7ff"}, "justification"),
    ({"confidence": 1e300}, "confidence"),
]


@pytest.mark.parametrize(("change", "field"), ODD)
def test_an_odd_but_usable_comparison_makes_no_invalid_artefact(change, field, tmp_path):
    """One paid judgement with an odd field must not cost the statement of all others."""
    message = messages.comparison_message(RUN_ID, 1, ("birk", "cleo"), winner=None)
    message["data"] |= change
    run = started(tmp_path, Callback(messages.Topic.COMPARISON, messages.raw(message)))
    artefact = run.artefact()
    (stated,) = artefact["failed_comparisons"]
    assert field in stated or field in ("justification", "confidence")


def test_a_pairs_correlation_id_that_is_no_uuid_gives_way_to_the_envelopes(tmp_path):
    message = messages.comparison_message(RUN_ID, 1, ("birk", "cleo"), winner=None)
    message["data"]["correlation_id"] = "pair 1"
    run = started(tmp_path, Callback(messages.Topic.COMPARISON, messages.raw(message)))
    assert run.artefact()["failed_comparisons"][0]["correlation_id"] == message["correlation_id"]


def test_a_result_with_figures_that_json_cannot_hold_is_stated_without_them(tmp_path):
    world = World()
    message = json.loads(messages.result(RUN_ID, ["birk", ""]).value)
    message["data"]["essay_results"][0]["rank"] = 10**30
    raw = Callback(messages.Topic.RESULT, messages.raw(message))
    world.cj.script = lambda run_id, _essays: [raw, messages.completed(run_id)]
    run = Run(tmp_path / "run", world)
    run.start()
    (essay,) = run.artefact()["service_result"]["essays"]
    assert "rank" not in essay
    assert essay["essay_id"] == "birk"


def test_an_accepted_message_that_is_none_is_a_damaged_ledger(finished, tmp_path):
    """Whoever rewrites a line with a checksum that fits is told so, with exit 65."""
    source = finished["failed"]
    run = Run(tmp_path / "run", spec=source.spec)
    run.directory.mkdir()
    for name in ("inputs.json", "config.resolved.toml"):
        (run.directory / name).write_bytes((source.directory / name).read_bytes())
    events = [replace(event, raw="{}") if isinstance(event, CallbackAccepted) else event for event in source.events]
    write_ledger(run.directory, events)
    with pytest.raises(InputsInvalid, match=LEDGER_NAME):
        hydrate(run.directory)


WRONG = (None, True, -1, 1.5, 10**20, "", "x", "UNKNOWN", [], {}, [None], {"x": 1})
WRONG_TEXTS = (
    "2027-03-02 08:00:00Z",
    "2027-13-02T08:00:00Z",
    "2027-03-02T08:00:00",
    "2027-03-02T25:00:00Z",
    "c0ffee00-1111-4222-8333",
    "g" * 64,
    "A" * 64,
)


def shortened(value: object) -> object:
    """The artefact with three entries of each list: the same rules in fewer places."""
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shortened(inner) for inner in value[:3]] if not all(isinstance(v, float) for v in value) else value
    return value


def mutants(artefact: dict, *, every: int):
    """One change each: a key away, a key too many, or another value in a place."""
    changes = product(places(artefact), ("delete", "add", *WRONG, *WRONG_TEXTS))
    for path, change in islice(changes, 0, None, every):
        mutant = deepcopy(artefact)
        where = mutant
        for step in path[:-1]:
            where = where[step]
        if change == "delete":
            del where[path[-1]]
        elif change == "add":
            if not isinstance(where[path[-1]], dict):
                continue
            where[path[-1]]["never heard of"] = 1
        else:
            where[path[-1]] = change
        yield path, change, mutant


def places(value: object, here: tuple = ()) -> list[tuple]:
    found = [here] if here else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        found += places(inner, (*here, step))
    return found


def test_both_validators_agree_on_mutants(artefacts):
    """Every seventeenth of all single changes; the fast validator and the reference one accept and reject the same."""
    small = shortened(artefacts["complete"])
    assert violations(small) == []
    fast = jsonschema_rs.Draft202012Validator(artefact_schema(), validate_formats=True)
    reference = Draft202012Validator(artefact_schema(), format_checker=FormatChecker())
    rejected = 0
    for path, change, mutant in mutants(small, every=17):
        verdicts = (fast.is_valid(mutant), reference.is_valid(mutant))
        assert verdicts[0] == verdicts[1], (path, change, verdicts)
        rejected += not verdicts[0]
    assert rejected >= 300


ESSAYS = sorted([*GRADES, *STUDENTS])
verdicts = st.tuples(st.permutations(ESSAYS), st.sampled_from(["Essay A", "Essay B", None]))


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(verdicts, max_size=12))
@example(told=[(["birk", "cleo"], "Essay A")])
@example(told=[(["birk", "cleo"], "Essay A"), (["anchor-a1", "anchor-b1"], "Essay B")])
@example(told=[(list(pair), "Essay A") for pair in combinations(sorted(GRADES), 2)])
def test_whatever_came_back_can_be_stated(told, tmp_path):
    """One judgement, parts without a link between them, anchors alone, the same pair again and again."""
    script = [
        messages.comparison(RUN_ID, number, (order[0], order[1]), winner=winner)
        for number, (order, winner) in enumerate(told)
    ]
    with TemporaryDirectory(dir=tmp_path) as folder:
        run = started(Path(folder), *script)
        artefact = run.artefact()
    assert len(artefact["llm_comparisons"]) == sum(winner is not None for _, winner in told)
    assert len(artefact["bt_summary"]) == (6 if artefact["llm_comparisons"] else 0)


def test_judgements_on_flagged_essays_are_marked_in_artefact_tables_and_report(tmp_path):
    run = Run(tmp_path / "run")
    flags = (
        EssayFlag(essay_id="birk", kinds=("instructs_judge",), twin="cleo"),
        EssayFlag(essay_id="dag", kinds=("hidden_text", "invisible_characters")),
    )
    run.inputs = run.inputs.model_copy(update={"flags": flags})
    run.start()
    artefact, files = run.artefact(), run.hydrate().files
    birk, cleo, dag = artefact["inputs"]["students"]
    assert (birk["flags"], birk["twin"], dag["flags"]) == (
        ["instructs_judge"],
        "cleo",
        ["hidden_text", "invisible_characters"],
    )
    assert not cleo.keys() & {"flags", "twin"}
    for one in artefact["llm_comparisons"]:
        sides = {"A": one["essay_a_id"], "B": one["essay_b_id"]}
        marked = [side for side, essay in sides.items() if essay in ("birk", "dag")]
        assert one.get("flagged") == ("both" if len(marked) == 2 else marked[0] if marked else None)
    assert artefact["judge_quality"]["flagged"]["pairs"] == 1
    essays = {row["id"]: row["text_flags"] for row in csv.DictReader(io.StringIO(files["tables/essays.csv"].decode()))}
    assert (essays["dag"], essays["cleo"]) == ("hidden_text invisible_characters", "")
    marks = [row["flagged"] for row in csv.DictReader(io.StringIO(files["tables/comparisons.csv"].decode()))]
    assert sorted(set(marks)) == ["", "A", "B", "both"]
    page = files["report.html"].decode()
    assert "birk.txt (words to the judge); dag.txt (hidden text, invisible characters). Judgements of them" in page
    assert "than the same texts without the passage" in page
