"""Small files as platforms write them, each made up, with the right reading of their first and last bar."""

from __future__ import annotations

from tests.unit.agents.market.exchange_files import EXCHANGE_FILES
from tests.unit.agents.market.platform_files import PLATFORM_FILES

FILES = (*EXCHANGE_FILES, *PLATFORM_FILES)
