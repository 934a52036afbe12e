"""Candidates: unseen architectures, and architectures as rows of numbers."""
