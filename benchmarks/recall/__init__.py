"""Does recall find the turns that hold the answer? `python -m benchmarks.recall --data FILE`."""
