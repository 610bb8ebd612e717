"""Callbacks: what came of a request, posted to an address of the caller's, signed, until it is taken or given up.

Read `delivery` first: what a delivery is, and what becomes of it. `courier` makes one attempt, `sender` the connection,
and `addresses`, `urls` and `guard` say where that may lead.
"""
