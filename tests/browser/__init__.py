"""The pages, in a real browser. The service whose pages they are runs for this package only."""
