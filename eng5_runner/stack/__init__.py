"""The embedded services, over real HTTP and the real Kafka protocol on loopback."""
