"""A stand-in for `simulator`."""
