"""Secrets over several lines and in the columns of a table are found; ordinary tables and lists are left alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from src.observability.redaction import Redactor
from tests.unit.observability.secret_samples import ENGINES

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName

KEY = "Zq8vT2mXw9Kp4LrB7nYc3HdF6sJ1gAeU"
OTHER = "Xy7wP1kRt5Nb8VcD2mQz6LhG9fJ4sKaE"
BREAKS = ["\n", "\r\n", "\n    ", "\n\t", "\\n", "\\r\\n  ", "=\n", "\\\n", "\n> ", "\n# ", "\n// "]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_configured_secret_broken_over_lines_is_found_without_a_name(engine: EngineName, depth: int) -> None:
    redactor = Redactor(secrets=(KEY,), engine=engine)
    for line_break in BREAKS:
        for places in ([10], [20], [9, 18, 27], [24], [2]):
            parts = [KEY[first:last] for first, last in zip([0, *places], [*places, len(KEY)], strict=True)]
            text = f"note: {line_break.join(parts)} and so on"
            for _ in range(depth):
                text = json.dumps(text)
            clean = redactor.text(text)
            assert not any(part in clean for part in parts if len(part) >= 4), text
            assert "and so on" in clean
            assert "note: " in clean


@pytest.mark.parametrize("engine", ENGINES)
def test_one_end_of_a_configured_secret_alone_is_left(engine: EngineName) -> None:
    redactor = Redactor(secrets=(KEY,), engine=engine)
    for text in (f"{KEY[:8]}\nis how it begins", f"it ends with\n{KEY[-8:]}", f"{KEY[:16]}\n\n{KEY[17:]}"):
        assert redactor.text(text) == text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "layout", ["api_key: >-\n  {}\n  {}\nnext: 1", "a:\n  secret_key: |\n    {}\n    {}\n  host: x"]
)
@pytest.mark.parametrize("escaped", [False, True])
def test_a_folded_block_is_redacted_to_its_end(layout: str, engine: EngineName, escaped: bool) -> None:
    text = layout.format(KEY[:16], KEY[16:])
    clean = Redactor(engine=engine).text(json.dumps(text) if escaped else text)
    assert KEY[:16] not in clean
    assert KEY[16:] not in clean
    assert layout.rpartition("\n")[2] in clean


@pytest.mark.parametrize("engine", ENGINES)
def test_lines_after_a_block_are_left(engine: EngineName) -> None:
    for after in ("host: example", "- item", "two words"):
        text = f"api_key:\n  {KEY}\n  {after}\n"
        assert Redactor(engine=engine).text(text) == f"api_key:\n  [REDACTED:api_key]\n  {after}\n"


TABLES = [
    f"name,api_key,note\nbob,{KEY},hi\nann,{OTHER},ho\n",
    f'"name","api_key"\r\n"Bob, the first","{KEY}"\r\n"ann","{OTHER}"\r\n',
    f"API Key;Created At\n{KEY};2026-01-01\n{OTHER};2026-01-02",
    f"user\taccess_token\nbob\t{KEY}\nann\t{OTHER}\n",
    f"accounts:\n\nid,password,rank\n1,hunter2!x{KEY[:4]},3\n2,{OTHER},4\n\nend",
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("escaped", [False, True])
def test_columns_named_like_secrets_are_redacted(table: str, engine: EngineName, escaped: bool) -> None:
    if escaped and "\t" in table:
        return
    clean = Redactor(engine=engine).text(json.dumps({"content": table}) if escaped else table)
    assert KEY not in clean
    assert OTHER not in clean
    assert clean.count("REDACTED") == 2
    if escaped:
        assert json.loads(clean)["content"].count("\n") == table.count("\n")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_escape_before_a_key_is_left(engine: EngineName) -> None:
    for text in (f"my secret key\n{KEY}", f"API key;\t{KEY} of mine"):
        clean = Redactor(engine=engine).text(json.dumps([text]))
        assert KEY not in clean
        assert len(json.loads(clean)[0].split()) == len(text.split())


@pytest.mark.parametrize("engine", ENGINES)
def test_ordinary_tables_are_left(engine: EngineName) -> None:
    for text in (
        "symbol,token,key,price\nSOL,BONK-2024-launch,close,12.5\nETH,WIF,open,3.1\n",
        "key,value\nmax_tokens,1000\nmodel,gpt-4o-mini-2024-07-18\n",
        "token,holders\nEPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v,12\n",
        "Watch the key,\nthen act, and keep the secret\nsafe, always.\n",
        "input_tokens,output_tokens\n123456789012,42\n",
        "api_key,used\nyes,3\nno,4\n",
    ):
        assert Redactor(engine=engine).text(text) == text
