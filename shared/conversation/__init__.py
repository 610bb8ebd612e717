"""One turn: claim, assemble, ask, commit, announce; and what heals it when a step was lost."""
