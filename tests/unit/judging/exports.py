"""Trade exports as exchanges write them, with the fills that they hold, read by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MINT = "9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump"
SOL = "So11111111111111111111111111111111111111112"


@dataclass(frozen=True)
class Export:
    """A file, and what stands in it; `zone` and `dates` are what its reader has to be told."""

    text: str
    fills: list[tuple[Any, ...]]
    skipped: dict[str, int] = field(default_factory=dict)
    zone: str | None = None
    dates: str | None = None


EXPORTS = {
    "binance spot": Export(
        "\ufeff\"Date(UTC)\",\"Pair\",\"Side\",\"Price\",\"Executed\",\"Amount\",\"Fee\"\n"
        "\"2021-06-07 16:02:28\",DOGEBTC,SELL,0.00001006,\"1,200.0000DOGE\",0.00201200BTC,0.0000020100BTC\n",
        [("DOGE-BTC", -1, "0.00001006", "1200.0000", [("0.0000020100", "BTC")], None, True,
          "2021-06-07T16:02:28+00:00")],
    ),
    "binance spot, before 2021": Export(
        "Date(UTC);Market;Type;Price;Amount;Total;Fee;Fee Coin\n"
        "2018-02-15 10:00:00;ETHBTC;BUY;0.09;2;0.18;0.01;BNB\n",
        [("ETH-BTC", 1, "0.09", "2", [("0.01", "BNB")], None, True, "2018-02-15T10:00:00+00:00")],
    ),
    "binance futures": Export(
        "Uid,Time,Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit,Buyer,Maker,Trade ID,Order ID\n"
        "99,26-03-17 09:34:12,BTCUSDC,BUY,73822.3,0.01,738.223,0.29528919 USDC,0.28,true,false,41,49\n"
        "99,26-03-17 09:35:12,BTCUSD_PERP,BUY,73822.3,5,500,0.1 BTC,0,true,false,42,50\n",
        [("BTC-USDC", 1, "73822.3", "0.01", [("0.29528919", "USDC")], None, False, "2026-03-17T07:34:12+00:00")],
        {"it is settled in the coin itself": 1}, zone="+02:00",
    ),
    "binance api": Export(
        '[{"symbol":"BNBBTC","id":28457,"orderId":100234,"price":"4.00","qty":"12.0","quoteQty":"48.0",'
        '"commission":"10.1","commissionAsset":"BNB","time":1499865549590,"isBuyer":true,"isMaker":false}]',
        [("BNB-BTC", 1, "4.00", "12.0", [("10.1", "BNB")], None, True, "2017-07-12T13:19:09.590000+00:00")],
    ),
    "coinbase fills": Export(
        "portfolio,trade id,product,side,created at,size,size unit,price,fee,total,price/fee/total unit\n"
        "default,382592,XLM-EUR,SELL,2019-06-26T13:35:21.940Z,131.0,XLM,0.11375,0.02,14.88,EUR\n",
        [("XLM-EUR", -1, "0.11375", "131.0", [("0.02", "EUR")], None, True, "2019-06-26T13:35:21.940000+00:00")],
    ),
    "coinbase transactions": Export(
        "\nTransactions\nUser,Somebody,acct\n"
        "ID,Timestamp,Transaction Type,Asset,Quantity Transacted,Price Currency,Price at Transaction,Subtotal,"
        "Total (inclusive of fees and/or spread),Fees and/or Spread,Notes\n"
        'a,2024-02-08 16:31:22 UTC,Advanced Trade Sell,BTC,-0.01,CAD,"$60,000.00",$600.00,$590.00,$10.00,"Sold, all"\n'
        "b,2024-02-08 16:31:23 UTC,Receive,BTC,1,CAD,$1,$1,$1,$0,\n",
        [("BTC-CAD", -1, "60000.00", "0.01", [("10.00", "CAD")], None, True, "2024-02-08T16:31:22+00:00")],
        {"it is no trade": 1},
    ),
    "kraken trades": Export(
        '"txid","ordertxid","pair","aclass","time","type","ordertype","price","cost","fee","vol","margin","misc",'
        '"ledgers"\n'
        '"T1","O1","XXBTZEUR","forex","2017-04-02 07:31:31.82","buy","limit",7813.4,156.268,0.4,0.02,0,"","L1,L2"\n'
        '"T2","O2","SOL/USD","forex","2017-04-02 07:32:31.82","sell","limit",20,20,0.4,1,5,"",""\n',
        [("BTC-EUR", 1, "7813.4", "0.02", [("0.4", "EUR")], None, True, "2017-04-02T07:31:31.820000+00:00"),
         ("SOL-USD", -1, "20", "1", [("0.4", "USD")], None, False, "2017-04-02T07:32:31.820000+00:00")],
    ),
    "bybit spot": Export(
        "UID: 1,Company Name: ,Country:\n"
        "Spot Pairs,Order Type,Direction,feeCoin,ExecFeeV2,Filled Value,Filled Price,Filled Quantity,Fees,"
        "Transaction ID,Order No.,Timestamp (UTC)\nCCCUSDT,MARKET,BUY,CCC,0.01,20,2,10,--,t1, o1,10:05 2026-01-10\n",
        [("CCC-USDT", 1, "2", "10", [("0.01", "CCC")], None, True, "2026-01-10T10:05:00+00:00")],
    ),
    "bybit derivatives": Export(
        "Market,Filled Type,Filled Quantity,Filled Price,Order Price,Fee Rate,Trading Fee,feeCoin,ExecFeeV2,Direction,"
        "Order Type,Trasaction ID,Order No.,Transaction Time(UTC+0)\n"
        "AAAUSDT,Trade,2,100,100,0.00055,0.11,USDT,0.11,Long,Market, a1, o1,10:00 2026-01-10\n"
        "AAAUSDT,Funding,2,108,0,0.0001,0.02,USDT,0.02,Long,--, f1, g1,08:00 2026-01-11\n",
        [("AAA-USDT", 1, "100", "2", [("0.11", "USDT")], None, False, "2026-01-10T10:00:00+00:00")],
        {"it is no trade": 1},
    ),
    "okx trading history": Export(
        "UID:0,Account Type:Main,Time Zone:UTC+8\n"
        "id,Order id,Time,Trade Type,Symbol,Action,Amount,Trading Unit,Filled Price,PnL,Fee,Fee Unit,Position Change,"
        "Position Balance,Balance Change,Balance,Balance Unit\n"
        "4,12,2026-01-10 11:00:00,Perpetual,AAA-USDT-SWAP,Open long,3,cont,100,0,-0.15,USDT,3,3,0,0,USDT\n"
        "3,200,2025-11-29 08:27:50,Transfer,,Transfer out,0,cont,0,0,0,BTC,0,0,-0.01,0,BTC\n"
        "2,100,2025-11-29 08:25:29,Spot,BTC-USDT,Buy,900,BTC,90000,0,-0.9,USDT,0,0,900,100,USDT\n"
        "1,100,2025-11-29 08:25:29,Spot,BTC-USDT,Sell,0.01,BTC,90000,0,0,BTC,0,0,-0.01,0.0,BTC\n",
        [("BTC-USDT", -1, "90000", "0.01", [("0", "BTC"), ("0.9", "USDT")], None, True, "2025-11-29T00:25:29+00:00")],
        {"it is no trade": 1, "its amount is in contracts of a size that the file does not say": 1},
    ),
    "kucoin fills": Export(
        "UID,Account Type,Order ID,Symbol,Side,Order Type,Avg. Filled Price,Filled Amount,Filled Volume,"
        "Filled Volume (USDT),Filled Time(UTC+02:00),Fee,Tax,Maker/Taker,Fee Currency,Account Mode\n"
        "1,mainAccount,o1,BTC-USDT,BUY,LIMIT,60000,0.1,6000,6000,2026-03-15 16:30:03,6,0,TAKER,USDT,x\n",
        [("BTC-USDT", 1, "60000", "0.1", [("6", "USDT")], None, True, "2026-03-15T14:30:03+00:00")],
    ),
    "kucoin trades, before 2022": Export(
        "tradeCreatedAt,orderId,symbol,side,price,size,funds,fee,liquidity,feeCurrency,orderType,\n"
        "2021-01-15 10:30:00,order1,BTC-USDT,sell,42000,0.5,21000,10.50,taker,USDT,market,\n",
        [("BTC-USDT", -1, "42000", "0.5", [("10.50", "USDT")], None, True, "2021-01-15T02:30:00+00:00")],
        zone="UTC+8",
    ),
    "hyperliquid api": Export(
        '[{"coin":"BTC","px":"100","sz":"0.5","side":"A","time":1700000000000,"startPosition":"0","dir":"Open Short",'
        '"closedPnl":"0.0","hash":"0x","oid":1,"crossed":true,"fee":"0.05","tid":77,"feeToken":"USDC"}]',
        [("BTC-USDC", -1, "100", "0.5", [("0.05", "USDC")], "open", False, "2023-11-14T22:13:20+00:00")],
    ),
    "hyperliquid": Export(
        "time,coin,dir,px,sz,ntl,fee,closedPnl\n"
        "06/01/2025 - 17:38:42,HYPE/USDC,Buy,42.184,20,843.68,0.01344,-0.56695296\n"
        "06/01/2025 - 17:39:42,BTC,Close Short,100,20,2000,0.9,-0.5\n"
        "06/01/2025 - 17:39:43,@107,Sell,100,20,2000,0.9,-0.5\n",
        [("HYPE-USDC", 1, "42.184", "20", [("0.01344", "HYPE")], None, True, "2025-01-06T16:38:42+00:00"),
         ("BTC-USDC", 1, "100", "20", [("0.9", "USDC")], "close", False, "2025-01-06T16:39:42+00:00")],
        {"its market is only a number": 1}, zone="Europe/Paris", dates="day-first",
    ),
    "solscan defi activities": Export(
        "Signature,Block Time,Human Time,Action,From,Token1,Amount1,TokenDecimals1,Token2,Amount2,TokenDecimals2,Value,"
        "Platforms,Sources\n"
        f"sig1,1779096973,2026-05-18T09:36:13.000Z,TOKEN SWAP,me,{SOL},2000000000,9,{MINT},8000000,6,5,x,y\n"
        f"sig2,1779096974,2026-05-18T09:36:14.000Z,ADD LIQUIDITY,me,{SOL},1,9,{MINT},1,6,5,x,y\n",
        [(f"{MINT}-SOL", 1, "0.250", "8.000000", [], None, True, "2026-05-18T09:36:13+00:00")],
        {"it is no trade": 1},
    ),
    "binance futures api": Export(
        '[{"buyer":false,"commission":"0.0781","commissionAsset":"USDT","id":698759,"maker":false,"orderId":25851813,'
        '"price":"7819.01","qty":"0.002","quoteQty":"15.63802","realizedPnl":"-0.91539999","side":"SELL",'
        '"positionSide":"LONG","symbol":"BTCUSDT","time":1569514978020},'
        '{"buyer":true,"commission":"-0.002","commissionAsset":"USDT","id":698760,"maker":true,"orderId":25851814,'
        '"price":"7819.01","qty":"0.002","quoteQty":"15.63802","realizedPnl":"0","side":"BUY",'
        '"positionSide":"BOTH","symbol":"BTCUSDT","time":1569514978021},'
        '{"symbol":"BTCUSD_200626","id":6,"orderId":28,"pair":"BTCUSD","side":"SELL","price":"8800","qty":"1",'
        '"realizedPnl":"0","marginAsset":"BTC","baseQty":"0.01136364","commission":"0.00000454",'
        '"commissionAsset":"BTC","time":1590743483586,"positionSide":"BOTH","buyer":false,"maker":false}]',
        [("BTC-USDT", -1, "7819.01", "0.002", [("0.0781", "USDT")], "close", False,
          "2019-09-26T16:22:58.020000+00:00"),
         ("BTC-USDT", 1, "7819.01", "0.002", [("-0.002", "USDT")], "net", False, "2019-09-26T16:22:58.021000+00:00")],
        {"it is settled in the coin itself": 1},
    ),
    "bybit api": Export(
        '{"retCode":0,"retMsg":"OK","result":{"nextPageCursor":"132766","category":"linear","list":['
        '{"symbol":"ETHPERP","orderType":"Market","side":"Buy","orderId":"8c06","execTime":"1672282722429",'
        '"feeCurrency":"","isMaker":false,"execFee":"0.071409","feeRate":"0.0006","execId":"e0cb","execPrice":"1190.15",'
        '"execValue":"119.015","execType":"Trade","execQty":"0.1","closedSize":"","extraFees":""},'
        '{"symbol":"ETHPERP","side":"Buy","orderId":"","execTime":"1672282722430","feeCurrency":"","execFee":"0.07",'
        '"execId":"e0cc","execPrice":"1190.15","execType":"Funding","execQty":"0.1","closedSize":""}]},'
        '"retExtInfo":{},"time":1672283754510}',
        [("ETH-USDC", 1, "1190.15", "0.1", [("0.071409", "USDC")], None, False, "2022-12-29T02:58:42.429000+00:00")],
        {"it is no trade": 1},
    ),
    "okx api": Export(
        '{"code":"0","msg":"","data":[{"side":"buy","fillSz":"0.00192834","fillPx":"51858","fee":"-0.00000192834",'
        '"fillPnl":"0","ordId":"680800","instType":"SPOT","instId":"BTC-USDT","posSide":"net","billId":"680801",'
        '"fillTime":"1708587373361","execType":"T","tradeId":"744876980","feeCcy":"BTC","ts":"1708587373362"},'
        '{"side":"buy","fillSz":"2","fillPx":"51858","fee":"-0.1","fillPnl":"0","ordId":"2","instType":"SWAP",'
        '"instId":"BTC-USDT-SWAP","posSide":"long","billId":"2","fillTime":"1708587373361","execType":"T",'
        '"tradeId":"2","feeCcy":"USDT","ts":"1708587373362"}]}',
        [("BTC-USDT", 1, "51858", "0.00192834", [("0.00000192834", "BTC")], "net", True,
          "2024-02-22T07:36:13.361000+00:00")],
        {"its amount is in contracts of a size that the file does not say": 1},
    ),
    "coinbase api": Export(
        '{"fills":[{"entry_id":"22","trade_id":"1111","order_id":"0000","trade_time":"2021-05-31T09:59:59.000Z",'
        '"trade_type":"FILL","price":"10000.00","size":"12.5","commission":"1.25","product_id":"BTC-EUR",'
        '"size_in_quote":true,"side":"BUY"},{"entry_id":"23","trade_id":"1112","order_id":"0001",'
        '"trade_time":"2021-05-31T09:59:59.000Z","trade_type":"REVERSAL","price":"10000.00","size":"1",'
        '"commission":"1.25","product_id":"BTC-USD","size_in_quote":false,"side":"BUY"}],"cursor":"789100"}',
        [("BTC-EUR", 1, "10000.00", "0.00125", [("1.25", "EUR")], None, True, "2021-05-31T09:59:59+00:00")],
        {"it reverses or corrects another trade": 1},
    ),
    "coinbase exchange api": Export(
        '[{"created_at":"2024-01-02T03:04:05.678Z","trade_id":74,"product_id":"BTC-USD","order_id":"d50e",'
        '"liquidity":"T","price":"42000.5","size":"0.01","fee":"2.52","side":"sell","settled":true}]',
        [("BTC-USD", -1, "42000.5", "0.01", [("2.52", "USD")], None, True, "2024-01-02T03:04:05.678000+00:00")],
    ),
    "kucoin api": Export(
        '{"code":"200000","data":{"currentPage":1,"items":[{"symbol":"BTC-USDT","tradeId":"5c35","orderId":"5c36",'
        '"side":"buy","liquidity":"taker","price":"0.083","size":"0.8424304","funds":"0.0699217232","fee":"0",'
        '"feeCurrency":"USDT","createdAt":1547026472000,"tradeType":"TRADE"}]}}',
        [("BTC-USDT", 1, "0.083", "0.8424304", [("0", "USDT")], None, True, "2019-01-09T09:34:32+00:00")],
    ),
    "ccxt": Export(
        '[{"id":"1","timestamp":1700000000000,"symbol":"BTC/USDT:USDT","order":"o","side":"buy","price":100.5,'
        '"amount":2,"cost":20.1,"fee":{"cost":0.1,"currency":"USDT"},"fees":[],"info":{}},'
        '{"id":"2","timestamp":1700000000001,"symbol":"ETH/USDT","order":"o","side":"sell","price":5,"amount":2,"cost":10,'
        '"fee":null,"info":{}},'
        '{"id":"3","timestamp":1700000000001,"symbol":"BTC/USD:BTC","order":"o","side":"sell","price":5,"amount":2}]',
        [("BTC-USDT", 1, "100.5", "0.2", [("0.1", "USDT")], None, False, "2023-11-14T22:13:20+00:00"),
         ("ETH-USDT", -1, "5", "2", None, None, True, "2023-11-14T22:13:20.001000+00:00")],
        {"it is settled in the coin itself": 1},
    ),
}  # fmt: skip

# Kraken's interface answers with an object of trades by their ids.
KRAKEN_API = (
    '{"error":[],"result":{"trades":{"THVRQM-33VKH-UCI7BS":{"ordertxid":"OQCLML-BW3P3","postxid":"TKH2SE-M7IF5",'
    '"pair":"XXBTZUSD","time":1616667796.8802,"type":"buy","ordertype":"limit","price":"30010.00000",'
    '"cost":"600.20000","fee":"0.96","vol":"0.02000000","margin":"0.00000","misc":"","trade_id":40274859}},"count":1}}'
)
