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
    ed25519_pair,
    pem,
    phrase,
    random_text,
    uuid,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.observability.redaction.texts import EngineName


def written_down() -> list[tuple[str, str]]:
    """Each text with the part of it that must be gone."""
    rng = random.Random(9)
    hx, al, ph = random_text(rng, HEX, 64), random_text(rng, ALNUM, 32), phrase(12)(rng)
    b44, pair = base58(rng.randbytes(32)), base58(ed25519_pair(rng))
    return [
        (f"my wallet seed: {ph}", ph),
        (f"Seed phrase:\n{ph}\n", ph),
        (f"seed = '{ph}'", ph),
        (f"recovery words: {ph}.", ph),
        (f"{ph}.", ph),
        (f"({ph})", ph),
        (f"Please store {ph} safely", ph.split()[3] + " " + ph.split()[4]),
        ("\n".join((f"{i}) {w}" for i, w in enumerate(ph.split(), 1))), ph.split()[5] + "\n"),
        ("\n".join((f"{i:2d}. {w}" for i, w in enumerate(ph.split(), 1))), ph.split()[5] + "\n"),
        ("\r\n".join(ph.split()), ph.split()[5] + "\r"),
        ("-".join(ph.split()), "-".join(ph.split())),
        ("; ".join(ph.split()), "; ".join(ph.split())),
        (" | ".join(ph.split()), " | ".join(ph.split())),
        ("  ".join(ph.split()), "  ".join(ph.split())),
        ("_".join(ph.split()), "_".join(ph.split())),
        (ph.title(), ph.title()),
        (f"PRIVATE_KEY=0x{hx}", hx),
        (f'"privateKey":"0x{hx}"', hx),
        (f"privkey {hx}", hx),
        (f"my key: {hx}", hx),
        (f"key={hx}", hx),
        (f"Account #0 Private Key: 0x{hx}", hx),
        (f"eth_key 0x{hx}", hx),
        (f"Web3.eth.account.from_key('0x{hx}')", hx),
        (f"signer = Wallet('0x{hx}')", hx),
        (f"--private-key 0x{hx}", hx),
        (f"--private-key=0x{hx}", hx),
        (f"private key (base58): {b44}", b44),
        (f"solana secret {b44}", b44),
        (f"Keypair.from_base58_string('{pair}')", pair),
        (f'["{pair}"]', pair),
        (f"curl -u user:{al} https://x.io", al),
        (f"curl -H 'X-API-KEY: {al}'", al),
        (f"export BINANCE_SECRET={al}", al),
        (f"binance secret {al}", al),
        (f"API key {al} is used", al),
        (f"api key is {al}", al),
        (f"Here's the key: {al}", al),
        (f"token={al}&x=1", al),
        (f"apikey:{al}", al),
        (f"api-key: {al}", al),
        (f"API_KEY : {al}", al),
        (f"API_KEY  =  {al}", al),
        (f"'api_key' => '{al}'", al),
        (f'apiKey := "{al}"', al),
        (f"api_key -> {al}", al),
        (f"client = Client('{al}', secret='{al[::-1]}')", al[::-1]),
        (f"exchange = ccxt.binance({{'apiKey': '{al}', 'secret': '{al[::-1]}'}})", al),
        ("set password to Tr4der!2024", "Tr4der!2024"),
        ("password: Tr4der!2024", "Tr4der!2024"),
        ("pwd=hunter2", "hunter2"),
        ("passphrase: correct-horse-7", "correct-horse-7"),
        ('{"password":"correct horse battery"}', "correct horse"),
        (f"Authorization: Token {al}", al),
        (f"authorization: {al}", al),
        (f"'Authorization': 'Bearer {al}'", al),
        ("Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
        (f"Cookie: session={al}; a=b", al),
        (f"Set-Cookie: sid={al}; Path=/", al),
        (f"wss://x.quiknode.pro/{al}/", al),
        (f"https://user:{al}@rpc.example.com", al),
        (f"https://{al}@github.com/a/b", al),
        (f"jdbc:postgresql://h/db?user=a&password={al}", al),
        (f"Server=h;Database=d;User Id=u;Password={al};", al),
        (f"AccountName=a;AccountKey={al}{al}==;EndpointSuffix=x", al),
        (f"https://x.blob.core.windows.net/c/b?sv=2022&sig={al}%3D", al),
        (f"https://s3.amazonaws.com/b/k?X-Amz-Signature={hx}", hx),
        (
            f"AKIAIOSFODNN7EXAMPLE\n{random_text(random.Random(4), ALNUM + '/+', 40)}",
            random_text(random.Random(4), ALNUM + "/+", 40),
        ),
        (f"bot token 123456789:AAH{random_text(rng, ALNUM, 32)}", "AAH"),
        (json.dumps({"type": "service_account", "private_key": pem("PRIVATE" + " KEY", 5)(rng)}), "BEGIN"),
        (f"password%3D{al}", al),
        (f"api_key%22%3A%22{al}%22", al),
        (f"\\u0022api_key\\u0022:\\u0022{al}\\u0022", al),
        (f"&quot;api_key&quot;:&quot;{al}&quot;", al),
        (f"api_key:\n  {al}", al),
        (f"secret: >-\n  {al}\n", al),
        (f"- name: API_KEY\n  value: {al}", al),
        (f'{{"name": "API_KEY", "value": "{al}"}}', al),
        (f"SECRET={al[:8]}", al[:8]),
        ("DB_PASS=abcdefgh", "abcdefgh"),
        ("REDIS_PASSWORD=onlyletters", "onlyletters"),
        (f"secret_key = b'{al}'", al),
        (f"os.environ.setdefault('API_KEY', '{al}')", al),
        (f'API_KEY="{al}" python x.py', al),
        (f"ENV API_KEY {al}", al),
        (f"api_key,{al}", al),
        (f"| API key | {al} |", al),
        (f"**API Key:** {al}", al),
        (f"API Key — {al}", al),
        (f"sk-{'ant'}-api03-{al}… and", al),
        (f"key sk-{al}.", al),
        (f"sk-{al}\\nnext", al),
        (f"'sk-{al}'", al),
    ]


def near_their_names() -> list[tuple[str, str]]:
    """Texts in which neither `=` nor `:` joins a name and its secret, short ones and UUIDs among them."""
    rng = random.Random(12)
    short, whole, key_id = random_text(rng, ALNUM, 14) + "7q", uuid(rng), "PK" + random_text(rng, UPPER, 17) + "7"
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
        (f"\x1b[31m{random_text(rng, ALNUM, 40)}\x1b[0m api_key={short}", short),
        (f"\x1b[36mgsk_{short * 3}\x1b[0m", short),
    ]
    return [*zip(texts, secrets, strict=True), *more]


def phrases_as_written() -> list[tuple[str, str]]:
    """Recovery phrases in the ways in which people number, mark up and encode them, and in other languages."""
    from mnemonic import Mnemonic

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
    found = [(text, words[4]) for text in texts]
    twice = phrase(12)(rng)
    found.append((f"{twice} {twice}", twice.split()[2]))
    for language in ("spanish", "french", "italian", "portuguese", "czech", "japanese", "korean", "chinese_simplified"):
        said = Mnemonic(language).to_mnemonic(rng.randbytes(20))
        word = said.replace("\u3000", " ").split()[5]
        as_json, composed = json.dumps({"note": said}), unicodedata.normalize("NFC", said)
        found += [(said, word), (as_json, json.dumps(word)[1:-1]), (composed, unicodedata.normalize("NFC", word))]
    return found


def standing_alone() -> list[tuple[str, str]]:
    """Keys that no word introduces: a long run that mixes all kinds, and addresses that were encoded once more."""
    rng = random.Random(14)
    key = f"{random_text(rng, ALNUM, 30)}0Oa7{random_text(rng, ALNUM, 30)}"
    node = f"https://mainnet.infura.io/v3/{random_text(rng, HEX, 32)}"
    login = f"postgres://bot:{random_text(rng, ALNUM, 12)}@db:5432/x"
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
    texts = written_down()
    assert len(texts) >= 80
    assert [(text, redactor.text(text)) for text, secret in texts if secret in redactor.text(text)] == []
