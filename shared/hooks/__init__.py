"""Hooks: a tenant's connections to platforms, their secrets sealed.

Read `hook` first: what is kept of one. `hooks` finds, changes and opens them.
"""
