"""`python -m coursekeep_daemon` is `coursekeep`."""

from coursekeep_daemon.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
