"""Preflight: checks before anything is sent.

The CJ service stays silent if it does not know the provider, if texts are missing, or if it was not listening when the
request arrived. Preflight finds such problems first. A check is a function that returns `ports.Findings` or raises the
error that stops the run:

    async def _check_broker(broker: Broker) -> Findings:
        topology = await broker.topology(tuple(Topic))          # ConfigurationError if a topic is missing
        return Findings(checks=[f"Kafka cluster {topology.cluster_id} has all topics"])

`stage.preflight` runs all checks as the first stage of a run and stops at the first error. `stage.examine` runs them
for the command `preflight` and reports every result.
"""
