"""Jobs that make summaries."""
