"""The command line: options to a spec, events to lines, errors to exit codes."""
