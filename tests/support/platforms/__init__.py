"""Platforms as they stand opposite: servers that keep conversations, let in who has the token, and misbehave when told.

Written from what the platforms publish, and from nothing of the product. `standin` is what they share; each platform
has its addresses, its words and its signature in a module of its own.
"""
