"""What all embedded services share: database, web server, Kafka, leases."""
