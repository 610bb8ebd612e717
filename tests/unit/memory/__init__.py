"""What is worth remembering: operations held against what was said, secrets, suspicion, keys."""
