"""Elastic recurrent layers."""
