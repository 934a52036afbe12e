"""Adapters to the samplers of Optuna. Nothing here imports Optuna before the first proposal."""
