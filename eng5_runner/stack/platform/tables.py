"""The tables that the services keep; `migrations` brings an older database to them.

Names and types are those that SQLite and PostgreSQL both have. A service reads only its own tables: what belongs to
another one it asks for over HTTP.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

schema = MetaData()


def _lease() -> tuple[Column[Any], ...]:
    """The worker that holds a row, and the end of its lease in seconds since 1970 by the database's clock."""
    return Column("worker", String(36)), Column("lease_until", Double)


stack_schema = Table("stack_schema", schema, Column("version", Integer, primary_key=True))

content = Table(
    "content",
    schema,
    Column("storage_id", String(32), primary_key=True),
    Column("content_type", String(255), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", String(40), nullable=False),
)

# The provider's queue. `body` goes when the outcome is there: a prompt holds two essays. Who judges a comparison holds
# it under a lease. `taken`: how often a worker asked a language model. `is_batched`: it goes to the provider's batch
# API, and `provider_batch` is then the batch that it is in.
llm_comparisons = Table(
    "llm_comparisons",
    schema,
    Column("number", Integer, primary_key=True),
    Column("queue_id", String(36), nullable=False, unique=True),
    Column("correlation_id", String(64), nullable=False, unique=True),
    Column("prompt_sha256", String(64), nullable=False),
    Column("callback_topic", String(255), nullable=False),
    Column("requested_at", String(40), nullable=False),
    *_lease(),
    Column("taken", Integer, nullable=False, server_default=text("0")),
    Column("is_batched", Integer, nullable=False, server_default=text("0")),
    Column("provider_batch", String(36), index=True),
    # Last, as SQLite reads all of a row up to the column that is asked for.
    Column("body", LargeBinary),
    Column("outcome", LargeBinary),
)

# A batch at a provider's batch API. `own_id` is written into it, so that it is found there if it was made and the
# answer was lost. `sending_at`: when its making was begun, in seconds since 1970; `provider_id`: the provider's id;
# `cancelled_at`: when it was to be ended early.
llm_provider_batches = Table(
    "llm_provider_batches",
    schema,
    Column("number", Integer, primary_key=True),
    Column("own_id", String(36), nullable=False, unique=True),
    Column("provider", String(40), nullable=False),
    Column("model", String(255), nullable=False),
    Column("comparisons", Integer, nullable=False),
    Column("sending_at", Double),
    Column("provider_id", String(255)),
    Column("cancelled_at", Double),
    Column("done_at", Double),
    *_lease(),
)

cj_instructions = Table(
    "cj_instructions",
    schema,
    Column("id", Integer, primary_key=True),
    Column("assignment_id", String(100), unique=True),
    Column("course_id", String(100), unique=True),
    Column("instructions_text", Text, nullable=False),
    Column("grade_scale", String(50), nullable=False),
    Column("context_origin", String(50), nullable=False),
    Column("student_prompt_storage_id", String(32)),
    Column("judge_rubric_storage_id", String(32)),
    Column("created_at", String(40), nullable=False),
)

cj_anchors = Table(
    "cj_anchors",
    schema,
    Column("id", Integer, primary_key=True),
    Column("assignment_id", String(100), nullable=False),
    Column("anchor_label", String(255), nullable=False),
    Column("grade", String(10), nullable=False),
    Column("grade_scale", String(50), nullable=False),
    Column("text_storage_id", String(32), nullable=False),
    Column("created_at", String(40), nullable=False),
    UniqueConstraint("assignment_id", "anchor_label"),
)

# Requests as they came; who works one off holds it under a lease. `answered_at`: all that stood in the record when it
# came has been published again. `done_at`: the events that end its batch are out.
cj_requests = Table(
    "cj_requests",
    schema,
    Column("id", Integer, primary_key=True),
    Column("batch_sha256", String(64), nullable=False, unique=True),
    Column("raw", LargeBinary, nullable=False),
    Column("answered_at", String(40)),
    Column("done_at", String(40)),
    *_lease(),
)

# `plan` is all that was decided when the batch was accepted, `request_sha256` what makes a second request the same one.
cj_batches = Table(
    "cj_batches",
    schema,
    Column("id", Integer, primary_key=True),
    Column("batch_id", String(36), nullable=False, unique=True),
    Column("request_sha256", String(64), nullable=False),
    Column("plan", Text, nullable=False),
)

# One row for each time that a pair is asked; `raw` is the callback as it came, byte for byte.
cj_comparisons = Table(
    "cj_comparisons",
    schema,
    Column("id", Integer, primary_key=True),
    Column("cj_batch_id", Integer, ForeignKey("cj_batches.id"), nullable=False),
    Column("wave", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("essay_a_id", String(36), nullable=False),
    Column("essay_b_id", String(36), nullable=False),
    Column("correlation_id", String(36), nullable=False, unique=True),
    Column("raw", LargeBinary),
    Index("ix_cj_comparisons_batch", "cj_batch_id", "wave"),
)

# The events that ended a batch, in the order in which they were published.
cj_closing_events = Table(
    "cj_closing_events",
    schema,
    Column("id", Integer, primary_key=True),
    Column("cj_batch_id", Integer, ForeignKey("cj_batches.id"), nullable=False),
    Column("topic", String(255), nullable=False),
    Column("raw", LargeBinary, nullable=False),
)

identity_accounts = Table(
    "identity_accounts",
    schema,
    Column("id", Integer, primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("roles", String(255), nullable=False),
    Column("created_at", String(40), nullable=False),
)

# Refresh tokens, of which only the hash is kept. A login begins a family; each exchange adds a member to it.
identity_refresh_tokens = Table(
    "identity_refresh_tokens",
    schema,
    Column("token_sha256", String(64), primary_key=True),
    Column("family", String(32), nullable=False, index=True),
    Column("account_id", Integer, ForeignKey("identity_accounts.id"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("exchanged_at", BigInteger),
)
