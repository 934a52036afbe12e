"""`python -m retia` is the `retia` command."""

from retia.cli import main

if __name__ == "__main__":  # worker processes import this module
    main(prog_name="python -m retia")
