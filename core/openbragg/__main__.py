"""``python -m openbragg``: the command line, by whichever Python has the package."""

from openbragg.cli.main import main

if __name__ == "__main__":
    main()
