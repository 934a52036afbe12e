"""Training of a supernet: loop, data schedule, processes and session."""
