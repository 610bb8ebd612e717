"""Which part of a session's history goes into the context. One module per strategy, one function each: `choose`."""
