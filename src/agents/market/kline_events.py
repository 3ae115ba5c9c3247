"""Read klines as Binance's streams send them: events, each with a bar under `k` that may not be closed yet.

The fields are those of developers.binance.com, WebSocket Streams, "Kline/Candlestick Streams".
"""

from __future__ import annotations

from typing import Any, Final

_FIELDS: Final = {
    "t": "open_time", "o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "s": "symbol",
    "i": "interval", "x": "is_closed",
}  # fmt: skip


def bars_of(data: Any) -> Any:
    """Return events of klines as records with usual names, of each bar the last event; anything else as it is."""
    events = data if isinstance(data, list) else [data]
    klines = [_kline(event) for event in events]
    if not klines or any(kline is None for kline in klines):
        return data
    bars = {}
    for kline in klines:
        if kline is not None:
            bars[kline["s"], kline["i"], kline["t"]] = {name: kline[key] for key, name in _FIELDS.items()}
    return list(bars.values())


def _kline(event: Any) -> dict[str, Any] | None:
    if isinstance(event, dict) and isinstance(event.get("data"), dict) and "stream" in event:
        event = event["data"]
    kline = event.get("k") if isinstance(event, dict) and event.get("e") == "kline" else None
    return kline if isinstance(kline, dict) and _FIELDS.keys() <= kline.keys() else None
