"""Decide by a key's name whether its value is secret."""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass

from src.observability.redaction.judging import checks


class Rule(enum.Enum):
    """What a value must look like to be secret under a name."""

    ALWAYS = "whatever its shape"
    TOKEN = "anything but a ticker, a word, a number or a public address"  # noqa: S105 - a rule's text
    RANDOM = "long and random"
    URL = "an address that carries a key"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a name says about its value: the kind of secret, and the shape that makes the value one.

    Attributes:
        kind: The kind of secret.
        rule: What the value must look like.
        may_be_path: Whether a value that reads as a path is secret all the same, as a password may be; the path of a
            key's file is none.
    """

    kind: str
    rule: Rule
    may_be_path: bool = False


# Services whose own name, before `key` or alone, is enough to expect a credential.
_VENDORS_TEXT = (
    "openai anthropic claude deepseek groq gemini google grok xai openrouter mistral cohere together perplexity "
    "replicate huggingface fireworks cerebras nvidia azure aws gcp langfuse langsmith langchain wandb binance "
    "bybit okx kraken kucoin coinbase bitget bitfinex bitmex bitstamp deribit gate gateio mexc huobi htx phemex "
    "hyperliquid dydx bittrex poloniex cryptocom birdeye helius alchemy infura quicknode ankr moralis etherscan "
    "solscan bscscan polygonscan basescan arbiscan covalent dune nansen glassnode coingecko coinmarketcap cmc "
    "cryptocompare coinglass coinapi messari santiment lunarcrush polygon finnhub alphavantage twelvedata tiingo "
    "polygonio alpaca tradier oanda quandl iex marketstack newsapi fred benzinga tradingview discord slack telegram "
    "twitter twilio sendgrid mailgun mailchimp stripe github gitlab bitbucket npm pypi docker heroku netlify vercel "
    "cloudflare digitalocean datadog newrelic sentry pagerduty elevenlabs pinecone weaviate qdrant supabase "
    "firebase mongodb redis algolia mapbox plaid square shopify paypal adyen airtable asana linear notion jira "
    "confluence zendesk hubspot intercom okta auth0 adafruit adobe beamer clojars codecov contentful databricks "
    "droneci dropbox duffel dynatrace etsy facebook fastly finicity flickr flutterwave freshbooks gitter "
    "gocardless grafana harness jfrog launchdarkly linkedin lob mattermost messagebird nytimes prefect pulumi "
    "rapidapi readme rubygems scalingo sendbird sidekiq snyk squarespace sumologic travisci trello twitch "
    "typeform vault yandex moondev jupiter jito shyft bitquery tavily serper serpapi exa brave firecrawl "
    "assemblyai deepgram stability voyage jina scrapingbee sumo railway webex "
)
VENDORS = frozenset(_VENDORS_TEXT.split())

_TICKERS = frozenset({"CVC", "COOKIE"})  # in capitals these are traded tokens
_EXAMINED = 256  # characters of a value
_SHORTEST_TOKEN = 8
_LONG_NUMBER = re.compile(r"\d{15,40}\Z")  # longer than a count or a time in milliseconds
_PLAIN_URL = re.compile(r"https?://[^\s@?=]{4,256}\Z")  # of which the rule for URLs judges the rest
_MAY_BE_PATHS = frozenset({"password", "seed_phrase", "cookie", "authorization"})
_SHELL = frozenset({"pwd", "oldpwd"})  # its folders

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SPLIT = re.compile(r"[^a-z0-9]+")

# What may follow the deciding words without changing their meaning: OPENAI_KEY_2, PASSWORD_PROD.
_SUFFIX = (
    r"(?:_?\d{1,3}|_(?:prod|production|dev|staging|live|main|mainnet|testnet|test|old|new|backup|primary|secondary|"
    r"value|val|b64|base64|hex|raw|string|str|json|pem|plain|base58|bytes|here|now))*"
)

# Names with these endings describe a secret without holding it, or have nothing to do with secrets.
_HARMLESS_TAIL_TEXT = (
    "count counts length len limit limits max min size type types name names address addresses addr symbol "
    "symbols mint mints decimals supply price prices usage used budget policy rotation expiry expires expired at "
    "ttl in created updated enabled disabled required present missing invalid valid version status algorithm alg "
    "algo path paths file files filename dir directory env var variable variables hint label description desc "
    "format index prefix level levels id ids set holders holder balance balances pair pairs metrics market "
    "markets chain program account accounts list usd cost costs score scores error errors exists provider source "
    "field fields details detail info data stats total remaining left window rate per volume liquidity amount "
    "launch url uri host scope scopes insight insights takeaway takeaways point points factor factors driver "
    "drivers findings support resistance metric indicator indicators signal signals reason reasons risk risks "
    "question questions strategy checker check mode only "
)
_HARMLESS_TAIL = frozenset(_HARMLESS_TAIL_TEXT.split())
_HARMLESS = re.compile(
    r"(?:^|_)(?:public_?key|pub_?key|publishable_key|primary_key|foreign_key|sort_key|partition_key|cache_key|"
    r"prompt_cache_key|idempotency_key|dict_key|group_key|row_key|map_key|object_key|hot_?key|token_(?:address|mint)|"
    r"(?:max|min|prompt|completion|input|output|total|cached|reasoning|thinking|stop|eos|bos|pad|new|num|n|top|"
    r"next_page|page|continuation|cursor|next|base|quote|trending|meme|native|governance|erc20|spl|target|best|worst|"
    r"gas|lp|selected|first|last)_tokens?)$"
)

# Deciding words, matched against a canonical name; the first match wins. Our own list.
_ALWAYS: tuple[tuple[str, str], ...] = (
    ("seed_phrase", r"(?:seed|recovery|secret|backup|wallet|mnemonic|secret_recovery)_?(?:phrase|words)|mnemonics?"),
    ("seed_phrase", r"wallet_seed|(?:recovery|backup)_(?:keys?|codes?)|master_seed|hd_seed|seed_hex"),
    (
        "private_key",
        r"priv(?:ate)?_?keys?|(?:signing|signer|wallet|spending|encryption|decryption|ssh|deployer|deploy|owner)_?keys?",
    ),
    (
        "private_key",
        r"wallet_secret|wallet_private|key_?pair|secret_bytes|xprv|wif_?key|private|hmac_key|agent_key|payer_key",
    ),
    (
        "password",
        r"[a-z]{2,12}(?:password|passwd)|[a-z]{2,8}pwd|password|passwords|passwd|pwd|passwort|kennwort|wachtwoord|senha|mot_de_passe|heslo|parola|haslo|contrasenh?a|salasana|lozinka|(?:kata_)?sandi|passphrase|pass_?phrase|passcode|pin_code|cvv|cvc|db_pass|smtp_pass",
    ),
    (
        "token",
        r"(?:auth|access|refresh|id|session|bearer|api|bot|csrf|xsrf|security|secret|oauth|jwt|webhook)_?tokens?",
    ),
    ("token", r"personal_access_token|bearer|jwt|session_key|auth_cookie|service_role_key|sas_token|deploy_token"),
    (
        "secret",
        r"secrets?|secret_?(?:access_?)?keys?|client_?secret|api_?secret|app_?secret|[a-z]{2,12}secret|totp|otp",
    ),
    (
        "api_key",
        r"(?:x_)?api_?keys?|(?:access|account|admin|auth|service|master|server|client|license|subscription)_?keys?",
    ),
    (
        "api_key",
        r"(?:clave|chave|chiave)_(?:de_|da_|di_)?(?:api|privada|privata|secreta|segreta)|[a-z]{1,12}apikeys?|[a-z]{2,24}(?:account|access|storage)keys?|storagekeys?|(?:api|access)_sign|(?:app|application|consumer|integration|ingest|ingestion|write|rest|storage|shared_access|user)_keys?",
    ),
    ("authorization", r"(?:proxy_|x_)?authorization|auth_header|basic_auth|auth_string|http_basic"),
    ("cookie", r"(?:set_)?cookies?|session_cookie"),
    ("credentials", r"credentials?|creds"),
    ("connection_string", r"connection_?string|conn_?str"),
)
_KEY_ID = re.compile(r"(?:^|_)(?:api|access|secret)_?key_?id$")  # Alpaca's and Amazon's half of a pair
_URL = (
    r"rpc|rpc_(?:url|uri|endpoint|node|http|https|ws|wss)s?|"
    r"(?:[a-z]+_)?webhook(?:_(?:url|uri))?|dsn|database_url|db_url|endpoint_url"
)


@functools.cache
def _always_at_the_end() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(rf"(?:^|_)(?:{words}){_SUFFIX}$")) for kind, words in _ALWAYS)


@functools.cache
def _always_anywhere() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(rf"(?:^|_)(?:{words})(?:_|$)")) for kind, words in _ALWAYS)


@functools.cache
def _url() -> re.Pattern[str]:
    return re.compile(rf"(?:^|_)(?:{_URL}){_SUFFIX}$")


@functools.lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """Return a name in lower case with its words joined by underscores: `X-Api-Key` gives x_api_key."""
    return _SPLIT.sub("_", _CAMEL.sub("_", name).lower()).strip("_")


@functools.lru_cache(maxsize=4096)
def judge(name: str) -> Verdict | None:
    """Return the verdict on the value of a key, or None where the name does not suggest a secret."""
    if len(name) > 200 or "[REDACTED:" in name:
        return None
    if name in _TICKERS:
        return Verdict("token", Rule.TOKEN)
    flat = canonical(name)
    if flat == "pw":  # a key in base58 may end with it
        return Verdict("password", Rule.ALWAYS, may_be_path=True)
    if _HARMLESS.search(flat):
        return None
    for kind, at_the_end in _always_at_the_end():
        if at_the_end.search(flat):
            return Verdict(kind, Rule.ALWAYS, may_be_path=kind in _MAY_BE_PATHS and flat not in _SHELL)
    if _url().search(flat):
        return Verdict("rpc_url" if "rpc" in flat else "url", Rule.URL)
    words = flat.split("_")
    if _KEY_ID.search(flat):
        return Verdict("api_key", Rule.TOKEN)
    if words[-1] in _HARMLESS_TAIL:
        return None
    return _weak(words) or _inside(flat)


def _weak(words: list[str]) -> Verdict | None:
    """Return the verdict of a name that only suggests a secret."""
    tail = [stem for word in words if (stem := word.rstrip("0123456789"))][-2:]
    last = tail[-1] if tail else ""
    if last in {"key", "keys"} and _is_vendor(words[:-1]):
        return Verdict("api_key", Rule.ALWAYS)
    if last in {"token", "auth", "pass", "passw"} or last.endswith("token"):
        return Verdict("token" if "token" in last else "password" if "pass" in last else "authorization", Rule.TOKEN)
    if last in {"key", "keys", "apikey", "seed", "wif", "pk", "sk", "phrase", "sid", "session", "sig", "credential"}:
        return Verdict("key", Rule.RANDOM) if last != "sig" else None
    if last in VENDORS and len(words) <= 2:
        return Verdict("api_key", Rule.RANDOM)
    return None


def _is_vendor(words: list[str]) -> bool:
    """Return whether words end with a vendor's name, which may be two words: alpha_vantage, gate_io."""
    return bool(words) and (words[-1] in VENDORS or "".join(words[-2:]) in VENDORS)


def _inside(flat: str) -> Verdict | None:
    """Return the verdict of a name with deciding words before other words, such as PASSWORD_FOR_DB."""
    for kind, anywhere in _always_anywhere():
        if anywhere.search(flat):
            return Verdict(kind, Rule.TOKEN)
    return None


def is_secret(verdict: Verdict, value: str) -> bool:
    """Return whether a text value is secret under a name with this verdict."""
    text = value[:_EXAMINED].strip()
    if not text or (verdict.rule is not Rule.ALWAYS and len(text) < _SHORTEST_TOKEN):
        return False
    if not verdict.may_be_path and checks.is_path(text):
        return False  # where a secret lies is none
    if verdict.rule is Rule.ALWAYS:
        return True
    if verdict.rule is Rule.URL:
        return False  # the rule for URLs inspects the address itself
    if verdict.rule is Rule.TOKEN and _LONG_NUMBER.match(text):
        return verdict.kind in {"token", "api_key"}
    if checks.is_number(text) or checks.is_symbol(text) or checks.is_address(text) or " " in text:
        return False
    if verdict.rule is Rule.RANDOM:
        return checks.looks_random(text, 12) and not checks.is_uuid(text)
    if _PLAIN_URL.match(text):
        return False
    path = text.startswith("/") and "+" not in text and not text.endswith("=")
    return len(text) >= _SHORTEST_TOKEN and (any(char.isdigit() for char in text) or len(text) >= 24) and not path
