"""Policies: learnt distributions over architectures."""
