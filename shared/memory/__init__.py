"""What is worth remembering of a customer: what a model may extract from a conversation, and what of it counts.

operations   what a model answers, held against what was said: pure functions
prompts      what it is asked
keys         when two keys, or two values, are the same
names        which names nobody said
secrets      what must not be remembered: cards, keys, passwords
suspicion    what reads like an instruction to the agent
"""
