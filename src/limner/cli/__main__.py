"""`python -m limner.cli` is `limner`."""

from .main import main

if __name__ == "__main__":
    main()
