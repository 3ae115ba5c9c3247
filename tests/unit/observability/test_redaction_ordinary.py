"""Ordinary trading texts come through redaction as they went in."""

from __future__ import annotations

import base64
import hashlib
import json
import random

from src.observability.redaction import Redactor, redact
from tests.unit.observability.secret_samples import ALNUM, BASE58, base58, chars, mnemonic, uuid

PROSE = """
You are a risk agent. Do not answer with anything but BUY, SELL or NOTHING.
The key levels are 42,000 and 43,500; a close above the key resistance opens 45k.
Key: support at 41,200 held twice. Token: SOL. Secret sauce: patience.
The token is trading at $1.2345 with 24h volume of 1,234,567.89 USD.
The key is BTC's 200-day moving average, the password to this market is patience.
Token metrics: holders 12,345, liquidity 1.2M, market cap 45M, FDV 90M.
The password: never chase a candle. The secret: the trend is your friend.
We spent 1,234 prompt tokens and 567 completion tokens on this call; max_tokens=1000.
Tokens: BONK, WIF, POPCAT. Token address: So11111111111111111111111111111111111111112
Authorization: required for withdrawals above 10,000 USDT.
API key: required. Set OPENAI_KEY in your environment before you start the agent.
openai is not set up: set OPENAI_KEY (or OPENAI_API_KEY) in the environment or in .env.
Use basic strategies first, then bearer bonds; basic authentication is not needed here.
Risk-adjusted returns beat raw returns; risk-managed-position-sizing-strategy wins.
Funding is 0.01% per 8h, open interest rose 4.5% and the long/short ratio is 1.23.
RSI(14)=61.2, MACD(12,26,9)=[12.3, 8.1, 4.2], ATR=350.25, EMA20=42150.5
Buy 0.25 BTC at 42,150.50, stop 41,200, take profit 44,000; risk 1.5% of equity.
Signature verified. Session opened. Private sale ended; public sale starts Monday.
The seed round closed at a 40M valuation; seed investors unlock in 2025-06.
This phrase is famous: buy the rumor, sell the news.
Wallet 0x742d35Cc6634C0532925a3b844Bc454e4438f44e received 12.5 ETH.
Whale 9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM moved 1,000,000 USDC to Binance.
Contract: EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v (USDC on Solana)
Candles: open,high,low,close,volume
2023-01-01 00:15:00,16541.5,16555.2,16530.1,16549.9,123.456
Consider the following: inflation cools, yields fall, dollar weakens, gold rises.
Think step by step. First list the risks, then give your confidence from 0 to 100.
model: gpt-4o-mini-2024-07-18, claude-3-5-sonnet-20241022, deepseek-chat, llama3.2:3b
models: openai:gpt-4o,claude:claude-haiku-4-5,ollama:llama3.2
gemini-2.5-flash-preview-09-2025 answered in 812 ms for $0.00042 (1,024 tokens in, 256 out).
Error 429: rate limit reached for gpt-4o in organization org-1234 on tokens per min (TPM): Limit 30000, Used 29500.
Error code: 401 - Incorrect API key provided. You can find your API key in your account settings.
The key insight: liquidity follows volatility. Key takeaway: size down.
Password reset emails were sent. Secret Network (SCRT) rose 12%.
Keyboard shortcuts: ctrl+k. Hotkey: F5. Turkey raises rates by 500bp; the monkey bought MKR.
The author of the study: author_id=12345, authority: SEC, authentic: yes.
Bitcoin ETF inflows: IBIT +123.4M, FBTC +56.7M, GBTC -89.1M.
Order 1234567890123456789 filled at 42150.5; client order id x-A6SIDXVS17012345678901
https://www.binance.com/en/trade/BTC_USDT?type=spot
https://api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=15m&limit=500
https://api.coingecko.com/api/v3/coins/markets?vs_currency=usd&ids=bitcoin,ethereum&per_page=250&page=1
https://dexscreener.com/solana/9wFFyRfZBsuAha4YcuxcXLKwMxJR43S7fPfQLusDBzvT
https://solscan.io/token/EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v?cluster=mainnet
https://api.mainnet-beta.solana.com and wss://stream.binance.com:9443/ws/btcusdt@kline_1m
https://raw.githubusercontent.com/moondevonyt/moon-dev-ai-agents/main/src/models/model_factory.py
https://etherscan.io/tx/0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060
Git commit 5a151cfe0a1b2c3d4e5f60718293a4b5c6d7e8f9 broke the risk agent.
sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
UUID 123e4567-e89b-12d3-a456-426614174000 is the run id.
trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7
| symbol | price | key level |
|--------|-------|-----------|
The market can remain irrational longer than you can remain solvent.
At 10:30 UTC the price broke out; at 11:45 it came back: 42,150 -> 41,980 => -0.4%.
Pass: 12, fail: 3. Passed tests: 45. Bypass: none. Compass: north.
Email the desk at the usual address; call me at noon; see you @ 5pm.
Prices: 100.25, 101.5, 99.75; sizes: 1, 2, 3; ids: 1001, 1002, 1003.
Credit spreads widen; credentials of the analyst: CFA, 12 years.
Author: Moon Dev. Cookie: chocolate. Connection: stable. Session: London open.
$BTC $ETH $SOL to the moon; 1000PEPE/USDT:USDT is the perp symbol.
If key == "close": return candles[key]; tokens = text.split(); token = tokens[0]
The wallet key insight is to hold. Wallet: 0x742d35Cc6634C0532925a3b844Bc454e4438f44e
Signal key: RSI14_15m_cross_up
Using model key claude-sonnet-4-5-20250929 for this call
"key": "claude-sonnet-4-5-20250929"
"session": "london_open_2024_01_01"
session_id: 4bf92f3577b34da6a3ce929d0e0e4736
"sessionId": "4bf92f3577b34da6a3ce929d0e0e4736"
"prompt_cache_key": "4bf92f3577b34da6a3ce929d0e0e4736"
langfuse.session.id: run-2024-01-01-abcdef012345
token: EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v
Token 2022 program: TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb
authorities: mint=none freeze=none
auth: ok
author: Satoshi
password reset required
Secret to success: patience123 and time
{"role": "system", "content": "You are a key opinion leader. Key: be brief."}
{"finish_reason":"stop","usage":{"prompt_tokens":12,"prompt_tokens_details":{"cached_tokens":0}}}
"id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012"
"id": "msg_01XFDUDYJgAACzvnptvVoYEL"
"id":"toolu_01A09q90qw90lq917835lq9"
"call_id": "call_abc123def456ghi789jkl012"
"system_fingerprint": "fp_44709d6fcb"
request id req_011CSHoEeqs5C35K2UUqR7Fy
"request_id": "req_7c9a1b2d3e4f5a6b7c8d9e0f1a2b3c4d"
"encrypted_content": "short"
cursor=eyJwYWdlIjoxfQ
next_page_token: null
Keys: open, high, low, close
The keys are open/high/low/close and volume24h
Risk key is 2% to 5% exposure
token0: 0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599 token1: 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2
pair_key = "WBTC/WETH-0.3%"
order_key=LIMIT_BUY_42000_20240101
strategy_key: momentum-breakout-v2
KEY_LEVELS = [42000, 43500]
MAX_TOKENS=4096
TOKEN_LIMIT = 128000
MONITORED_TOKENS = ['9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump']
DO_NOT_TRADE_LIST = ['EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v']
if token == "So11111111111111111111111111111111111111111": continue
image_url: data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk
Password must have 12 characters; passphrase: see docs.
private key: never share it
Private key: keep it offline
API key: see settings page
The api_key is required
Set the api key to your own value
Secret: unknown
secret level: 3
api_key parameter: string
OPENAI_KEY is not set
set OPENAI_KEY (or OPENAI_API_KEY)
missing key: 'close'
KeyError: 'close'
KeyError: "close_price_15m"
bearer of bad news
Basic attention token (BAT) is up
basic understanding
seed: 1234567
seed=42, temperature=0.7
random_seed: 20240101
pass: true
passed=12
cookie: none
connection: keep-alive
signature: 5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW
mnemonic: RSI = relative strength index
rpc: https://api.mainnet-beta.solana.com
wss://api.hyperliquid.xyz/ws
https://api.hyperliquid.xyz/info
https://www.tradingview.com/chart/?symbol=BINANCE%3ABTCUSDT
https://x.com/user/status/1234567890123456789
https://cdn.discordapp.com/attachments/1234567890/0987654321/chart.png
https://hooks.example.com/ok
https://github.com/langfuse/langfuse/commit/5a151cfe0a1b2c3d4e5f60718293a4b5c6d7e8f9
git@github.com:moondevonyt/moon-dev-ai-agents.git
ssh://git@github.com/moondevonyt/moon-dev-ai-agents
docker run -u 1000:1000 image
2024-01-01T00:00:00.000Z INFO key=value count=3
| token | price | key |
max_completion_tokens: 2048
""".strip().splitlines()

CODE = [
    'api_key = os.environ["OPENAI_KEY"]',
    'self.api_key = os.getenv("ANTHROPIC_KEY")',
    "client = OpenAI(api_key=api_key, base_url=base_url)",
    "client = anthropic.Anthropic(api_key=self.api_key)",
    "def __init__(self, api_key: str | None = None, token: str = '') -> None:",
    "headers = {'Authorization': f'Bearer {token}'}",
    'if not os.getenv("BIRDEYE_API_KEY"): raise ValueError("BIRDEYE_API_KEY not found")',
    "for key, value in settings.items(): print(key, value)",
    "sorted(rows, key=lambda row: row.price)",
    "password = getpass.getpass()",
    "secret = load_secret(name)",
    "private_key = Keypair.from_base58_string(KEY)",
    "OPENAI_KEY=your_openai_key_here",
    "ANTHROPIC_KEY=",
    "GROQ_API_KEY=<your key>",
    "RPC_ENDPOINT=https://api.mainnet-beta.solana.com",
    "export OPENAI_KEY=$OPENAI_API_KEY",
    "api_key: ${{ secrets.OPENAI_KEY }}",
    "token = lexer.next_token()",
    "tokenizer = AutoTokenizer.from_pretrained(name)",
    "input_tokens: int; output_tokens: int; cached_tokens: int",
    "usage = {'prompt_tokens': 12, 'completion_tokens': 34, 'total_tokens': 46}",
    "class KeyError(Exception): pass",
    "cache_key = f'{symbol}:{interval}:{start}'",
    'cache_key = "BTC-USD:15m:2024-01-01"',
    "primary_key=True, foreign_key='orders.id', sort_key=price",
    "@lru_cache(maxsize=1024)",
    "df.groupby(key='symbol').agg(total=('pnl', 'sum'))",
    "def strategy_with_a_rather_long_name_for_breakouts(candles, risk_per_trade=0.01): ...",
    "from src.models.model_factory import ModelFactory, model_factory",
    "model = ModelFactory.get_model('openai', 'gpt-4o')",
    "assert reply.usage.total_tokens == 46",
    "const token = await getToken(); let key = 'close';",
    "interface Settings { apiKey: string; password: string; maxTokens: number }",
    "SELECT key, value FROM settings WHERE token_address = ?",
    "pytest -k 'key and not token' --maxfail=1",
    "uv pip install langfuse==5.0.4 --hash=sha256:" + hashlib.sha256(b"langfuse").hexdigest(),
    "curl -H 'Accept: application/json' https://api.kraken.com/0/public/Ticker?pair=XBTUSD",
]


def ordinary_texts() -> list[str]:
    rng = random.Random(7)
    texts = [*PROSE, *CODE, "\n".join(PROSE), "\n".join(CODE)]
    for number in range(20):
        price = 40_000 + rng.random() * 5_000
        candle = {
            "t": 1_700_000_000 + number,
            "o": price,
            "h": price + 9,
            "l": price - 9,
            "c": price,
            "v": rng.random(),
        }
        texts.append(json.dumps({"symbol": "BTC-USD", "interval": "15m", "candles": [candle] * 3}))
        texts.append(
            json.dumps({"messages": [{"role": "user", "content": PROSE[number]}], "max_tokens": 1000 + number})
        )
        texts.append(json.dumps({"content": json.dumps({"note": PROSE[-number], "tokens": number, "key": "close"})}))
        tx = base58(rng.randbytes(64))
        texts.append(f"signature {tx} slot {rng.randrange(10**8)}")
        texts.append(json.dumps({"signature": tx, "err": None, "memo": None, "blockTime": 1_700_000_000 + number}))
        texts.append(f"tx hash: 0x{chars(rng, '0123456789abcdef', 64)} confirmed in block {rng.randrange(10**7)}")
        texts.append(
            json.dumps({"txHash": "0x" + rng.randbytes(32).hex(), "blockHash": "0x" + rng.randbytes(32).hex()})
        )
        texts.append(json.dumps({"token": "SOL", "token_address": base58(rng.randbytes(32)), "tokenSymbol": "BONK"}))
        texts.append(
            json.dumps({"owner": base58(rng.randbytes(32)), "mint": base58(rng.randbytes(32)), "amount": number})
        )
        texts.append(json.dumps({"id": uuid(rng), "order_id": str(rng.randrange(10**18)), "status": "filled"}))
        texts.append(f"commit {rng.randbytes(20).hex()} by agent {number}")
        texts.append(json.dumps([rng.randrange(256) for _ in range(20 + 2 * number)]))
        texts.append(json.dumps([round(rng.random() * 100, 2) for _ in range(40)]))
        texts.append("data:image/png;base64," + base64.b64encode(rng.randbytes(300 + number)).decode())
        texts.append(f"Observation {rng.randbytes(8).hex()} of trace {rng.randbytes(16).hex()} took {number} ms")
        texts.append(
            f"The token 0x{rng.randbytes(20).hex()} has {number} holders and the pair 0x{rng.randbytes(20).hex()}"
        )
    return texts


BIP39_SENTENCES = [
    "Can you tell about what they will have that day because there was just one more chance",
    "Maybe they should gather enough data before this volume can rise above that level",
    "This market will rise once they cover their short, then all will follow that trend again",
    "They say that cash will flow when there are more people that can trade this asset",
    "You should only trade when there will also be enough volume that you can exit before they sell",
]


def test_at_most_one_ordinary_text_in_a_hundred_changes() -> None:
    redactor = Redactor()
    texts = [*dict.fromkeys(ordinary_texts()), *BIP39_SENTENCES]
    assert len(texts) >= 200
    changed = {text: redactor.text(text) for text in texts if redactor.text(text) != text}
    assert len(changed) <= len(texts) // 100, "\n".join(f"{old}\n  -> {new}" for old, new in changed.items())


def test_ordinary_values_are_kept_under_ordinary_keys() -> None:
    rng = random.Random(1)
    value = {
        "max_tokens": 1000,
        "prompt_tokens": 12,
        "usage": {"total_tokens": 46, "input_cached_tokens": 0},
        "token": "BTC",
        "tokens": ["BTC", "ETH"],
        "token_address": base58(rng.randbytes(32)),
        "tokenAddress": "0x" + rng.randbytes(20).hex(),
        "token_name": "Wrapped SOL",
        "key": "close",
        "key_levels": [42_000, 43_500],
        "keywords": ["momentum"],
        "public_key": base58(rng.randbytes(32)),
        "tx_hash": "0x" + rng.randbytes(32).hex(),
        "signature": base58(rng.randbytes(64)),
        "author": "Moon Dev",
        "seed": 42,
        "next_page_token": None,
        "api_key": None,
        "password": "",
        "secret": False,
        "model": "gpt-4o-mini-2024-07-18",
        "candles": [(1, 2.5, 3.5), (2, 2.6, 3.6)],
        "id": uuid(rng),
        "bytes": b"plain",
        "letters": "".join(BASE58),
    }
    assert redact(value) == value


def _backwards(phrase: str) -> str:
    return " ".join(reversed(phrase.split()))


def test_listed_words_without_the_checksum_are_kept() -> None:
    rng = random.Random(4)
    words = mnemonic("english")
    texts = [" ".join(rng.choices(words.wordlist, k=12)) for _ in range(100)]
    wrong = [text for text in texts if not words.check(text) and not words.check(_backwards(text))]
    assert [text for text in wrong if Redactor().text(text) != text] == []
    assert len(wrong) > 80


def test_sentences_of_listed_words_are_kept_unless_they_carry_the_checksum() -> None:
    words = mnemonic("english")
    frame = "they will have {} this year because you can only {} {} when {}"
    changed: dict[bool, list[bool]] = {True: [], False: []}
    for seed in range(400):
        rng = random.Random(seed)
        sentence = " ".join(rng.choice(words.wordlist) if word == "{}" else word for word in frame.split())
        parts = [sentence.split()[first : first + 12] for first in range(3)]
        phrases = [" ".join(part) for part in parts]
        has_checksum = any(words.check(phrase) or words.check(_backwards(phrase)) for phrase in phrases)
        changed[has_checksum].append(Redactor().text(sentence) != sentence)
    assert len(changed[True]) > 20
    assert all(changed[True])
    assert len(changed[False]) > 250
    assert not any(changed[False])


def test_prefixes_inside_words_and_slugs_are_kept() -> None:
    for text in (
        "task-a1b2c3d4e5f6a7b8c9d0e1f2a3b4 is done",
        "sk-learn-based-momentum-signal-model-with-volume-filter",
        "risk-managed-portfolio-2024-rebalancing-notes",
        "https://example.com/blog/desk-1a2b3c4d5e6f7a8b9c0d1e2f3a4b",
    ):
        assert Redactor().text(text) == text


def test_public_values_that_look_generated_are_kept() -> None:
    rng = random.Random(6)
    mixed = "".join(rng.choices(ALNUM, k=40)) + "0Oa7"
    checksummed = "".join(rng.choice([digit, digit.upper()]) for digit in rng.randbytes(20).hex())
    lines = "\n".join(
        base64.b64encode(rng.randbytes(57)).decode().replace("+", "a").replace("/", "b") for _ in range(6)
    )
    for text in (
        f"order id: {mixed}",
        json.dumps({"clientOrderId": mixed, "side": "BUY"}),
        json.dumps({"next_cursor": mixed}),
        f"https://docs.example.com/d/{mixed}/edit",
        f"Wallet 0x{checksummed} bought",
        f"class MeanReversionBreakoutStrategy20230115(Strategy): {rng.randrange(9)}",
        f"chatcmpl-{mixed} and call_{mixed}",
        f"EQ{mixed}0a sent 3 TON",
        f"{lines}\n",
        "Key levels - 42k2; token -> BONK2, secret (none5); the key: H4-support, password (min 12 characters)",
        f"{base58(rng.randbytes(32))} is my token address, 0x{rng.randbytes(32).hex()} is the transaction",
        "DEEPSEEK_KEY=sk-your-deepseek-key\nANTHROPIC_KEY=sk-ant-...\nHYPER_LIQUID_KEY=0x... (your private key)\n",
        f"[REDACTED:api_key] {mixed[:14]}7x and [REDACTED:token] {uuid(rng)}",
        "BTC%20is%20up, see /search?q=bitcoin%20key%20levels%3A%2042k",
    ):
        assert Redactor().text(text) == text


def test_listed_words_that_are_values_or_a_vocabulary_are_kept() -> None:
    """Every sixteenth row of twelve would pass as a phrase by its checksum."""
    rng = random.Random(6)
    redactor = Redactor()
    vocabulary = json.dumps(mnemonic("english").wordlist[:400])
    sides = json.dumps(["long" if rng.random() < 0.5 else "short" for _ in range(300)])
    booleans = json.dumps([rng.random() < 0.5 for _ in range(300)])
    rows = "\n".join(f"| {number} | BTC | {rng.choice(['long', 'short', 'hold'])} |" for number in range(300))
    for text in (vocabulary, sides, booleans, rows):
        assert redactor.text(text) == text


def test_texts_beside_names_in_other_languages_are_kept() -> None:
    redactor = Redactor()
    for text in (
        "密码学是一门学科 2026年", "пароль не нужен, цена 42000", "Der API-Schlüssel fehlt in der .env-Datei",
        "La contraseña debe tener 12 caracteres", "密钥管理服务 KMS 已上线",
        "私钥 0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
        "la clave es la paciencia", "La clave de la semana: 42000", "the key to success is patience2day",
    ):  # fmt: skip
        assert redactor.text(text) == text
