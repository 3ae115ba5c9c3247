"""The closed list of uses that the judge understands."""

from __future__ import annotations

from src.migration.rewrite import sdk_vocabulary as sdk

# Methods of a factory's model that a migration writes; those that return a stream.
_PLAIN_METHODS = ("generate_response", "chat", "stream_response", "stream_chat")
MODEL_METHODS = frozenset(f"{prefix}{name}" for prefix in ("", "a") for name in _PLAIN_METHODS)
NARROWING = "as_provider"  # returns the model where it is a named provider's, and raises elsewhere
AS_SDK = "as_sdk"  # returns a model of the factory that behaves as an SDK
STREAM_METHODS = frozenset(name for name in MODEL_METHODS if "stream" in name)
# What is read from a reply and from a chunk, after which nothing of the reply's type is left.
REPLY_READS = frozenset({
    ("content",), ("finish_reason",), ("model_name",), ("raw_response",), ("usage", "total_tokens"),
    ("usage", "input_tokens"), ("usage", "output_tokens"),
})  # fmt: skip
RAW = "raw_response"  # the reply in its SDK's own form
CHUNK_READS = REPLY_READS - {(RAW,)}

# Decorators that leave a function's parameters and results as they are.
PLAIN_DECORATORS = frozenset({
    "property", "cached_property", "staticmethod", "classmethod", "lru_cache", "cache", "abstractmethod", "wraps",
    "override", "final", "retry", "on_exception", "on_predicate",
})  # fmt: skip
PROPERTIES = frozenset({"property", "cached_property"})
# Functions that hand on what they are called with.
IDENTITIES = frozenset({
    "contextlib.nullcontext", "contextlib.closing", "contextlib.aclosing", "asyncio.wait_for", "asyncio.shield",
    "asyncio.create_task", "asyncio.ensure_future",
})  # fmt: skip
# Functions that read or change names and attributes without naming them.
ALL_ATTRIBUTES = frozenset({"vars", "asdict", "astuple", "deepcopy", "copy", "dumps", "dump", "replace", "getmembers"})
BY_NAME = frozenset({"attrgetter", "methodcaller"})
HOOKS = frozenset({"__setattr__", "__delattr__", "__getattribute__"})
ALL_NAMES = frozenset({"globals", "locals", "vars", "exec", "eval"})
# Special methods that only their own names call.
CONSTRUCTING = frozenset({"__init__", "__post_init__"})
# Methods of dictionaries and lists -> whether they put their arguments in, and what they return.
CONTAINER_METHODS = {
    "get": "item", "pop": "item", "setdefault": "item", "values": "all", "items": "pairs", "copy": "all",
    "keys": "other", "append": "none", "add": "none", "insert": "none", "clear": "none", "index": "other",
}  # fmt: skip
ADDING_METHODS = frozenset({"setdefault", "append", "add", "insert"})
# What programs set on an SDK's module to set it up.
SETTINGS = frozenset({"api_key", "api_base", "base_url", "api_type", "api_version", "organization", "proxy", "timeout",
                      "max_retries", "default_headers", "http_client", "project"})  # fmt: skip
# The last names of functions that put something in an attribute's place: of Python's mock, of pytest, and the builtin.
REPLACING = frozenset({"setattr", "delattr", "patch", "object", "multiple"})
# Classes that a subclass of can be made with no more than its own constructor.
KNOWN_BASES = frozenset({"object", "ABC", "abc.ABC", "Protocol", "Generic", "Exception"})


def client_of(name: str) -> str | None:
    """Return the SDK whose client a constructor makes, by its dotted name; None for anything else."""
    known = sdk.CONSTRUCTORS.get(name)
    return known[0] if known is not None else None


def has_method(sdk_name: str, path: tuple[str, ...]) -> bool:
    """Tell whether the clients of an SDK have a method by which text is asked for."""
    return (sdk_name, path) in sdk.CALLS or (sdk_name, path) in sdk.LEFT


def is_module_call(name: str) -> bool:
    """Tell whether a dotted name is a function of an SDK's module that asks for text."""
    return any(
        name.startswith(f"{module}.") and (sdk_name, tuple(name[len(module) + 1 :].split("."))) in sdk.CALLS
        for module, sdk_name in sdk.MODULES.items()
    )


def is_sdk(name: str) -> bool:
    """Tell whether a dotted name is an SDK's module or something in it."""
    return any(name == module or name.startswith(f"{module}.") for module in sdk.MODULES)


def is_factory_call(name: str) -> bool:
    """Tell whether a dotted name is the factory's `get_model`."""
    return name.endswith(".get_model") and ("models" in name.split(".") or "model_factory" in name.lower())
