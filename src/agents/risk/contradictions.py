"""Tell whether a comment argues against the override that its reply asks for."""

from __future__ import annotations

import re
from typing import Final

_NO: Final = (
    r"(?:not|no|never|nor|without|against|cannot|reject(?:ing|ed)?|refus(?:e|ed|ing)|declin(?:e|ed|ing)|den(?:y|ied)|"
    r"oppose|false|unwise|wrong|unwarranted|unjustified|inappropriate|dangerous|reckless|\w+n['\u2019]t)"
)
_IN_SENTENCE: Final = r"(?:[^.;!?]|\.\d)*"
_OVERRIDE: Final = r"(?:overrid|overrul)\w*"
_RULES: Final = r"(?:(?:the|its|these|this|all)\s+)?(?:rules?|limits?|verdict|demands?)"
_HOLD: Final = r"(?:follow|obey|uphold|keep|respect|enforce|apply|accept|comply with)"
_HELD: Final = r"(?:stand|hold|be (?:followed|upheld|obeyed|respected|enforced|applied|kept|accepted))"
_CLOSE: Final = r"(?:clos|liquidat|exit|flatten|reduc)\w*"
_AGAINST: Final = re.compile(
    "|".join(
        (
            rf"\b{_NO}\b{_IN_SENTENCE}\b{_OVERRIDE}",
            rf"\b{_OVERRIDE}\b{_IN_SENTENCE}\b{_NO}\b",
            rf"\boverride\s*[:=]\s*{_NO}\b",
            rf"(?:^|[.;:!?,]|\b(?:should|must|let|we|i|please|to|would|and|so|then))\s*(?:\w+\s+)?{_HOLD}\s+{_RULES}\b",
            rf"\b{_RULES}\s+(?:should|must|has to|have to|ought to|needs? to)\s+{_HELD}\b",
            rf"\b{_RULES}\s+(?:is|are)\s+(?:\w+ )?(?:right|correct|justified|appropriate|sound|warranted)\b",
            rf"\bagree with {_RULES}\b",
            rf"\b(?:should|must|recommend(?:ing)?|needs? to)\s+(?:\w+\s+)?{_CLOSE}\b",
            r"\bclose[ _](?:all|everything)\b",
        )
    ),
    re.IGNORECASE,
)
# What following the rules would cost: such a clause argues for an override, whatever words of the above are in it.
_COST: Final = r"(?:cost|los|lock|realis|realiz|miss|forfeit|worse|harm|hurt)\w*"
_IN_FAVOUR: Final = re.compile(
    rf"\b(?:follow|obey|sell|{_CLOSE})\w*\b(?:[^.,;:!?]|[.,]\d)*\b(?:(?:would|will|could)\b(?:[^.,;:!?]|[.,]\d)*\b)?"
    rf"{_COST}(?:[^.,;:!?]|[.,]\d)*",
    re.IGNORECASE,
)


def contradicts_override(comment: str) -> bool:
    """Tell whether a comment speaks against an override, as in "The limits should stand; do not override them.".

    In doubt it does: an override cancels a limit, and without one the rules stand.
    """
    return _AGAINST.search(_IN_FAVOUR.sub(" ", comment)) is not None
