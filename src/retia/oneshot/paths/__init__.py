"""Paths through a supernet: how methods that sample architectures choose them."""
