"""Keeps requests for later replay, as they came or de-identified. Off unless it is asked for."""
