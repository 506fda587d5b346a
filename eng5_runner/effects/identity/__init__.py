"""The Identity Service: logins and tokens."""
