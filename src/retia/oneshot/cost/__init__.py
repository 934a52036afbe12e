"""Penalties, and what architectures cost in expectation."""
