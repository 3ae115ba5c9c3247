"""Secrets are found in the forms in which people and programs write them down."""

from __future__ import annotations

import json
import random
import unicodedata
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from src.observability.redaction import Redactor
from tests.unit.observability.secret_samples import (
    ALNUM,
    ENGINES,
    HEX,
    UPPER,
    base58,
    chars,
    ed25519_pair,
    mnemonic,
    pem,
    phrase,
    uuid,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.redaction.texts import EngineName


# Each row is a text and the part of it that must not remain.
def written_phrases() -> list[tuple[str, str]]:
    seed = phrase(12)(random.Random(9))
    return [
        (f"my wallet seed: {seed}", seed),
        (f"Seed phrase:\n{seed}\n", seed),
        (f"seed = '{seed}'", seed),
        (f"recovery words: {seed}.", seed),
        (f"{seed}.", seed),
        (f"({seed})", seed),
        (f"Please store {seed} safely", seed.split()[3] + " " + seed.split()[4]),
        ("\n".join((f"{i}) {w}" for i, w in enumerate(seed.split(), 1))), seed.split()[5] + "\n"),
        ("\n".join((f"{i:2d}. {w}" for i, w in enumerate(seed.split(), 1))), seed.split()[5] + "\n"),
        ("\r\n".join(seed.split()), seed.split()[5] + "\r"),
        ("-".join(seed.split()), "-".join(seed.split())),
        ("; ".join(seed.split()), "; ".join(seed.split())),
        (" | ".join(seed.split()), " | ".join(seed.split())),
        ("  ".join(seed.split()), "  ".join(seed.split())),
        ("_".join(seed.split()), "_".join(seed.split())),
        (seed.title(), seed.title()),
    ]


def written_private_keys() -> list[tuple[str, str]]:
    rng = random.Random(9)
    digits, b44, pair = chars(rng, HEX, 64), base58(rng.randbytes(32)), base58(ed25519_pair(rng))
    return [
        (f"PRIVATE_KEY=0x{digits}", digits),
        (f'"privateKey":"0x{digits}"', digits),
        (f"privkey {digits}", digits),
        (f"my key: {digits}", digits),
        (f"key={digits}", digits),
        (f"Account #0 Private Key: 0x{digits}", digits),
        (f"eth_key 0x{digits}", digits),
        (f"Web3.eth.account.from_key('0x{digits}')", digits),
        (f"signer = Wallet('0x{digits}')", digits),
        (f"--private-key 0x{digits}", digits),
        (f"--private-key=0x{digits}", digits),
        (f"private key (base58): {b44}", b44),
        (f"solana secret {b44}", b44),
        (f"Keypair.from_base58_string('{pair}')", pair),
        (f'["{pair}"]', pair),
        (f"https://s3.amazonaws.com/b/k?X-Amz-Signature={digits}", digits),
    ]


def written_keys() -> list[tuple[str, str]]:
    key = chars(random.Random(9), ALNUM, 32)
    return [
        (f"curl -u user:{key} https://x.io", key),
        (f"curl -H 'X-API-KEY: {key}'", key),
        (f"export BINANCE_SECRET={key}", key),
        (f"binance secret {key}", key),
        (f"API key {key} is used", key),
        (f"api key is {key}", key),
        (f"Here's the key: {key}", key),
        (f"token={key}&x=1", key),
        (f"apikey:{key}", key),
        (f"api-key: {key}", key),
        (f"API_KEY : {key}", key),
        (f"API_KEY  =  {key}", key),
        (f"'api_key' => '{key}'", key),
        (f'apiKey := "{key}"', key),
        (f"api_key -> {key}", key),
        (f"client = Client('{key}', secret='{key[::-1]}')", key[::-1]),
        (f"exchange = ccxt.binance({{'apiKey': '{key}', 'secret': '{key[::-1]}'}})", key),
    ]


def written_in_protocols_and_files() -> list[tuple[str, str]]:
    rng = random.Random(9)
    key = chars(rng, ALNUM, 32)
    return [
        (f"Authorization: Token {key}", key),
        (f"authorization: {key}", key),
        (f"'Authorization': 'Bearer {key}'", key),
        (f"Cookie: session={key}; a=b", key),
        (f"Set-Cookie: sid={key}; Path=/", key),
        (f"wss://x.quiknode.pro/{key}/", key),
        (f"https://user:{key}@rpc.example.com", key),
        (f"https://{key}@github.com/a/b", key),
        (f"jdbc:postgresql://h/db?user=a&password={key}", key),
        (f"Server=h;Database=d;User Id=u;Password={key};", key),
        (f"AccountName=a;AccountKey={key}{key}==;EndpointSuffix=x", key),
        (f"https://x.blob.core.windows.net/c/b?sv=2022&sig={key}%3D", key),
        (
            f"AKIAIOSFODNN7EXAMPLE\n{chars(random.Random(4), ALNUM + '/+', 40)}",
            chars(random.Random(4), ALNUM + "/+", 40),
        ),
        (f"bot token 123456789:AAH{chars(rng, ALNUM, 32)}", "AAH"),
        (json.dumps({"type": "service_account", "private_key": pem("PRIVATE" + " KEY", 5)(rng)}), "BEGIN"),
        (f"password%3D{key}", key),
        (f"api_key%22%3A%22{key}%22", key),
        (f"\\u0022api_key\\u0022:\\u0022{key}\\u0022", key),
        (f"&quot;api_key&quot;:&quot;{key}&quot;", key),
        (f"api_key:\n  {key}", key),
        (f"secret: >-\n  {key}\n", key),
        (f"- name: API_KEY\n  value: {key}", key),
        (f'{{"name": "API_KEY", "value": "{key}"}}', key),
        (f"SECRET={key[:8]}", key[:8]),
        (f"secret_key = b'{key}'", key),
        (f"os.environ.setdefault('API_KEY', '{key}')", key),
        (f'API_KEY="{key}" python x.py', key),
        (f"ENV API_KEY {key}", key),
        (f"api_key,{key}", key),
        (f"| API key | {key} |", key),
        (f"**API Key:** {key}", key),
        (f"API Key — {key}", key),
        (f"sk-{'ant'}-api03-{key}… and", key),
        (f"key sk-{key}.", key),
        (f"sk-{key}\\nnext", key),
        (f"'sk-{key}'", key),
    ]


WRITTEN_PASSWORDS = [
    ("set password to Tr4der!2024", "Tr4der!2024"),
    ("password: Tr4der!2024", "Tr4der!2024"),
    ("pwd=hunter2", "hunter2"),
    ("passphrase: correct-horse-7", "correct-horse-7"),
    ('{"password":"correct horse battery"}', "correct horse"),
    ("Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
    ("DB_PASS=abcdefgh", "abcdefgh"),
    ("REDIS_PASSWORD=onlyletters", "onlyletters"),
]


def near_their_names() -> list[tuple[str, str]]:
    """Return texts without `=` or `:` between a name and its secret; some secrets are short or UUIDs."""
    rng = random.Random(12)
    short, whole, key_id = chars(rng, ALNUM, 14) + "7q", uuid(rng), "PK" + chars(rng, UPPER, 17) + "7"
    texts = [
        text.format(secret)
        for secret in (short, whole)
        for text in (
            "| `COINBASE_API_KEY` | `{}` |",
            "| KUCOIN_API_SECRET | {} |",
            "okx api key - {}",
            "OKX_SECRET_KEY -> {}",
            "my okx api key ({}) does not work",
            "Here is my api key:\n\n{}\n\nthanks",
            "Incorrect API key provided: {}. You can find yours on our page.",
            "AuthError: invalid api_key '{}'",
            "- **API Key:** `{}`",
            '<add key="KUCOIN_API_KEY" value="{}" />',
            "env:\n- name: HELIUS_API_KEY\n  value: {}\n",
            "HELIUS_API_KEY,{}",
            "HELIUS_API_KEY\t{}",
            "我的 API_KEY 是\uff1a{}\uff0c请使用",
            "mi api key es {}",
            "{} is my api key",
            "Is {} a valid api key?",
            '"{}" (that\'s the okx api key)',
        )
    ]
    secrets = [secret for secret in (short, whole) for _ in range(len(texts) // 2)]
    more = [
        ("okx passphrase - kQzwRf!mTb", "kQzwRf!mTb"),
        ("password: “Summer1234!”", "Summer1234!"),
        (f"APCA_API_KEY_ID={key_id}", key_id),
        ("PGPASSWORD=qwerty-uiop", "qwerty-uiop"),
        (f"ALPHA_VANTAGE_KEY={short.upper()}", short.upper()),
        (f"\x1b[31m{chars(rng, ALNUM, 40)}\x1b[0m api_key={short}", short),
        (f"\x1b[36mgsk_{short * 3}\x1b[0m", short),
    ]
    return [*zip(texts, secrets, strict=True), *more]


def phrases_as_written() -> list[tuple[str, str]]:
    """Return recovery phrases as people number, mark up and encode them, and in other languages."""
    rng = random.Random(13)
    words = phrase(15)(rng).split()
    joined = [
        "**{}** ",
        "{}<br>",
        "<li>{}</li>",
        "* {}\n",
        "{} → ",
        "{}+",
        "{}%20",
        "{}\u00a0",
        "`{}` ",
        "# {}\n",
        "{}: ",
    ]
    texts = ["".join(each.format(word) for word in words) for each in joined]
    texts.append(json.dumps({f"word{number}": word for number, word in enumerate(words, 1)}))
    texts.append("\n".join(f"| {number} | {word} |" for number, word in enumerate(words, 1)))
    texts.append(f"Please use {' '.join(words)} when you call it")
    texts.append(f"请使用{' '.join(words)}连接")
    rows = [(text, words[4]) for text in texts]
    twice = phrase(12)(rng)
    rows.append((f"{twice} {twice}", twice.split()[2]))
    for language in ("spanish", "french", "italian", "portuguese", "czech", "japanese", "korean", "chinese_simplified"):
        written = mnemonic(language).to_mnemonic(rng.randbytes(20))
        word = written.replace("\u3000", " ").split()[5]
        as_json, composed = json.dumps({"note": written}), unicodedata.normalize("NFC", written)
        rows += [(written, word), (as_json, json.dumps(word)[1:-1]), (composed, unicodedata.normalize("NFC", word))]
    return rows


def standing_alone() -> list[tuple[str, str]]:
    """Return keys that no word introduces: long runs of all kinds of characters, and keys in encoded URLs."""
    rng = random.Random(14)
    key = f"{chars(rng, ALNUM, 30)}0Oa7{chars(rng, ALNUM, 30)}"
    node = f"https://mainnet.infura.io/v3/{chars(rng, HEX, 32)}"
    login = f"postgres://bot:{chars(rng, ALNUM, 12)}@db:5432/x"
    alone = [
        (text.format(key), key) for text in ("{}", "use {} now", '["{}"]', "acme_live_{}", "v={} done=true", "({})")
    ]
    twice = urllib.parse.quote(urllib.parse.quote(node, safe=""), safe="")
    return [
        *alone,
        (f"https://x.io/?next={urllib.parse.quote(node, safe='')}", node[-32:]),
        (f"https://x.io/?next={twice}", node[-32:]),
        (f"dsn%3D{urllib.parse.quote(login, safe='')}", login[15:27]),
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("texts", [near_their_names, phrases_as_written, standing_alone])
def test_secrets_are_found_without_a_sign_between(
    texts: Callable[[], list[tuple[str, str]]], engine: EngineName
) -> None:
    redactor = Redactor(engine=engine)
    assert [(text, redactor.text(text)) for text, secret in texts() if secret in redactor.text(text)] == []


def test_secrets_are_found_as_they_are_written_down() -> None:
    redactor = Redactor()
    texts = [
        *written_phrases(),
        *written_private_keys(),
        *written_keys(),
        *written_in_protocols_and_files(),
        *WRITTEN_PASSWORDS,
    ]
    assert len(texts) >= 80
    assert [(text, redactor.text(text)) for text, secret in texts if secret in redactor.text(text)] == []
