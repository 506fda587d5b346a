"""What tests of several folders share: worlds, services, processes and data, never a test.

    run/       a small run on disk against a world in memory, and what happens to it
    stack/     the embedded services as a client sees them
    judges/    local servers that answer like the judges' providers
    kafka/     brokers: librdkafka's mock cluster, and a real Apache Kafka
    postgres/  a real PostgreSQL
    field/     the recorded run of the real services

`python -m tests.laws` finds a test that takes helpers from another test or another folder.
"""
