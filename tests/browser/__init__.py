"""What only a browser shows: the report as people see it, and what a web page can do to the services."""
