"""The shapes of the outside world: Kafka messages, HTTP bodies and grade scales.

Models in this package say what is on the wire and nothing else. What a message means for a run is decided in `core`;
what a judge can do and costs is in `judges`. Models are strict about what the runner sends and tolerant about what it
receives (`base`).

A completion as a service sends it. The field that the contract does not know is ignored:

    >>> from eng5_runner.contracts.messages import batch_of, parse_callback
    >>> from eng5_runner.contracts.topics import Topic
    >>> raw = b'''{"event_type": "anything", "data": {
    ...     "entity_id": "c0ffee00-0000-4000-8000-000000000000", "status": "completed_successfully", "new": 1}}'''
    >>> completed = parse_callback(Topic.COMPLETED, raw).data
    >>> batch_of(completed), completed.status
    ('c0ffee00-0000-4000-8000-000000000000', 'completed_successfully')
"""
