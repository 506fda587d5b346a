"""The report's second half: how good the measurement is, what it cost, what went wrong, how it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from eng5_runner.canonical import Json
from eng5_runner.reports.html import Child, element, table
from eng5_runner.results.reading import Object, number, rows, table_of, words

_SHORT_HASH = 16


def reliability_in_words(artefact: Object) -> str:
    """With its interval; empty where there is none."""
    found = table_of(table_of(artefact["bt_model"]).get("reliability"))
    interval = found.get("interval_90")
    if not isinstance(interval, list | tuple):
        return ""
    low, high = (number(end) for end in interval)
    return f"{number(found.get('empirical_bayes')):.2f}, 90% interval {low:.2f} to {high:.2f}"


def judge(artefact: Object) -> Iterator[Child]:
    """The fit in figures."""
    model = table_of(artefact["bt_model"])
    if not model:
        return
    effect = table_of(model.get("position_effect"))
    lines = [
        ("method", str(model.get("method"))),
        ("reliability of the order", reliability_in_words(artefact) or "–"),
        (
            "spread σ of the positions",
            f"{number(model.get('prior_sd')):.2f} logits, {'estimated' if model.get('prior_sd_estimated') else 'set'}",
        ),
        (
            "advantage of being shown first",
            f"{number(effect.get('estimate')):+.2f} ± {number(effect.get('standard_error')):.2f} logits"
            if effect
            else "–",
        ),
        ("separate groups of essays", str(model.get("components"))),
    ]
    yield element("h2", "How good the measurement is")
    yield table(("what", "found"), lines, caption="The fit of all comparisons together.")
    yield element(
        "p",
        "Reliability says how well the same judge would find the same order again. It says nothing of whether teachers "
        "would agree; for that see the anchors above.",
        class_="note",
    )


def costs(artefact: Object) -> Iterator[Child]:
    """Tokens and money of each judge."""
    spent = table_of(artefact["costs"])
    lines = [
        (
            f"{one['provider']} {one['model']}",
            *(f"{number(one[key]):,.0f}" for key in ("comparisons", "prompt_tokens", "completion_tokens")),
            f"{number(one['usd']):.4f}",
        )
        for one in rows(spent.get("token_counts"))
    ]
    if lines:
        yield element("h2", "Cost")
        heads = ("judge", "comparisons", "tokens read", "tokens written", "USD")
        yield table(
            heads,
            lines,
            caption=f"In all {number(spent.get('total_usd')):.4f} USD, failed comparisons included.",
            figures=4,
        )
        yield from _replays(spent)


def _replays(spent: Object) -> Iterator[Child]:
    replayed = table_of(spent.get("replayed"))
    if replayed:
        saved = f"{number(replayed.get('saved_usd')):.4f} USD"
        yield element("p", f"{replayed.get('comparisons')} judgements were replayed, where they had cost {saved}.")


def failures(artefact: Object) -> Iterator[Child]:
    """What did not come, or not as it should."""
    status = table_of(artefact["runner_status"])
    codes = Counter(str(one["failure_code"]) for one in rows(artefact["failed_comparisons"]))
    rejected = Counter(str(one["reason"]) for one in rows(status.get("rejected")))
    lines = [(f"comparison failed: {code}", str(count)) for code, count in sorted(codes.items())]
    lines += [(f"message rejected: {reason}", str(count)) for reason, count in sorted(rejected.items())]
    others = (
        ("duplicates", "messages that came twice"),
        ("conflicts", "contradicting messages"),
        ("offsets_lost", "messages lost"),
    )
    lines += [(told, str(status[key])) for key, told in others if status.get(key)]
    yield element("h2", "What went wrong")
    if lines:
        yield table(("what", "times"), lines, caption="Each kind with its number.", figures=1)
    else:
        yield element("p", "Nothing: no comparison failed, no message was rejected, doubled or lost.")


def inputs(artefact: Object) -> Iterator[Child]:
    """Files with their checksums."""
    given = table_of(artefact["inputs"])
    documents = (("instructions", "instructions"), ("prompt_reference", "students' task"))
    lines = [
        (
            told,
            str(table_of(given.get(key)).get("source_path")),
            str(table_of(given.get(key)).get("word_count")),
            _hash(table_of(given.get(key)).get("checksum")),
        )
        for key, told in documents
    ]
    for kind, name in (("anchors", "anchor_id"), ("students", "essay_id")):
        lines += [
            (str(one[name]), str(one["source_path"]), str(one["word_count"]), _hash(one["checksum"]))
            for one in rows(given.get(kind))
        ]
    yield element("h2", "What was compared")
    yield table(
        ("id", "file", "words", "SHA-256"),
        lines,
        caption="Files with the beginning of their SHA-256; the whole ones are in the artefact.",
        class_="files",
    )


def provenance(artefact: Object) -> Iterator[Child]:
    """Versions, digests, and how to prove them."""
    metadata, validation = table_of(artefact["metadata"]), table_of(artefact["validation"])
    hashes, environment = table_of(artefact["prompt_hashes"]), table_of(validation.get("cli_environment"))
    lines = [
        ("eng5-runner", f"{metadata.get('runner_version')}, commit {metadata.get('git_sha')}"),
        ("Python, system", f"{environment.get('python')}, {environment.get('os')}"),
        ("digest of the inputs", str(metadata.get("inputs_sha256"))),
        ("grade scale", str(metadata.get("grade_scale"))),
        ("course, language", f"{metadata.get('course_code')}, {metadata.get('language')}"),
        ("assignment", f"{metadata.get('assignment_id')} ({metadata.get('assignment_id_origin')})"),
        ("correlation id", str(metadata.get("correlation_id"))),
        ("seed, comparisons asked for", f"{_said(metadata.get('seed'))}, {_said(metadata.get('max_comparisons'))}"),
        (
            "prompts",
            f"{hashes.get('distinct')} different ones, {hashes.get('asked_more_than_once')} asked more than once",
        ),
        ("digest of the prompts", str(hashes.get("digest"))),
        *((f"template {one.get('name')}", str(one.get("sha256"))) for one in rows(hashes.get("templates"))),
        *(("system prompt", sha256) for sha256 in words(hashes.get("system_prompts"))),
        ("checksum of the artefact", str(validation.get("artefact_checksum"))),
    ]
    yield element("h2", "How it was made")
    yield table(("what", "value"), lines, caption="What it takes to make it again.", class_="files")
    yield element("h2", "How to prove it")
    yield element(
        "p",
        "With this program: every output, this page too, is computed anew from the ledger and compared byte for byte.",
    )
    yield element("pre", element("code", "eng5-runner verify RUN"))
    yield element("p", "Without it, in the run's folder:")
    yield element("pre", element("code", "sha256sum -c manifest.sha256"))


def _hash(value: Json) -> str:
    return str(value)[:_SHORT_HASH]


def _said(value: Json) -> str:
    return "not given" if value is None else str(value)
