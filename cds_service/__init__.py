"""Clinical decision support for vitamin B12 orders, spoken over CDS Hooks."""

__version__ = "0.1.0"
