"""Texts that break parsers: too deep, too long, circular, or in another language."""

from __future__ import annotations

from tests.long import rounds

_MESSAGES = "[{'role': 'user', 'content': %s}]"
_ASK = f"client.chat.completions.create(model='gpt-4o', messages={_MESSAGES}).choices[0].message.content"
_SAY = _ASK % "'x'"
_START = "from openai import OpenAI\nclient = OpenAI()\n"
SHAPES = {
    "nothing": "",
    "a mark alone": "\ufeff",
    "a comment alone": "# openai",
    "no newline at the end": _START + "print(" + _SAY + ")",
    "a long line": _START + "x = " + _ASK % repr("long " * 40_000),
    "many lines": _START + "x = 1\n" * rounds(800, 3_000) + "print(" + _SAY + ")\n",
    "many calls": _START + "".join(f"x{n} = {_ASK % n}\n" for n in range(60)),
    "many functions": _START + "".join(f"def f{n}(p):\n    return {_ASK % 'p'}\n" for n in range(50)),
    "deep brackets": _START + "x = " + "(" * 80 + _SAY + ")" * 80,
    "deeper brackets": _START + "x = " + "[" * 3_000 + _SAY + "]" * 3_000,
    "a long sum": _START + "x = " + _ASK % (" + ".join(["'a'"] * 5_000)),
    "a long chain": _START + "x = client" + ".a" * 5_000 + "\nprint(" + _SAY + ")",
    "joined texts": _START + "x = " + _ASK % (" ".join(["'a'"] * 6_000)),
    "many conditions": _START + "x = " + _ASK % (" and ".join(["a"] * 20_000)),
    "many minus signs": _START + "x = " + _ASK % ("-" * 6_000 + "1"),
    "calls in calls": _START + "x = " + "f(" * 90 + _SAY + ")" * 90,
    "calls as prompts": _START + "x = " + _ASK % (_ASK % (_SAY)),
    "deep blocks": _START + "".join(" " * n + "if x:\n" for n in range(90)) + " " * 90 + "print(" + _SAY + ")",
    "deep functions": _START + "".join(" " * n + f"def f{n}():\n" for n in range(60)) + " " * 60 + "return " + _SAY,
    "many branches": _START + "if a:\n    pass\n" + "elif b:\n    pass\n" * 400 + "else:\n    print(" + _SAY + ")",
    "names in a ring": "from openai import OpenAI\na = b\nb = c\nc = a\nclient = a\nclient = OpenAI(base_url=b)\n"
    + _ASK % "a",
    "a client of itself": "from openai import OpenAI\nclient = OpenAI()\nclient = client\nmsgs = msgs\n"
    + _ASK % "client",
    "doubling names": _START
    + "a0 = 'x'\n"
    + "".join(f"a{n} = a{n - 1} + a{n - 1}\n" for n in range(1, 60))
    + _ASK % "a59",
    "doubling calls": "from openai import OpenAI\ndef f0(): return OpenAI()\n"
    + "".join(f"def f{n}(): return f{n - 1}() if x else f{n - 1}()\n" for n in range(1, 40))
    + "client = f39()\n"
    + _SAY,
    "recursion": "from openai import OpenAI\ndef f(c=None):\n    return f(c)\nclient = f(OpenAI())\n" + _ASK % "f(f)",
    "null bytes": _START + "\x00print(" + _SAY + ")",
    "an odd cookie": "# coding: utf-7\n" + _START + _SAY,
    "an unknown cookie": "# coding: klingon\n" + _START + _SAY,
    "lone surrogates": _START + _ASK % r"'\ud800'",
    "python 2": "import openai\nprint 'x'\nexec 'y'\n",
    "a type alias and generics": "from openai import OpenAI\ntype X = int\ndef f[T](c: T) -> T: return c\n",
    "match": _START + "match " + _SAY + ":\n    case 'BUY': pass\n    case _: pass\n",
    "nested texts": _START + 'x = f"{' + _SAY + "!r:>{len('y')}}\"\n",
    "decorators": _START + "@(lambda f: f)\ndef f(x=" + _SAY + "):\n    return x\n",
    "stars": "from openai import *\nfrom anthropic import *\nclient = OpenAI()\n" + _SAY,
}
