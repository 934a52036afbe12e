"""Architectures as labelled graphs."""
