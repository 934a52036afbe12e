"""Penalties, and expected costs of architectures under probabilities of their values."""
