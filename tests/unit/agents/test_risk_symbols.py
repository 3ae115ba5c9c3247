from __future__ import annotations

from itertools import combinations

import pytest

from src.agents.risk_rules import Limits, Portfolio, Position, RiskAction, RiskInputError, judge

SAME = [
    "BTC-USD BTC/USD btc-usd BTCUSD BTC BTC_USD BTC.USD BTC:USD XBTUSD XBT/USD XXBTZUSD $BTC BTC-USDT BTCUSDT BTCUSDC "
    "BTC/USDT BTCFDUSD BTC/USDC:USDC BTC-USD:USDC BTC/USD:BTC BTC-PERP BTCPERP BTC-PERPETUAL BTCUSDT.P BTC-USDT-SWAP "
    "BTC_USDT_SWAP BTC-USD-SWAP PF_XBTUSD BTC-PERP-INTX BINANCE:BTCUSDT COINBASE:BTC-USD BTC/USD:BTC-251226 "
    "BTC/USD:BTC-251226-100000-C BTC-27DEC24 BTC-27DEC24-100000-C BTCUSDT_241227 BTC-USD-241227 "
    "XBTUSDTM XBTUSDM tBTCUSD BTCF0:USTF0 BTCUSDH26 XBTZ25 BTC1! BTC-27JUN25 USDT_BTC USDT-BTC USD-BTC "
    "\uff22\uff34\uff23\uff0f\uff35\uff33\uff24",
    "BTC BTCUSDT-PERP.BINANCE BTC/USDT.BINANCE BTCUSDT.BINANCE BTC-PERP.HYPERLIQUID BTC-USD-PERP.DYDX "
    "BTCUSDT-LINEAR.BYBIT XBTUSD.BITMEX BTC-USDT-SWAP.OKX BTCUSDT@BINANCE BTC-USD-PERP.COINBASE_INTX "
    "BINANCE_SPOT_BTC_USDT BINANCEFTS_PERP_BTC_USDT BTCUSD.r BTCUSD.raw BTCUSDpro BTCUSD# BTCUSDm BTCUSDT.x XBT/USDT.P "
    "BTC-USD_UM-SWAP PERP_BTC_USDT #BTCUSD BTC-USD:SPOT BTC:PERP BTCTUSD BTCBUSD BTCDAI XBTTUSD B\u200bTC BTC\ufeff",
    "BTC BTC\\USD BTC;USD BTC,USDT (BTC) BTC(spot) 'BTC-USD' BTC\u2022USD BTC-USD.CC",
    "BTC XXBT XBT.M XXBT.F BTC.F BTCH2026 BTC/USDC.e BTC/USDT0",
    "ETH-USD XETH ETH.F ETH2.S XETHZUSD",
    "ETHBTC XETHXXBT",
    "DOT DOT.S DOTUSDT",
    "XXRP XRP XRPUSD",
    "EUR ZEUR EURUSD",
    "USDC USDC.M USDCUSDT",
    "SHIB1000USDT 1000SHIBUSDT SHIB KSHIB/USDC:USDC",
    "KPEPE/USDC:USDC kPEPE 1000PEPEUSDT",
    "ES ES1! ESZ25 ESZ2025",
    "AAPL AAPL:US AAPL240621C00190000 O:AAPL240621C00190000",
    "BRK.B BRK.B.US BRK/B",
    "US30 US30.cash US30m US30_i",
    "AAPL AAPL.NASDAQ AAPL.XNAS",
    "DYDX DYDX-USD DYDX-USD-PERP DYDX-USD-PERP.DYDX DYDXUSDT",
    "PEPE 1000PEPE kPEPE 1000PEPEUSDT 1000PEPE/USDT:USDT PEPE-USD kPEPE/USDC:USDC",
    "EURUSD EUR/USD EUR-USD EURUSD=X eurusd OANDA:EURUSD FX:EURUSD EURUSD.m EURUSDm EURUSD.pro EURUSD_i EURUSD#",
    "USDJPY USD/JPY usd-jpy USD_JPY",
    "ETHBTC ETH/BTC ETH-BTC eth_btc BINANCE:ETHBTC",
    "TSLA TSLA-USD XYZ-TSLA/USDC:USDC xyz:TSLA NASDAQ:TSLA",
    "BRK.B BRK-B BRK/B brk.b",
    "DOGE XDGUSD XXDGZUSD DOGE-USD tDOGE:USD DOGEUSDTM",
    "AAPL AAPL.US US.AAPL NASDAQ:AAPL",
    "BTC-KRW KRW-BTC BTC/KRW",
    "DOT DOTUSD DOT-USD DOTUSDT",
    "BNB BNBUSD BNB/BUSD BNBUSDT",
    "1INCH 1INCHUSDT 1INCH-USD",
    "USDC USDC/USD USDCUSDT USDC-USD",
    "USDT USDTUSD USDT/USD",
    "STETH STETH-USD stETH/USDT",
    "S/USDT SUSDT S-USD",
    "PERP PERP-USD PERPUSDT PERP-USD-PERP",
    "JUP/USDC JUP JUPUSDT",
    "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2 0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",
]
DIFFERENT = [
    *(
        "BTC-USD",
        "BTC-EUR",
        "BTC/JPY",
        "ETH-USD",
        "ETH/BTC",
        "ETC-USD",
        "WBTC",
        "GBTC",
        "BCH",
        "BTT",
        "STETH",
        "SOL",
        "SOLV",
    ),
    *("EURUSD", "EURGBP", "EUR/JPY", "USDJPY", "GBPUSD", "USDC", "USDT", "GOOGL", "GOOG", "BRK.A", "BRK.B", "S", "SUI"),
    *("C98", "API3", "GMT", "GM", "USDM", "US30", "BTC-KRW"),
    *("US500", "GER40", "GEMINI", "KRAKEN", "SPOT-USD", "UM", "OPT/USDT", "BTCT", "ETHW"),
    *("XOM", "XLE", "ZM", "F", "M", "NESN.S", "VOD:LN", "BARC:LN", "NYSE:GE", "NYSE:AU", "XBI", "AAPL:US", "MSFT:US"),
    *("1INCH", "INCH", "PEPE", "PEOPLE", "DO", "DOT", "BN", "BNB", "So11111111111111111111111111111111111111112"),
    "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
]


def is_one_exposure(first: str, second: str) -> bool:
    """Tell whether two positions are within the limit alone and above it together."""
    lots = (Position(symbol=first, value_usd=200), Position(symbol=second, value_usd=200))
    return judge(Portfolio(1_000, 1_000, lots), Limits()).demanded is RiskAction.REDUCE


@pytest.mark.parametrize("spellings", SAME, ids=lambda text: text.split()[0])
def test_spellings_of_one_exposure_are_held_together(spellings: str) -> None:
    first, *others = spellings.split()
    assert [other for other in others if not is_one_exposure(first, other)] == []


def test_different_exposures_are_held_apart() -> None:
    assert [pair for pair in combinations(DIFFERENT, 2) if is_one_exposure(*pair)] == []


def test_names_with_spaces_are_those_of_bloomberg_and_of_options() -> None:
    assert is_one_exposure("AAPL US Equity", "AAPL")
    assert is_one_exposure("AAPL  240621C00190000", "AAPL")
    assert not is_one_exposure("SAP GR Equity", "SAP US Equity")


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("\u0412\u0422\u0421-USD", "CYRILLIC CAPITAL LETTER VE"),
        ("\u0391\u0392C", "GREEK CAPITAL LETTER ALPHA"),
        ("B\u0131TC", "LATIN SMALL LETTER DOTLESS I"),
        ("\ua4d0TC-USD", "LISU LETTER BA"),
        ("BTC\u0338", "COMBINING LONG SOLIDUS OVERLAY"),
        ("BTC\u0663", "ARABIC-INDIC DIGIT THREE"),
    ],
)
def test_names_with_letters_that_look_like_others_are_refused(symbol: str, name: str) -> None:
    with pytest.raises(RiskInputError, match=rf"positions\[0\].*{name}.*letters A to Z"):
        judge(Portfolio(1_000, 1_000, (Position(symbol=symbol, value_usd=200),)), Limits())


@pytest.mark.parametrize("symbol", ["BTC\u2013USD", "BTC\u2215USD", "BTC\ufe0f-USD", "BTC\u2011USDT", "BTC\u3164-USD"])
def test_dashes_slashes_and_what_shows_nothing_make_no_other_exposure(symbol: str) -> None:
    assert is_one_exposure(symbol, "BTC-USD")


def test_coins_with_chinese_names_are_exposures_of_their_own() -> None:
    assert is_one_exposure("\u5e01\u5b89\u4eba\u751fUSDT", "\u5e01\u5b89\u4eba\u751f/USDT")
    assert not is_one_exposure("\u5e01\u5b89\u4eba\u751fUSDT", "BTCUSDT")
