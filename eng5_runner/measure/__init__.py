"""Pure statistics of comparative judgement; knows neither Kafka nor runs."""
