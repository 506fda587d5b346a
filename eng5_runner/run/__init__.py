"""The stages of a run, and the one loop that drives them.

`pipeline.drive` asks the state which step is next, runs that stage, writes the stage's events to the ledger, and then
applies them to the state. A stage is an async generator that yields batches of events and notices. What follows a
`yield` in a stage therefore happens only after the yielded events are on the disk:

    async def publish(...):
        yield [RequestPrepared(...)]        # the exact bytes are in the ledger now
        position = await broker.publish(...)
        yield [RequestPublished(position=position, ...)]

- `ports`: what the stages need from outside, as protocols; `connect` provides the real clients.
- `preflight`, `upload`, `publish`, `gather`: the stages.
- `hydrate`, `verify`, `run_directory`: from a run directory to its outputs, and their check.
"""
