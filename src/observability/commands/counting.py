"""Say how many there are of something, in the singular where there is one."""

from __future__ import annotations


def counted(n: int, things: str, singular: str | None = None) -> str:
    """Return a number with what is counted: "1 call", "2,000 calls".

    Args:
        n: How many.
        things: What they are, in the plural; more may follow ("calls that told").
        singular: The same for one alone, where leaving the "s" of the first word that has one is not enough.
    """
    return f"{n:,} {things if n != 1 else singular or _singular(things)}"


def _singular(things: str) -> str:
    words = things.split(" ")
    for place, word in enumerate(words):
        if word.endswith("ies"):
            words[place] = f"{word[:-3]}y"
            break
        if word.endswith("s"):
            words[place] = word[:-1]
            break
    return " ".join(words)
