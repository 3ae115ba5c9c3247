"""How a program handles the errors of a call, and how it tries again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.migration.fuzz.draft import code

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft
    from tests.migration.fuzz.sdks import Construction

# What a line of output begins with where an error's words follow, which are the SDK's own: only the mark is compared.
WORDS = "~"
_OF_CLASSES = frozenset(
    {"classes", "status", "base", "response", "own", "http", "several", "constant", "asked", "read", "reraised"}
)
_TRIED = """
    try:
        <body>
    <handlers>
    """


def draw_handlers(draft: Draft, made: Construction, body: str) -> str:
    """Wrap the body of `ask` in handlers of errors."""
    has_classes = made.sdk.wire in ("chat", "messages", "responses")
    form = draft.pick(
        **{"attribute": 1.5, "status asked": 1.5, "traced": 1, "base exception": 1, "arguments": 0.3},
        none=30, broad=26, shown=6, bare=2, returned_none=5, text=4, chained=2, reading=3, kind=1.5, printed_kind=1.5,
        suppressed=1, last=2, retried=8, tenacity=2 if not draft.asynchronous else 0,
        classes=9 if has_classes else 0, status=4 if has_classes else 0, base=4 if has_classes else 0,
        several=2 if has_classes else 0, constant=1.5 if has_classes else 0, asked=1.5 if has_classes else 0,
        read=1.5 if has_classes else 0, reraised=1 if has_classes else 0,
        response=1 if has_classes else 0, http=4 if made.sdk.wire == "requests" else 0,
        own=4 if made.sdk.wire in ("ollama", "genai") else 0,
    )  # fmt: skip
    draft.tag("handler", form)
    if form == "none":
        return body
    if form == "retried":
        return _retried(draft, body)
    if form == "tenacity":
        draft.add_import("import tenacity")
        return code(
            """
            @tenacity.retry(stop=tenacity.stop_after_attempt(2), wait=tenacity.wait_fixed(0), reraise=True)
            def attempt():
                <body>

            return attempt()
            """,
            body=body,
        )
    if form == "suppressed":
        draft.add_import("import contextlib")
        return code("with contextlib.suppress(Exception):\n    <body>\nreturn 'suppressed'", body=body)
    if form == "last":
        return code("try:\n    <body>\nfinally:\n    print('asked')", body=body)
    if form in (
        "classes",
        "status",
        "base",
        "response",
        "own",
        "http",
        "several",
        "constant",
        "asked",
        "read",
        "reraised",
    ):
        handlers = _handlers_of_classes(draft, made, form)
    else:
        handlers = code(_BROAD[form])
    return code(_TRIED, body=body, handlers=handlers)


_BROAD = {
    "broad": 'except Exception:\n    return "failed"',
    "shown": f'except Exception as error:\n    print(f"{WORDS} {{error}}")\n    return "failed"',
    "bare": 'except:\n    return "failed"',
    "returned_none": f'except Exception as e:\n    print("{WORDS} error: " + str(e))\n    return None',
    "text": """
        except Exception as error:
            if "429" in str(error):
                return "slow down"
            if "rate limit" in str(error).lower():
                return "slower"
            return "failed"
        """,
    "chained": 'except Exception as error:\n    raise RuntimeError("no answer") from error',
    "reading": 'except (AttributeError, IndexError, KeyError, TypeError):\n    return "unreadable"',
    "attribute": """
        except Exception as error:
            return f"status {getattr(error, 'status_code', None)}"
        """,
    "status asked": """
        except Exception as error:
            if hasattr(error, "status_code") and error.status_code == 429:
                return "slow down"
            return "failed"
        """,
    "traced": """
        except Exception:
            import traceback

            print(bool(traceback.format_exc()))
            return "failed"
        """,
    "base exception": """
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            return "failed"
        """,
    "arguments": 'except Exception as error:\n    return "failed with", len(error.args)',
    "kind": 'except Exception as error:\n    return "limited" if "RateLimit" in type(error).__name__ else "failed"',
    "printed_kind": 'except Exception as error:\n    print(type(error).__name__)\n    return "failed"',
}


def _retried(draft: Draft, body: str) -> str:
    """Try again in a loop of the program's own."""
    draft.add_import("import time")
    form = draft.pick(loop=5, recursive=0, last_raised=2)
    text = """
        for attempt in range(3):
            try:
                <body>
            except Exception as error:
                <last>
                time.sleep(1)
        return "gave up"
        """
    last = "if attempt == 2:\n    raise" if form == "last_raised" else f'print("{WORDS}", error)'
    return code(text, body=body, last=last)


def _handlers_of_classes(draft: Draft, made: Construction, form: str) -> str:
    """Handle the SDK's own errors."""
    if form == "http":
        draft.add_import("import requests")
        name = draft.choose("RequestException", "HTTPError", "Timeout")
        return f'except requests.exceptions.{name}:\n    return "failed over http"'
    if form == "own":
        if made.sdk.wire == "ollama":
            draft.add_import("import ollama")
            return 'except ollama.ResponseError as error:\n    return f"status {error.status_code}"'
        draft.add_import("from google.genai import errors")
        return 'except errors.APIError as error:\n    return "api failed"'
    module = made.module
    if not any(re.search(rf"^(?:import .*\b{module}|{module} =)", line) for line in made.imports):
        draft.add_import(f"import {module}")
    if draft.chance(0.4) and form != "response":
        names = "APIConnectionError, APIError, APIStatusError, AuthenticationError, RateLimitError"
        draft.add_import(f"from {made.sdk.name} import {names}")
        module = ""
    prefix = f"{module}." if module else ""
    if form == "constant":
        draft.constants.append(f"RETRYABLE = ({prefix}RateLimitError, {prefix}APIConnectionError)")
    texts = {
        "classes": """
            except <p>RateLimitError:
                return "limited"
            except <p>AuthenticationError:
                return "refused"
            <rest>
            """,
        "status": 'except <p>APIStatusError as error:\n    return f"status {error.status_code}"\n<rest>',
        "base": 'except <p>APIError:\n    return "api failed"\n<rest>',
        "several": """
            except (<p>RateLimitError, <p>APIConnectionError, ValueError) as error:
                return "again"
            <rest>
            """,
        "constant": 'except RETRYABLE:\n    return "again"\n<rest>',
        "asked": """
            except Exception as error:
                if isinstance(error, <p>RateLimitError):
                    return "limited"
                if isinstance(error, (<p>AuthenticationError, <p>APIConnectionError)):
                    return "refused"
                return "failed"
            """,
        "read": """
            except <p>APIStatusError as error:
                return f"{error.status_code} {type(error.body).__name__} {error.response.status_code}"
            <rest>
            """,
        "reraised": 'except <p>RateLimitError:\n    print("limited")\n    raise\n<rest>',
        "response": 'except <p>APIStatusError as error:\n    return f"status {error.response.status_code}"',
    }
    rest = draft.choose(
        "", 'except Exception:\n    return "failed"', 'except <p>APIConnectionError:\n    return "offline"'
    )
    return code(texts[form], rest=rest or "# The rest is not handled.").replace("<p>", prefix)
