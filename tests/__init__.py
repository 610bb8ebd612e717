"""The tests: one folder a way of looking at the service, and `support`, which they share."""
