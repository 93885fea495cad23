"""`python -m kick.cli`: the `kick` command, where no script is installed."""

from kick.cli.program import main

if __name__ == "__main__":
    main()
