"""Making summaries ahead of time: jobs of one session each, and whose turn it is.

What a summary is and whether one may be stored is told by `shared.summaries`, which does no I/O. Here is what is done
with the store and Claude. Nothing of it runs where replies are made.
"""
