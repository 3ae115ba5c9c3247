"""List usages as the providers report them, and what each costs, computed by hand from published prices.

A price stands beside its count, in dollars per million (per thousand for searches), with the page that it is from. The
pages were read in stored copies on 2026-11-30. Where a page could not be read, the price is the catalogue's own figure
(genai-prices 0.2.3), and the row says so: such a row checks the arithmetic and the units, not the price.
"""

from __future__ import annotations

from tests.unit.models.priced.claude import CLAUDE
from tests.unit.models.priced.gemini import GEMINI
from tests.unit.models.priced.openai import OPENAI, RESPONSES
from tests.unit.models.priced.others import OTHERS

ROWS = [*OPENAI, *RESPONSES, *CLAUDE, *GEMINI, *OTHERS]
