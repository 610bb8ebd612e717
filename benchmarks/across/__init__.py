"""Is a fact of one session in the context of a later one? `python -m benchmarks.across --data FILE`."""
