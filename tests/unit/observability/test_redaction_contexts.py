"""Secrets are found in the forms in which people and programs write them down."""

from __future__ import annotations

import json
import random

from src.observability.redaction import Redactor
from tests.unit.observability.test_redaction_families import ALNUM, HEX, base58, ed25519_pair, pem, phrase, some


def written_down() -> list[tuple[str, str]]:
    """Each text with the part of it that must be gone."""
    rng = random.Random(9)
    hx, al, ph = some(rng, HEX, 64), some(rng, ALNUM, 32), phrase(12)(rng)
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
        (f"AKIAIOSFODNN7EXAMPLE\n{some(random.Random(4), ALNUM + '/+', 40)}", some(random.Random(4), ALNUM + "/+", 40)),
        (f"bot token 123456789:AAH{some(rng, ALNUM, 32)}", "AAH"),
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


def test_secrets_are_found_as_they_are_written_down() -> None:
    redactor = Redactor()
    texts = written_down()
    assert len(texts) >= 80
    assert [(text, redactor.text(text)) for text, secret in texts if secret in redactor.text(text)] == []
