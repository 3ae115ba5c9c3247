"""Detect requests to providers that bypass the traced calls: MOONDEV_GUARD=warn or block.

The guard works while the program runs, whatever route a request takes: an HTTP library, a raw socket, a command line.
`warn` logs each place in the code once; `block` raises before anything is sent. Unless it is switched on, nothing is
installed and nothing is inspected. `pytest -p src.models.guard` blocks direct calls in a test run;
`python -m src.models.guard SCRIPT [ARGUMENT ...]` runs any program under the guard.
"""

from src.models.guard.judging import DirectCallBlocked, exempt, judge
from src.models.guard.switch import install, pytest_configure, uninstall

__all__ = ["DirectCallBlocked", "exempt", "install", "judge", "pytest_configure", "uninstall"]
