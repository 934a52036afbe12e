"""The training of a supernet: its loop, data, processes and session."""
