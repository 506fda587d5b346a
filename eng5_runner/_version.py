"""The version of the tool, the only place that holds it. Hatch, the command line and the run's ledger read it here."""

__version__ = "0.2.0"
