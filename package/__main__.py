"""Lets `python -m mle_uvad` stand for `mle-uvad`, where the environment's programs are not on the path."""

from .cli.main import main

if __name__ == "__main__":
    main()
