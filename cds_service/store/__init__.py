"""What is remembered: feedback, counts of cards shown, keys of uuids, tokens seen. SQLite or PostgreSQL, the same code.

Imports nothing of ours, and nothing of this room is needed to answer a hook: a store that is down costs statistics and
feedback (503, so that the client sends it again), never a card.
"""
