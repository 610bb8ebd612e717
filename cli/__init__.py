"""The `customer-memory` command: start everything, talk to it, check it, make keys, replay conversations."""
