"""The verbs of ``cds-service``: each has a module of its name, which may also be the name of a module elsewhere."""
