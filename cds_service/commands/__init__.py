"""The verbs of ``cds-service``, one module each; ``common`` is what they share."""
