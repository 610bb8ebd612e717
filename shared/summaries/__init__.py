"""Summaries ahead of time: when a session is due, what is asked of the summariser, and what is kept of its answer.

Pure functions, and one loop over a Claude client: no store, no broker. `ledger` knows what must survive unaltered,
`due` when it is time, `boundary` how far a summary reaches, `prompts` the words, `verify` what may be stored,
`steps` the whole as a machine that waits for replies (batches use it so), `summarise` the loop that fetches them,
`digest` what is left of a session that is over.
"""
