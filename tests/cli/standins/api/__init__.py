"""A stand-in for `api`."""
