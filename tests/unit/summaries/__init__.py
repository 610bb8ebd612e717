"""Summaries: the ledger, the boundary, verification, the loop, digests, and who is due."""
