"""`python -m moesaic` is the `moesaic` command; nothing else is here."""

from moesaic.cli import main

if __name__ == "__main__":
    main()
