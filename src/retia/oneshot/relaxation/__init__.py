"""Mixtures of candidates: how differentiable methods weigh them."""
