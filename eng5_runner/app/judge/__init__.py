"""Whether the run's judge can be asked: by what is known here (`check`), and by asking it once (`trial`)."""
