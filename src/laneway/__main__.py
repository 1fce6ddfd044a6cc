"""Runs laneway as `python -m laneway`."""

from laneway.cli.main import main

if __name__ == "__main__":
    main()
