"""Notice requests to providers that do not come through a traced call.

`pytest -p src.models.guard` blocks them in a test run; `python -m src.models.guard SCRIPT` runs a program under it.
"""

from src.models.guard.judging import DirectCallBlocked, exempt, judge
from src.models.guard.switch import install, pytest_configure, uninstall

__all__ = ["DirectCallBlocked", "exempt", "install", "judge", "pytest_configure", "uninstall"]
