"""Bring names of one platform alone to usual ones: Kraken's balances, Bloomberg's shares, OCC codes of options."""

from __future__ import annotations

import re
from typing import Final

# Kraken's assets as balances have them, and what it may do with them: XXBT, XETH, DOT.S (staked), XBT.M, USDC.F.
_OF_KRAKEN: Final = {
    "XXBT": "BTC", "XETH": "ETH", "XXRP": "XRP", "XLTC": "LTC", "XXLM": "XLM", "XXMR": "XMR", "XZEC": "ZEC",
    "XETC": "ETC", "XXDG": "DOGE", "XREP": "REP", "XMLN": "MLN", "ETH2": "ETH", "ZUSD": "USD", "ZEUR": "EUR",
    "ZGBP": "GBP", "ZJPY": "JPY", "ZCAD": "CAD", "ZAUD": "AUD",
}  # fmt: skip
_STATE: Final = re.compile(r"([A-Z0-9]{2,6})\.[SMFBP]")
_STAKED: Final = frozenset(
    {*_OF_KRAKEN, "XBT", "BTC", "ETH", "XRP", "LTC", "XLM", "XMR", "ADA", "ALGO", "APT", "ATOM", "BABY", "DOT", "FLOW",
     "FLR", "GRT", "INJ", "KAVA", "KSM", "LUNA", "MATIC", "MINA", "NEAR", "POL", "SCRT", "SEI", "SOL", "SUI", "TAO",
     "TIA", "TRX", "XTZ", "USDC", "USDT", "USD", "EUR", "GBP", "DAI", "USDG", "USDR", "EURR", "PYUSD"}
)  # fmt: skip
_COINS_PAIR: Final = re.compile(r"X([A-Z]{3})X(XBT|ETH)")
# Bloomberg: AAPL US Equity, AAPL:US, VOD:LN.
_BLOOMBERG: Final = re.compile(r"([A-Z0-9./]+)[ :]([A-Z]{2})(?: +EQUITY)?")
_COUNTRIES: Final = frozenset(
    {"US", "UN", "UW", "UQ", "LN", "GR", "GY", "FP", "NA", "IM", "SM", "SW", "VX", "SS", "DC", "FH", "NO", "BB", "PL",
     "AV", "JP", "JT", "HK", "CH", "CG", "CS", "KS", "TT", "SP", "AU", "AT", "NZ", "IN", "IB", "CN", "CT", "BZ", "SJ"}
)  # fmt: skip
_OF_THE_US: Final = ("US", "UN", "UW", "UQ")
_STOCK_EXCHANGES: Final = frozenset(
    {"NYSE", "NASDAQ", "AMEX", "ARCA", "BATS", "OTC", "CBOE", "NYSEARCA", "NYSEAMERICAN", "LSE", "XETR", "FWB", "TSX",
     "TSXV", "HKEX", "SSE", "SZSE", "TSE", "ASX", "NSE", "BSE", "SIX", "EURONEXT", "MIL", "BME", "KRX", "TWSE", "SGX",
     "JSE", "B3", "BMFBOVESPA", "TADAWUL", "XNAS", "XNYS", "X", "C", "O"}
)  # fmt: skip
_OCC: Final = re.compile(r"(?:O:|\.)?([A-Z]{1,6}) *\d{6}[CP]\d{8}")  # AAPL240621C00190000


def usual_name(symbol: str) -> str:
    """Return a symbol in capital letters as most platforms would write it."""
    state = _STATE.fullmatch(symbol)
    if state and state[1] in _STAKED:
        symbol = state[1]
    if symbol in _OF_KRAKEN:
        return _OF_KRAKEN[symbol]
    pair = _COINS_PAIR.fullmatch(symbol)
    if pair:
        return f"{pair[1]}{'BTC' if pair[2] == 'XBT' else 'ETH'}"
    option = _OCC.fullmatch(symbol)
    if option:
        return option[1]
    share = _BLOOMBERG.fullmatch(symbol)
    is_share = share and share[2] in _COUNTRIES and (share[1] not in _STOCK_EXCHANGES or " " in symbol)
    if share and is_share:
        return share[1] if share[2] in _OF_THE_US else f"{share[1]}.{share[2]}"
    return symbol
