"""Run the `moondev` command."""


def main() -> None:
    """Run the command line."""
