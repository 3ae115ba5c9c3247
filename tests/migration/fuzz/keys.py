"""How a client is given its key, address and options, and what the environment has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.migration.fuzz.sdks import Construction, Sdk, draw_import

if TYPE_CHECKING:
    from tests.migration.fuzz.draft import Draft

# Each variable has a key of its own, so that a request shows which one was read.
VARIABLES = (
    "OPENAI_KEY", "OPENAI_API_KEY", "ANTHROPIC_KEY", "ANTHROPIC_API_KEY", "DEEPSEEK_KEY", "DEEPSEEK_API_KEY",
    "GROK_API_KEY", "XAI_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "GEMINI_KEY", "GEMINI_API_KEY",
    "GOOGLE_API_KEY", "LOCAL_KEY", "MY_TRADING_KEY",
)  # fmt: skip
# The variable that an SDK reads where it is given no key.
OWN_VARIABLES = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "groq": "GROQ_API_KEY",
                 "google.genai": "GEMINI_API_KEY", "google.generativeai": "GOOGLE_API_KEY"}  # fmt: skip


def key_in(variable: str) -> str:
    """Return the key that a variable holds."""
    return f"key-{variable.lower().replace('_', '-')}"


def draw_environment(draft: Draft) -> None:
    """Set the usual variables, mostly all of them, and seldom one that redirects an SDK."""
    draft.environment |= {name: key_in(name) for name in VARIABLES if draft.chance(0.9)}
    if draft.chance(0.03):
        name = draft.choose(
            "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "GOOGLE_GEMINI_BASE_URL", "OLLAMA_HOST"
        )
        path = "" if name in ("ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "OLLAMA_HOST") else "/v1"
        draft.environment[name] = "token-x" if "TOKEN" in name else f"https://llm.corp.example{path}"
        draft.tag("variable", name)


def draw_key(draft: Draft, sdk: Sdk) -> tuple[str, list[str], list[str]]:
    """Draw the expression of a key; return it with the imports and constants that it needs. Empty means none."""
    variable = draft.choose(*(sdk.variables or ("LOCAL_KEY",)))
    if draft.chance(0.06):
        variable = "MY_TRADING_KEY"
    form = draft.pick(
        getenv=34, environ=9, environ_get=9, default=5, constant=14, config=5, literal=8, none=6, empty=2, unset=2,
        guarded=3, chain=3,
    )  # fmt: skip
    if not sdk.variables and sdk.wire != "ollama":
        form = draft.pick(literal=3, placeholder=5, getenv=1)
    if sdk.base_urls:  # to another provider the factory sends no key that the program does not name: docs/migration.md
        form = {"none": "getenv", "unset": "getenv"}.get(form, form)
        draft.environment |= {name: key_in(name) for name in (variable, "MY_TRADING_KEY")}
    draft.tag("key", form)
    if variable not in draft.environment and form in ("environ", "guarded"):
        draft.environment[variable] = key_in(variable)
    other = draft.choose(*(sdk.variables or ("LOCAL_KEY",)))
    default, placeholder = draft.choose("", "no-key", "sk-default"), draft.choose("not-needed", "ollama", "EMPTY", "x")
    expression, constant = {
        "getenv": (f'os.getenv("{variable}")', ""),
        "environ": (f'os.environ["{variable}"]', ""),
        "environ_get": (f'os.environ.get("{variable}")', ""),
        "default": (f'os.getenv("{variable}", "{default}")', ""),
        "constant": ("API_KEY", f'API_KEY = os.getenv("{variable}")'),
        "config": ('CONFIG["api_key"]', f'CONFIG = {{"api_key": os.getenv("{variable}"), "retries": 2}}'),
        "literal": ('"key-literal"', ""),
        "placeholder": (f'"{placeholder}"', ""),
        "none": ("", ""),
        "empty": ('""', ""),
        "unset": ('os.getenv("NO_SUCH_KEY")', ""),
        "guarded": ("API_KEY", f'API_KEY = os.getenv("{variable}")\nif not API_KEY:\n    raise SystemExit("no key")'),
        "chain": (f'os.getenv("{other}") or os.getenv("MY_TRADING_KEY")', ""),
    }[form]
    imports = ["import os"] if "os." in expression + constant else []
    return expression, imports, [constant] if constant else []


def draw_address(draft: Draft, sdk: Sdk) -> tuple[str, list[str], list[str]]:
    """Draw the expression of an address; empty where the client keeps the SDK's own."""
    if not sdk.base_urls:
        return "", [], []
    url = draft.choose(*sdk.base_urls)
    form = draft.pick(literal=60, constant=15, config=5, getenv=8, fstring=4)
    draft.tag("address", form)
    match form:
        case "constant":
            return "BASE_URL", [], [f'BASE_URL = "{url}"']
        case "config":
            return 'SETTINGS["base_url"]', [], [f'SETTINGS = {{"base_url": "{url}", "model": "{sdk.models[0]}"}}']
        case "getenv":
            return f'os.getenv("LLM_BASE_URL", "{url}")', ["import os"], []
        case "fstring":
            scheme, _, rest = url.partition("://")
            host, _, path = rest.partition("/")
            return f'f"{scheme}://{{HOST}}/{path}"', [], [f'HOST = "{host}"']
    return f'"{url}"', [], []


def draw_options(draft: Draft, sdk: Sdk) -> list[str]:
    """Draw options of the client's construction."""
    options = []
    if sdk.wire in ("chat", "messages"):
        if draft.chance(0.12):
            options.append(f"max_retries={draft.choose(0, 1, 4)}")
        if draft.chance(0.12):
            options.append(f"timeout={draft.choose('30', '20.0', '60')}")
        if sdk.provider == "openrouter" and draft.chance(0.4):
            options.append('default_headers={"X-Title": "desk"}')
        if draft.chance(0.01):
            options.append('organization="org-1"' if sdk.name == "openai" else 'default_headers={"X-A": "b"}')
    for option in options:
        draft.tag("option", option.partition("=")[0])
    return options


def draw_construction(draft: Draft, sdk: Sdk) -> Construction:
    """Draw how a client is made."""
    imports, cls, module = draw_import(draft, sdk)
    key, key_imports, key_constants = draw_key(draft, sdk)
    if sdk.wire == "generativeai":
        name = draft.choose('"gemini-2.5-flash"', '"gemini-2.5-flash"', 'model_name="gemini-2.5-flash"')
        configure = [f"genai.configure(api_key={key})"] if key else []
        return Construction(sdk, (*imports, *key_imports), (*key_constants, *configure), f"{cls}({name})", module)
    address, address_imports, address_constants = draw_address(draft, sdk)
    arguments = []
    if sdk.wire == "ollama":
        if draft.chance(0.5):
            arguments.append('host="http://localhost:11434"')
    else:
        arguments += [f"api_key={key}"] if key else []
        arguments += [f"base_url={address}"] if address else []
        if draft.chance(0.3):
            arguments.reverse()
        arguments += draw_options(draft, sdk)
    expression = f"{cls}({', '.join(arguments)})"
    if draft.chance(0.03) and arguments and all("=" in argument for argument in arguments) and sdk.wire == "chat":
        draft.tag("construction", "unpacked")
        return Construction(
            sdk,
            (*imports, *key_imports, *address_imports),
            (*key_constants, *address_constants, f"OPTIONS = dict({', '.join(arguments)})"),
            f"{cls}(**OPTIONS)",
            module,
        )
    return Construction(
        sdk, (*imports, *key_imports, *address_imports), (*key_constants, *address_constants), expression, module
    )


def draw_module_use(draft: Draft, sdk: Sdk) -> Construction:
    """Draw the use of the SDK's module itself, which is set up by assignments."""
    draft.tag("place", "module itself")
    if sdk.wire == "ollama":
        return Construction(sdk, ("import ollama",), (), "ollama", "ollama")
    key, imports, constants = draw_key(draft, sdk)
    setup = [f"openai.api_key = {key}"] if key not in ("", '""') and sdk.name == "openai" else []
    return Construction(sdk, (f"import {sdk.name}", *imports), (*constants, *setup), sdk.name, sdk.name)
