"""Replies to platforms: what came in through a hook is answered in the platform's own conversation.

Read `plan` first: the steps of a delivery. `channel` says whether it may go now, `parcel` takes its steps, `calling`
makes a call and says what its answer means.
"""
