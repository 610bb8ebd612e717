"""The context of one turn: what Claude is given, fitted to the token budget. Pure functions, no I/O.

    assembly     Draft in, Context out: the order of the parts and who gets the room
    plan         how the context begins: what a pin keeps, or what a compaction chooses
    budget       tokens by our count: factor per model, overhead, shares, the least a budget must leave
    counted      one look at a text: its raw tokens, and its kind
    tokens       the counter: cl100k_base from bundled data, else an estimate that errs upward
    blocks       stored messages as the model reads them, merged into alternating turns
    memory       the data block of what is remembered, which stored text cannot close
    newest       the customer's newest message, and `instructions` the system prompt
    clip         cutting a long text around a marker, never through a character
    receipt      the account of it all, and the hash of the request
    strategies/  which part of the history goes in

Start reading at `assembly.assemble`.
"""
