"""A stand-in for `worker`."""
