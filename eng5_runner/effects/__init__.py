"""The outside world: one module or package for each outside thing, and no decisions about a run.

- The run directory: `ledger` (the truth), `outputs` (everything else), `run_lock`, `durable` (how both are written).
- This machine: `clock`, `disk_space`, `upload_cache`, `schema`, `terminal`, `standard_streams`.
- The services: `content`, `kafka`, `cj_admin`, `llm_provider`, `identity`, `healthcheck`.

The modules raise errors of `eng5_runner.errors`, with the file or service in the message. An example, the ledger:

    with Ledger(run_directory) as ledger:
        await ledger.append([event])        # on the disk when this returns
    state = fold(LedgerReading(run_directory))
"""
