"""Made-up secrets of every family, and the places in which secrets stand; no key in this file is real or whole."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import urllib.parse
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from src.observability.redaction.engine.engines import fast_engine

if TYPE_CHECKING:
    from mnemonic import Mnemonic

    from src.observability.redaction.texts import EngineName

ENGINES: list[EngineName] = ["plain"] if fast_engine() is None else ["fast", "plain"]

Maker = Callable[[random.Random], str]

ALNUM = string.ascii_letters + string.digits
WORD = ALNUM + "-_"
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
LOWER = string.ascii_lowercase + string.digits
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def chars(rng: random.Random, alphabet: str, length: int) -> str:
    """Return random characters that begin and end with a letter or a digit, as most issued keys do."""
    ends = [char for char in alphabet if char.isalnum()]
    return rng.choice(ends) + "".join(rng.choices(alphabet, k=length - 2)) + rng.choice(ends)


def prefixed(prefix: str, alphabet: str, length: int) -> Maker:
    return lambda rng: prefix + chars(rng, alphabet, length)


def uuid(rng: random.Random) -> str:
    digits = chars(rng, HEX, 32)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def base58check(data: bytes) -> str:
    return base58(data + hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4])


def ed25519_pair(rng: random.Random) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = rng.randbytes(32)
    return seed + Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


@cache
def mnemonic(language: str) -> Mnemonic:
    """Return a language's words; reading them takes longer than to make a phrase of them."""
    from mnemonic import Mnemonic

    return Mnemonic(language)


def phrase(words: int) -> Maker:
    def make(rng: random.Random) -> str:
        return mnemonic("english").to_mnemonic(rng.randbytes(words * 4 // 3))

    return make


def jwt(rng: random.Random) -> str:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return (
        f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': chars(rng, HEX, 12), 'iat': 1})}.{chars(rng, WORD, 43)}"
    )


def pem(kind: str, lines: int = 4, separator: str = "\n", *, whole: bool = True) -> Maker:
    def make(rng: random.Random) -> str:
        body = [chars(rng, ALNUM + "+/", 64) for _ in range(lines)]
        head, tail = f"-----BEGIN {kind}-----", [f"-----END {kind}-----"] if whole else []
        return separator.join([head, *body, chars(rng, ALNUM, 30) + "==", *tail])

    return make


def discord(rng: random.Random) -> str:
    user = base64.b64encode(str(rng.randrange(10**17, 9 * 10**17)).encode()).decode().rstrip("=")
    return f"{user}.{chars(rng, WORD, 6)}.{chars(rng, WORD, 38)}"


def amount(rng: random.Random, digits: int) -> str:
    return str(rng.randrange(10 ** (digits - 1), 10**digits))


# Families with a shape of their own: found in any place, under any key.
SHAPED_SECRETS: dict[str, Maker] = {
    "anthropic": prefixed("sk-" + "ant-api03-", WORD, 95),
    "anthropic_admin": prefixed("sk-" + "ant-admin01-", WORD, 95),
    "openai_user": lambda rng: f"sk-{chars(rng, ALNUM, 20)}T3BlbkFJ{chars(rng, ALNUM, 20)}",
    "openai_project": prefixed("sk-" + "proj-", WORD, 120),
    "openai_service": prefixed("sk-" + "svcacct-", WORD, 120),
    "deepseek": prefixed("sk-", HEX, 32),
    "groq": prefixed("gsk" + "_", ALNUM, 52),
    "gemini": prefixed("AI" + "zaSy", WORD, 33),
    "xai": prefixed("xai" + "-", ALNUM, 80),
    "openrouter": prefixed("sk-" + "or-v1-", HEX, 64),
    "huggingface": prefixed("hf" + "_", ALNUM, 34),
    "replicate": prefixed("r8" + "_", ALNUM, 37),
    "perplexity": prefixed("pplx" + "-", ALNUM, 48),
    "cerebras": prefixed("csk" + "-", LOWER, 48),
    "nvidia": prefixed("nvapi" + "-", WORD, 64),
    "langsmith": lambda rng: f"lsv2_pt_{chars(rng, HEX, 32)}_{chars(rng, HEX, 10)}",
    "tavily": prefixed("tvly" + "-", ALNUM, 32),
    "elevenlabs": prefixed("sk" + "_", HEX, 48),
    "pinecone": lambda rng: f"pcsk_{chars(rng, ALNUM, 6)}_{chars(rng, ALNUM, 63)}",
    "langfuse_secret": lambda rng: "sk-" + "lf-" + uuid(rng),
    "langfuse_public": lambda rng: "pk-" + "lf-" + uuid(rng),
    "aws_access_key": prefixed("AK" + "IA", string.ascii_uppercase + "234567", 16),
    "aws_session_key": prefixed("AS" + "IA", string.ascii_uppercase + "234567", 16),
    "google_oauth": prefixed("GOCSPX" + "-", WORD, 28),
    "google_access": prefixed("ya29" + ".", WORD, 100),
    "digitalocean": prefixed("dop_v1" + "_", HEX, 64),
    "heroku": prefixed("HRKU" + "-", WORD, 58),
    "databricks": prefixed("dapi", HEX, 32),
    "doppler": prefixed("dp.pt" + ".", ALNUM, 43),
    "vault": prefixed("hvs" + ".", WORD, 90),
    "terraform": lambda rng: f"{chars(rng, ALNUM, 14)}.atlasv1.{chars(rng, WORD, 64)}",
    "pulumi": prefixed("pul" + "-", HEX, 40),
    "planetscale": prefixed("pscale_tkn" + "_", WORD, 40),
    "supabase": prefixed("sbp" + "_", HEX, 40),
    "openshift": prefixed("sha256" + "~", WORD, 43),
    "prefect": prefixed("pnu" + "_", LOWER, 36),
    "age": prefixed("AGE-SECRET-KEY" + "-1", UPPER, 58),
    "alibaba": prefixed("LTAI", ALNUM, 20),
    "flyio": prefixed("fm2" + "_", ALNUM, 100),
    "tailscale": prefixed("tskey-auth" + "-", ALNUM, 30),
    "grafana_cloud": prefixed("glc" + "_", ALNUM, 60),
    "grafana_service": lambda rng: f"glsa_{chars(rng, ALNUM, 32)}_{chars(rng, HEX, 8)}",
    "newrelic": prefixed("NRAK" + "-", UPPER, 27),
    "sentry": prefixed("sntryu" + "_", HEX, 64),
    "dynatrace": lambda rng: f"dt0c01.{chars(rng, UPPER, 24)}.{chars(rng, UPPER, 64)}",
    "azure_client_secret": lambda rng: f"{chars(rng, ALNUM, 3)}8Q~{chars(rng, WORD, 34)}",
    "github": prefixed("gh" + "p_", ALNUM, 36),
    "github_app": prefixed("gh" + "s_", ALNUM, 36),
    "github_fine": lambda rng: f"github_pat_{chars(rng, ALNUM, 22)}_{chars(rng, ALNUM, 59)}",
    "gitlab": prefixed("glpat" + "-", WORD, 20),
    "gitlab_runner": prefixed("glrt" + "-", WORD, 20),
    "bitbucket": prefixed("ATBB", ALNUM, 32),
    "atlassian": prefixed("ATATT3" + "xFfGF0", WORD, 180),
    "npm": prefixed("npm" + "_", ALNUM, 36),
    "pypi": prefixed("pypi-" + "AgEIcHlwaS5vcmc", WORD, 80),
    "rubygems": prefixed("rubygems" + "_", HEX, 48),
    "clojars": prefixed("CLOJARS" + "_", LOWER, 60),
    "docker": prefixed("dckr_pat" + "_", WORD, 27),
    "sourcegraph": prefixed("sgp" + "_", HEX, 40),
    "slack_bot": lambda rng: "xoxb-" + f"{amount(rng, 12)}-{amount(rng, 12)}-{chars(rng, ALNUM, 24)}",
    "slack_user": lambda rng: "xoxp-" + f"{amount(rng, 12)}-{amount(rng, 12)}-{amount(rng, 12)}-{chars(rng, HEX, 32)}",
    "slack_app": lambda rng: "xapp-" + f"1-A{chars(rng, UPPER, 10)}-{amount(rng, 13)}-{chars(rng, HEX, 64)}",
    "sendgrid": lambda rng: f"SG.{chars(rng, WORD, 22)}.{chars(rng, WORD, 43)}",
    "brevo": lambda rng: f"xkeysib-{chars(rng, HEX, 64)}-{chars(rng, ALNUM, 16)}",
    "mailgun": prefixed("key" + "-", HEX, 32),
    "mailchimp": lambda rng: f"{chars(rng, HEX, 32)}-us{rng.randrange(1, 21)}",
    "twilio": prefixed("SK", HEX, 32),
    "typeform": prefixed("tfp" + "_", WORD, 59),
    "telegram": lambda rng: f"{amount(rng, 10)}:AA{chars(rng, WORD, 33)}",
    "discord": discord,
    "stripe_live": prefixed("sk_" + "live_", ALNUM, 24),
    "stripe_restricted": prefixed("rk_" + "live_", ALNUM, 99),
    "stripe_webhook": prefixed("whsec" + "_", ALNUM, 32),
    "square": prefixed("sq0atp" + "-", WORD, 22),
    "shopify": prefixed("shpat" + "_", HEX, 32),
    "plaid": lambda rng: "access-" + f"production-{uuid(rng)}",
    "flutterwave": lambda rng: f"FLWSECK-{chars(rng, HEX, 32)}-X",
    "easypost": prefixed("EZAK", ALNUM, 54),
    "shippo": prefixed("shippo_" + "live_", HEX, 40),
    "duffel": prefixed("duffel_" + "live_", WORD, 43),
    "airtable": lambda rng: f"pat{chars(rng, ALNUM, 14)}.{chars(rng, HEX, 64)}",
    "contentful": prefixed("CFPAT" + "-", WORD, 43),
    "figma": prefixed("figd" + "_", WORD, 40),
    "hubspot": lambda rng: f"pat-na1-{uuid(rng)}",
    "linear": prefixed("lin_api" + "_", ALNUM, 40),
    "notion": prefixed("ntn" + "_", ALNUM, 46),
    "postman": lambda rng: f"PMAK-{chars(rng, HEX, 24)}-{chars(rng, HEX, 34)}",
    "readme": prefixed("rdme" + "_", LOWER, 70),
    "mapbox": lambda rng: f"sk.eyJ{chars(rng, ALNUM, 60)}.{chars(rng, WORD, 22)}",
    "facebook": prefixed("EAAC", ALNUM, 120),
    "posthog": prefixed("phx" + "_", ALNUM, 43),
    "jwt": jwt,
    "bearer": lambda rng: f"Bearer {chars(rng, WORD, 40)}",
    "basic": lambda rng: "Basic " + base64.b64encode(f"user{amount(rng, 3)}:{chars(rng, ALNUM, 14)}".encode()).decode(),
    "slack_webhook": lambda rng: (
        f"https://hooks.slack.com/services/T{chars(rng, UPPER, 8)}/B{chars(rng, UPPER, 8)}/{chars(rng, ALNUM, 24)}"
    ),
    "discord_webhook": lambda rng: f"https://discord.com/api/webhooks/{amount(rng, 18)}/{chars(rng, WORD, 68)}",
    "telegram_url": lambda rng: f"https://api.telegram.org/bot{amount(rng, 10)}:AA{chars(rng, WORD, 33)}/sendMessage",
    "postgres_url": lambda rng: f"postgresql://trader:{chars(rng, ALNUM, 12)}@db.internal:5432/trades",
    "redis_url": lambda rng: f"redis://:{chars(rng, ALNUM, 16)}@10.0.0.5:6379/0",
    "mongodb_url": lambda rng: f"mongodb+srv://bot:{chars(rng, ALNUM, 16)}@cluster0.example.net/db",
    "amqp_url": lambda rng: f"amqp://guest:{chars(rng, ALNUM, 9)}@mq:5672/",
    "proxy_url": lambda rng: f"http://proxyuser:{chars(rng, ALNUM, 9)}@proxy.example.com:3128",
    "git_url": lambda rng: f"https://oauth2:{chars(rng, WORD, 20)}@gitlab.example.com/x/y.git",
    "infura": lambda rng: f"https://mainnet.infura.io/v3/{chars(rng, HEX, 32)}",
    "infura_ws": lambda rng: f"wss://mainnet.infura.io/ws/v3/{chars(rng, HEX, 32)}",
    "alchemy": lambda rng: f"https://eth-mainnet.g.alchemy.com/v2/{chars(rng, WORD, 32)}",
    "quicknode": lambda rng: f"https://red-sun-1.solana-mainnet.quiknode.pro/{chars(rng, HEX, 40)}/",
    "helius": lambda rng: f"https://mainnet.helius-rpc.com/?api-key={uuid(rng)}",
    "ankr": lambda rng: f"https://rpc.ankr.com/eth/{chars(rng, HEX, 64)}",
    "getblock": lambda rng: f"https://go.getblock.io/{chars(rng, HEX, 32)}",
    "chainstack": lambda rng: f"https://solana-mainnet.core.chainstack.com/{chars(rng, HEX, 32)}",
    "blast": lambda rng: f"https://solana-mainnet.blastapi.io/{uuid(rng)}",
    "triton": lambda rng: f"https://moon.rpcpool.com/{uuid(rng)}",
    "etherscan_url": lambda rng: (
        f"https://api.etherscan.io/api?module=account&apikey={chars(rng, UPPER, 34)}&action=balance"
    ),
    "signed_url": lambda rng: f"https://api.binance.com/api/v3/order?symbol=BTCUSDT&signature={chars(rng, HEX, 64)}",
    "solana_private_key": lambda rng: base58(ed25519_pair(rng)),
    "solana_bytes": lambda rng: json.dumps(list(ed25519_pair(rng))),
    "solana_bytes_dense": lambda rng: json.dumps(list(ed25519_pair(rng)), separators=(",", ":")),
    "solana_hex": lambda rng: ed25519_pair(rng).hex(),
    "wif": lambda rng: base58check(b"\x80" + rng.randbytes(32)),
    "wif_compressed": lambda rng: base58check(b"\x80" + rng.randbytes(32) + b"\x01"),
    "wif_testnet": lambda rng: base58check(b"\xef" + rng.randbytes(32) + b"\x01"),
    "bip38": lambda rng: base58check(b"\x01\x42\xe0" + rng.randbytes(36)),
    "xprv": lambda rng: base58check(bytes.fromhex("0488ade4") + rng.randbytes(41) + b"\0" + rng.randbytes(32)),
    "zprv": lambda rng: base58check(bytes.fromhex("04b2430c") + rng.randbytes(41) + b"\0" + rng.randbytes(32)),
    "phrase_12": phrase(12),
    "phrase_15": phrase(15),
    "phrase_18": phrase(18),
    "phrase_21": phrase(21),
    "phrase_24": phrase(24),
    "phrase_commas": lambda rng: ", ".join(phrase(12)(rng).split()),
    "phrase_lines": lambda rng: "\n".join(phrase(24)(rng).split()),
    "phrase_numbered": lambda rng: " ".join(f"{n}. {word}" for n, word in enumerate(phrase(12)(rng).split(), 1)),
    "phrase_list": lambda rng: json.dumps(phrase(24)(rng).split()),
    "phrase_upper": lambda rng: phrase(12)(rng).upper(),
    "pem_rsa": pem("RSA " + "PRIVATE KEY", 12),
    "pem_pkcs8": pem("PRIVATE" + " KEY", 12),
    "pem_ec": pem("EC " + "PRIVATE KEY", 2),
    "pem_openssh": pem("OPENSSH " + "PRIVATE KEY", 5),
    "pem_encrypted": pem("ENCRYPTED " + "PRIVATE KEY", 8),
    "pem_pgp": pem("PGP " + "PRIVATE KEY BLOCK", 10),
    "pem_escaped": pem("PRIVATE" + " KEY", 6, "\\n"),
    "pem_one_line": pem("PRIVATE" + " KEY", 6, " "),
    "pem_truncated": pem("RSA " + "PRIVATE KEY", 6, whole=False),
    "hex_key_named": lambda rng: f"wallet private key 0x{chars(rng, HEX, 64)}",
    "hex_key_signing": lambda rng: f"sign with key {chars(rng, HEX, 64)}",
    "hex_key_after": lambda rng: f"0x{chars(rng, HEX, 64)} is my private key",
}

# Families without a shape of their own: the name beside them decides.
KEYED_SECRETS: dict[str, tuple[str, Maker]] = {
    "openai_name": ("OPENAI_KEY", prefixed("", ALNUM, 20)),
    "mistral": ("MISTRAL_API_KEY", prefixed("", ALNUM, 32)),
    "cohere": ("COHERE_API_KEY", prefixed("", ALNUM, 40)),
    "together": ("together_api_key", prefixed("", HEX, 64)),
    "azure_openai": ("AZURE_OPENAI_API_KEY", prefixed("", HEX, 32)),
    "aws_secret": ("aws_secret_access_key", prefixed("", ALNUM + "+/", 40)),
    "aws_session": ("AWS_SESSION_TOKEN", prefixed("", ALNUM + "+/", 200)),
    "azure_storage": ("AccountKey", lambda rng: base64.b64encode(rng.randbytes(64)).decode()),
    "binance_key": ("binance_api_key", prefixed("", ALNUM, 64)),
    "binance_secret": ("BINANCE_SECRET_KEY", prefixed("", ALNUM, 64)),
    "bybit_secret": ("bybit_api_secret", prefixed("", ALNUM, 36)),
    "okx_passphrase": ("OKX_PASSPHRASE", prefixed("", ALNUM + "!", 12)),
    "kraken_secret": ("KRAKEN_PRIVATE_KEY", lambda rng: base64.b64encode(rng.randbytes(64)).decode()),
    "kucoin_secret": ("kucoin_secret", uuid),
    "coinbase_secret": ("COINBASE_API_SECRET", prefixed("", ALNUM, 44)),
    "hyperliquid_key": ("HYPER_LIQUID_KEY", lambda rng: "0x" + chars(rng, HEX, 64)),
    "ethereum_key": ("ETH_PRIVATE_KEY", lambda rng: "0x" + chars(rng, HEX, 64)),
    "ethereum_key_bare": ("private_key", prefixed("", HEX, 64)),
    "solana_seed": ("SOLANA_PRIVATE_KEY", lambda rng: base58(rng.randbytes(32))),
    "wallet_secret": ("walletSecret", prefixed("", ALNUM, 30)),
    "birdeye": ("BIRDEYE_API_KEY", prefixed("", HEX, 32)),
    "helius_key": ("HELIUS_API_KEY", uuid),
    "moondev": ("MOONDEV_API_KEY", prefixed("", LOWER, 20)),
    "coingecko": ("COINGECKO_API_KEY", prefixed("CG-", ALNUM, 24)),
    "coinmarketcap": ("X-CMC_PRO_API_KEY", uuid),
    "etherscan": ("etherscan_api_key", prefixed("", UPPER, 34)),
    "alpaca": ("APCA-API-SECRET-KEY", prefixed("", ALNUM, 40)),
    "finnhub": ("finnhub_token", prefixed("", LOWER, 40)),
    "twitter_secret": ("TWITTER_CONSUMER_SECRET", prefixed("", ALNUM, 50)),
    "twilio_token": ("TWILIO_AUTH_TOKEN", prefixed("", HEX, 32)),
    "datadog": ("DD_API_KEY", prefixed("", HEX, 32)),
    "algolia": ("algolia_admin_key", prefixed("", HEX, 32)),
    "cloudflare": ("CLOUDFLARE_API_TOKEN", prefixed("", WORD, 40)),
    "okta": ("okta_api_token", prefixed("00", WORD, 40)),
    "asana": ("asana_client_secret", prefixed("", HEX, 32)),
    "password": ("password", prefixed("", ALNUM + "!@#%^*", 12)),
    "db_password": ("DB_PASSWORD", prefixed("", ALNUM + "!@#%^*", 16)),
    "refresh_token": ("refresh_token", prefixed("", ALNUM, 40)),
    "access_token": ("accessToken", prefixed("", ALNUM, 40)),
    "client_secret": ("client_secret", prefixed("", ALNUM, 40)),
    "plain_token": ("token", prefixed("", ALNUM, 32)),
    "api_key_short": ("api_key", prefixed("", ALNUM, 12)),
    "header_key": ("X-Api-Key", prefixed("", ALNUM, 32)),
}

SHAPED_PLACES: dict[str, str] = {
    "bare": "{}",
    "comma": "keys: {}, and more",
    "bracket": "(see {})",
    "square": "x [{}] y",
    "brace": "{{{}}}",
    "single": "value='{}'",
    "double": 'value="{}"',
    "backtick": "use `{}` now",
    "sentence": "It is {}. Buy BTC.",
    "env": "THING={}\nOTHER=1",
    "yaml": "thing: {}\nother: 1",
    "header": "X-Thing: {}\r\nAccept: */*",
    "list": "BTC,{},ETH",
    "html": "<b>{}</b>",
    "tab": "a\t{}\tb",
    "unicode": "→{}←",
}
KEYED_PLACES: dict[str, str] = {
    "env": "A=1\n{name}={value}\nB=2",
    "export": "export {name}={value}",
    "env_quoted": '{name}="{value}"',
    "python": "{name} = '{value}'",
    "python_dict": "{{'{name}': '{value}', 'a': 1}}",
    "yaml": "a: 1\n{name}: {value}\nb: 2",
    "json": '{{"a": 1, "{name}": "{value}"}}',
    "flag": "run --{name} {value} --x",
    "flag_equals": "run --{name}={value}",
    "header": "GET /\r\n{name}: {value}\r\nAccept: */*",
    "query": "https://api.example.com/v1?{name}={value}&limit=5",
    "environ": 'os.environ["{name}"] = "{value}"',
    "setenv": 'monkeypatch.setenv("{name}", "{value}")',
    "element": "<{name}>{value}</{name}>",
    "prose": "my {name} is {value}, keep it",
    "markdown": "- **{name}**: `{value}`",
}


def long_words(secret: str) -> list[str]:
    """Return the parts of a secret that must not remain; a host or an introduction may."""
    words = [
        word for word in secret.replace("\\n", "\n").replace("/", " ").replace("=", " ").split() if len(word) >= 20
    ]
    return words or [secret]


def distinctive_parts(secret: str) -> list[str]:
    """Return the parts of a secret that must not remain; of a URL its password, or its keys."""
    if "://" not in secret:
        return long_words(secret)
    tail = secret.split("://", 1)[1]
    login, at, _ = tail.partition("@")
    return [login.partition(":")[2]] if at else [part for part in split_url(tail) if len(part) >= 20]


def leaks(clean: str, secret: str) -> bool:
    """Return whether a distinctive part of the secret is still there."""
    return any(part in clean for part in distinctive_parts(secret))


def split_url(tail: str) -> list[str]:
    path = tail.replace("?", "/").replace("&", "/").replace("=", "/").split("/")
    return [part for part in path[1:] if not part.isdigit()] if len(path) > 1 else path


def shaped_texts(place: str, secret: str) -> list[str]:
    text = place.format(secret)
    value = {"note": text, "n": 1}
    return [text, json.dumps(value), json.dumps({"outer": json.dumps(value)}), deep(text)]


def keyed_texts(place: str, name: str, value: str) -> list[str]:
    text = place.format(name=name, value=urllib.parse.quote(value, safe="") if place.startswith("https") else value)
    return [text, json.dumps({"note": text}), json.dumps({"outer": json.dumps({"note": text})}), deep(text)]


def deep(text: str) -> str:
    """Return a text as it stands in a tool call's arguments in a message history: JSON in JSON, five levels deep."""
    for _ in range(5):
        text = json.dumps({"note": text})
    return text
