"""Fidelities, and the rungs and brackets of successive halving."""
