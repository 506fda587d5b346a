"""The Bradley-Terry model: comparisons, fit, standard errors, and the answer `equal`."""
