"""Surrogates that guide a search: the protocol of predictors, their targets and acquisition functions."""
