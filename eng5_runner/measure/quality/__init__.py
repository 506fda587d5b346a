"""How good a measurement is: reliability, misfit, consistency, agreement."""
