"""Elastic attention."""
