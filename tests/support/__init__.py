"""What the tests share: servers they start, stores they fill, conditions they wait for."""
