"""Reach the workers of a Dask cluster that others run, and see whether they can decide."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from src.judging.backtest.cluster import work
from src.judging.backtest.cluster.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distributed import Client

_CONNECT_S: Final = 10
_FIRST_WORKER_S: Final = 30


@contextmanager
def fleet_client(address: str, models: Sequence[str]) -> Iterator[Client]:
    """Connect to a scheduler for the block.

    Args:
        address: The scheduler's, such as tcp://10.0.0.5:8786.
        models: The models that its workers will ask.

    Raises:
        ValueError: no scheduler answers, it has no worker, or a worker cannot ask a model.
    """
    from distributed import Client

    with quiet():
        try:
            client = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TypeError, ImportError) as error:
            raise ValueError(
                f"No Dask scheduler answers at {address!r:.80} ({type(error).__name__}): start one with "
                "`dask scheduler`, and give its address, such as tcp://10.0.0.5:8786."
            ) from error
        with client:
            _require_able_workers(client, address, tuple(dict.fromkeys(models)))
            yield client


def _require_able_workers(client: Client, address: str, models: tuple[str, ...]) -> None:
    try:
        client.wait_for_workers(1, timeout=_FIRST_WORKER_S)
    except TimeoutError as error:
        raise ValueError(
            f"The scheduler at {address!r:.80} has no worker: start some with `dask worker {address}`, in an "
            "environment that has this package."
        ) from error
    answers = client.run(work.unavailable, models, on_error="return")
    for worker, reasons in answers.items():
        if isinstance(reasons, BaseException):
            raise ValueError(  # noqa: TRY004 - of the worker that was named, not of a type
                f"The worker {worker} cannot run this package ({type(reasons).__name__}: {reasons}): install it there "
                "in the same version."
            )
        for model, reason in reasons.items():
            raise ValueError(f"The worker {worker} cannot ask {model}: {reason} Workers use keys of their own.")
