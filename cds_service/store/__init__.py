"""What is remembered beyond a request: feedback, counts of cards shown, keys of uuids and used tokens.

The same code serves SQLite and PostgreSQL. A hook is answered without any of it: while the database is down, feedback
is refused with 503, so that the client sends it again, and counts wait, but no card is missing.
"""
