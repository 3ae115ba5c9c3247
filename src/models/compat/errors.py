"""Raise the SDK's own exceptions, which are the factory's errors at the same time.

A program that was written for an SDK catches that SDK's exceptions and reads their text and attributes. Code of the
factory handles the classes of `src.models.errors`. An exception of both classes serves both: its text, its class's name
and its attributes are the SDK's, and it also has the attributes of a `ModelError` that the SDK's lacks.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from src.models import errors
from src.models.errors import ModelError

# The SDKs' classes, and the errors of the factory that correspond to each of them only.
_COUNTERPARTS: dict[str, tuple[type[ModelError], ...]] = {
    "AuthenticationError": (errors.AuthenticationFailed,),
    "PermissionDeniedError": (errors.PermissionRefused,),
    "NotFoundError": (errors.ModelNotFound,),
    "BadRequestError": (errors.InvalidRequest, errors.ContentBlocked),
    "UnprocessableEntityError": (errors.InvalidRequest,),
    "RateLimitError": (errors.RateLimited, errors.QuotaExhausted),
    "ConflictError": (errors.Overloaded,),
    "InternalServerError": (errors.ServerFailed, errors.Overloaded),
    "APITimeoutError": (errors.ModelTimeout,),
    "APIConnectionError": (errors.ConnectionFailed,),
}


def as_sdk_raises(error: ModelError, raised: BaseException) -> BaseException:
    """Return what a program sees of a failed call: the SDK's exception, as an error of the factory's too.

    Args:
        error: The failure in the factory's terms.
        raised: What the SDK has raised; an error of the factory's own is returned as it is.
    """
    if isinstance(raised, ModelError) or not isinstance(raised, Exception):
        return error
    theirs: Any = type(raised)
    ours: Any = _counterpart(error, raised)
    try:
        both = _class_of(theirs, ours)
        instance: Any = both.__new__(both, *raised.args)
    except TypeError:  # a class that cannot be derived from, as pydantic's are
        return raised
    instance.__dict__.update({**vars(error), **vars(raised)})
    if not hasattr(raised, "message"):  # programs ask an error whether it has one
        del instance.__dict__["message"]
    instance.args = raised.args
    instance._raised = raised
    return instance  # type: ignore[no-any-return] # both is an exception


def _counterpart(error: ModelError, raised: Exception) -> type[ModelError]:
    """Return the class of an error, or the one that corresponds to the SDK's exception only.

    A handler of the SDK's class that was translated into the factory's then catches what it did before. It never caught
    Python's own TypeError or ValueError, which SDKs raise where a key is missing: those are a ModelError and no more.
    """
    for kind in type(raised).__mro__:
        allowed = _COUNTERPARTS.get(kind.__name__)
        if allowed is not None:
            return type(error) if isinstance(error, allowed) else allowed[0]
    return ModelError if type(raised) in (TypeError, ValueError) else type(error)


@cache
def _class_of(theirs: Any, ours: Any) -> Any:
    """Return a class of both."""
    bases: tuple[type, ...] = (theirs, ours)
    if issubclass(theirs, ours):
        bases = (theirs,)
    elif issubclass(ours, theirs):
        bases = (ours,)
    body = {
        "__module__": theirs.__module__,
        "__qualname__": theirs.__qualname__,
        "__str__": lambda self: str(self._raised),
        "__repr__": lambda self: repr(self._raised),
        "__reduce__": lambda self: (type(self._raised), self._raised.args),
        "status_code": property(lambda self: self._raised.status_code),
    }
    return type(theirs)(theirs.__name__, bases, body)
