"""Remembering: what is done with the store so that a customer's earlier turns are found again.

    indexing   a session's turns into its customer's recall index, off the reply path
    indexes    the indexes a process holds, kept up to date by their marks, bounded
    semantic   the model of meanings that a deployment may name
    recaller   which earlier turns matter for a message, with their text

What matters, and why, is told by `shared.recall`, which does no I/O.
"""
