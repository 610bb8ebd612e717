"""A Claude look-alike: an HTTP server that speaks Anthropic's Messages API.

It is a process of its own, for demos without a key, tests and benchmarks; `api`, `worker` and `shared` never import it.
"""
