"""Views of a history: what has changed, one fidelity of it, two studies as one, the last climb."""
