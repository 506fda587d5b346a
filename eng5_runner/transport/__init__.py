"""Technique that the runner and the embedded services share: HTTP and Kafka clients."""
