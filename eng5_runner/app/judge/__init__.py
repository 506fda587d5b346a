"""The run's judge: what is known of it here (`check`), what it answers once (`trial`), what people say (`people`)."""
