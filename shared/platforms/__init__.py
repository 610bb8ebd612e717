"""Helpdesks and messengers: what each posts to us, and what it wants to be asked. Pure functions; no I/O.

Read `types` first: the protocol. A folder for each platform holds `settings`, `incoming` (is it genuine, what does it
say) and `outgoing` (the calls that answer). `registry` names them all.
"""
