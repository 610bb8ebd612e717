"""Recall: which earlier turns of a customer matter for the newest message. Pure functions, no I/O, no model.

    words, stems, function_words   what a text is compared by, in many languages
    chunk                          the index: immutable pieces of a session, made once off the reply path
    codec                          a chunk as bytes, with a version
    corpus                         a customer's chunks laid out for searching
    query, dates                   what a message asks for: terms, and times it speaks of
    search                         scores, hits, and the order in which turns go into the context

Start reading at `search.search`.
"""
