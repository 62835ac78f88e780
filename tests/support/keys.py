"""The key of uuids in tests that start a service; a real one is made by chance (``openssl rand -hex 32``)."""

KEY = "the key of every service in these tests"
