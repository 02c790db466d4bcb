"""`python -m loader` is the command `association-loader`."""

from loader.cli import main

if __name__ == "__main__":
    main()
