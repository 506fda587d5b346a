"""The record on the page: methods paragraph and citation, cost, what went wrong, files, versions, and the proof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from eng5_runner.core.events import OBJECTIONS
from eng5_runner.phrases import counted
from eng5_runner.reports.figures import UNKNOWN, spent, usd
from eng5_runner.reports.html import Child, element, table
from eng5_runner.reports.methods import citation, methods_paragraph
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.study import Costs, DocumentRecord, EssayFile
from eng5_runner.results.run_cost import perhaps_charged

_SHORT_HASH = 16
_MOST_FILES = 2_000


def methods(artefact: Artefact) -> Iterator[Child]:
    """A paragraph for a paper, and how to cite the program."""
    yield element("h2", "To quote", id="quote")
    yield element("h3", "Methods")
    yield element("blockquote", element("p", methods_paragraph(artefact)))
    yield element("h3", "Citation")
    yield element("blockquote", element("p", citation(artefact)))


def costs(artefact: Artefact) -> Iterator[Child]:
    """Tokens and money of each judge."""
    given = artefact.costs
    if not given.token_counts:
        return
    cached = ("of these from the provider's cache",) if given.cached_tokens else ()
    lines = []
    for row in given.token_counts:
        from_cache = (row.cached_tokens or 0,) if cached else ()
        counts = (row.comparisons, row.prompt_tokens, *from_cache, row.completion_tokens)
        lines.append(
            (
                f"{row.provider} {row.model}",
                *(f"{count:,}" for count in counts),
                UNKNOWN if row.unpriced else usd(row.usd),
            )
        )
    whole = spent(given.total_usd, unpriced=given.unpriced)
    yield element("h2", "Cost", id="cost")
    yield table(
        ("judge", "calls", "tokens read", *cached, "tokens written", "USD"),
        lines,
        caption=f"In all {whole}, failed calls included{_and_test_answer(given)}.",
        figures=4 + len(cached),
    )
    if given.replayed is not None:
        replayed = counted(given.replayed.comparisons, "judgement was", plural="judgements were")
        yield element("p", f"{replayed} replayed, which had cost {usd(given.replayed.saved_usd)} USD.")


def _and_test_answer(given: Costs) -> str:
    if given.test_answer is None:
        return ""
    if given.unpriced and not given.test_answer.usd:
        return "; the test answer beforehand has no known price either"
    return f", and {usd(given.test_answer.usd)} USD for the test answer beforehand"


def failures(artefact: Artefact) -> Iterator[Child]:
    """What did not come, or not as it should."""
    status = artefact.runner_status
    codes = Counter(row.failure_code for row in artefact.failed_comparisons)
    reasons = Counter(message.reason for message in status.rejected)
    doubtful = Counter(message.objection for message in status.doubtful or ())
    flaws = Counter(message.flaws for message in status.flawed or ())
    lines = [(f"call failed: {code}", str(count)) for code, count in sorted(codes.items())]
    if charged := perhaps_charged(artefact):
        lines.append(("of these, asked without an answer that was recorded, and perhaps charged", str(charged)))
    lines += [(f"message rejected: {reason}", str(count)) for reason, count in sorted(reasons.items())]
    lines += [(OBJECTIONS[kind], str(count)) for kind, count in sorted(doubtful.items())]
    lines += [(f"comparison accepted with a flaw: {flaw}", str(count)) for flaw, count in sorted(flaws.items())]
    others = (
        ("messages that came twice", status.duplicates),
        ("contradicting messages", status.conflicts),
        ("messages lost", status.offsets_lost),
    )
    lines += [(name, str(count)) for name, count in others if count]
    yield element("h2", "What went wrong", id="wrong")
    if lines:
        yield table(("what", "times"), lines, caption="Each kind with its number.", figures=1)
    else:
        yield element("p", "Nothing: no call failed, no message was rejected, doubled or lost.")


def files(artefact: Artefact) -> Iterator[Child]:
    """Files with their checksums, folded."""
    given = artefact.inputs
    listed: list[tuple[str, DocumentRecord | EssayFile]] = [
        *((("instructions", given.instructions),) if given.instructions.source_path else ()),
        ("students' task", given.prompt_reference),
        *((anchor.anchor_id, anchor) for anchor in given.anchors),
        *((student.essay_id, student) for student in given.students),
    ]
    folded = element(
        "details",
        element("summary", f"{counted(len(listed), 'file')} with words and checksums"),
        table(
            ("id", "file", "words", "SHA-256"),
            [
                (name, file.source_path, str(file.word_count), file.checksum[:_SHORT_HASH])
                for name, file in listed[:_MOST_FILES]
            ],
            caption="Files with the beginning of their SHA-256; the whole ones are in the artefact."
            + (f" The first {_MOST_FILES}; the artefact has all." if len(listed) > _MOST_FILES else ""),
            class_="files sortable",
        ),
    )
    yield element("section", element("h2", "What was compared", id="files"), folded, class_="foldable")


def provenance(artefact: Artefact) -> Iterator[Child]:
    """Versions, digests, and how to prove them."""
    metadata, validation, hashes = artefact.metadata, artefact.validation, artefact.prompt_hashes
    environment = validation.cli_environment
    lines = [
        ("eng5-runner", f"{metadata.runner_version}, commit {metadata.git_sha}"),
        ("Python, system", f"{environment.python}, {environment.os}"),
        ("digest of the inputs", metadata.inputs_sha256),
        ("grade scale", metadata.grade_scale),
        ("course, language", f"{metadata.course_code}, {metadata.language}"),
        ("assignment", f"{metadata.assignment_id} ({metadata.assignment_id_origin})"),
        ("correlation id", metadata.correlation_id),
        ("seed, comparisons asked for", f"{_given(metadata.seed)}, {_given(metadata.max_comparisons)}"),
        ("prompts", f"{hashes.distinct} different ones, {hashes.asked_more_than_once} asked more than once"),
        ("digest of the prompts", hashes.digest),
        *((f"template {template.name}", template.sha256) for template in hashes.templates or ()),
        *(("system prompt", sha256) for sha256 in hashes.system_prompts or ()),
        ("checksum of the artefact", validation.artefact_checksum),
    ]
    yield element("h2", "How it was made", id="made")
    yield table(("what", "value"), lines, caption="What it takes to make it again.", class_="files")
    yield element("h2", "How to prove it", id="proof")
    yield element(
        "p",
        "With this program: every output, this page too, is computed again from the ledger and compared byte for byte.",
    )
    yield element("pre", element("code", "eng5-runner verify RUN"))
    yield element("p", "Without it, in the run's folder:")
    yield element("pre", element("code", "sha256sum -c manifest.sha256"))


def _given(value: int | None) -> str:
    return "not given" if value is None else str(value)
