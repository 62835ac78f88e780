"""Headers of HTTP that are this service's own."""

# Says that a call is one of ``replay --against``, whose cards no clinician sees (Z85). CORS does not allow it, so no
# page in a browser can send it.
REPLAY = "CDS-Service-Replay"
