"""A secret is found among lines that repeat, whatever its line shares with harmless ones."""

from __future__ import annotations

import random

import pytest

from src.observability.redaction import Redactor
from tests.unit.observability.secret_samples import ENGINES, SHAPED_SECRETS

HARMLESS = [
    "for key, value in settings.items(): print(key, value)",
    'api_key = os.environ["OPENAI_KEY"]',
    "if key == 'close': return candles[key]; tokens = text.split(); token = tokens[0]",
    "usage = {'prompt_tokens': 12, 'completion_tokens': 34}",
    "client = OpenAI(api_key=api_key, base_url=base_url)",
    "password:",
    'secret = "',
    "token = (",
    "the password is",
    "api_key: |",
]
HIDDEN = "zq8Lw3vN5rT1xK7m"
# What makes the value of a line above, or of the line itself, a secret.
ASSIGNED = [
    f"password = {HIDDEN}",
    f'api_key = "{HIDDEN}"',
    f"password:\n  {HIDDEN}",
    f"api_key: |\n  {HIDDEN}",
    f'secret = "{HIDDEN}\n"',
    f"DB_PASSWORD={HIDDEN}",
    f"client_secret={HIDDEN}, other=1",
    f'{{"token": "{HIDDEN}"}}',
    f"the password is {HIDDEN}",
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("assigned", ASSIGNED)
def test_an_assignment_is_found_among_equal_and_harmless_lines(assigned: str, engine: str) -> None:
    rng = random.Random(assigned)
    lines = rng.choices(HARMLESS[:5], k=60)
    for place in (0, 30, 60):
        text = "\n".join([*lines[:place], assigned, *lines[place:]])
        clean = Redactor(engine=engine).text(text)  # type: ignore[arg-type] # a name of an engine
        assert HIDDEN not in clean
        assert [line for line in clean.splitlines() if line in HARMLESS[:5]] == lines


@pytest.mark.parametrize("engine", ENGINES)
def test_a_line_that_leads_on_is_judged_with_the_lines_below_it(engine: str) -> None:
    redactor = Redactor(engine=engine)  # type: ignore[arg-type] # as above
    harmless = "password:\nuser: ann\n"
    text = harmless * 30 + f"password:\n  {HIDDEN}\n" + harmless * 30
    assert redactor.text(text) == text.replace(HIDDEN, "[REDACTED:password]")


@pytest.mark.parametrize("engine", ENGINES)
def test_secrets_of_addresses_are_found_wherever_the_address_stands(engine: str) -> None:
    redactor = Redactor(engine=engine)  # type: ignore[arg-type] # as above
    key = SHAPED_SECRETS["groq"](random.Random(2)).removeprefix("gsk_")
    plain = "https://api.example.org/v3/klines?symbol=BTCUSDT&limit=100\n" * 20
    for address in (
        f"https://api.example.org/v3/klines?symbol=BTC&api_key={key}",
        f"https://api.example.org/v3/klines?api_key2={key}&limit=7",
        f"https://a.example.org/?next=https://b.example.org/x?access_token={key}",
        f"https://user:{key}@a.example.org/x",
        f"https://mainnet.infura.io/v3/{key}",
    ):
        clean = redactor.text(plain + address + "\n" + plain)
        assert key not in clean
        assert clean.startswith(plain)
        assert clean.endswith(plain)
