"""Small programs in which something can reach an SDK's client without naming it: the client and its calls must stay.

Each begins with `from openai import OpenAI`, and ASK stands for a chat call and the reading of its reply.
"""

from __future__ import annotations

_START = "import os\nfrom openai import OpenAI\n"
_ASK = 'chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}]).choices[0]'


def programs(text: str) -> dict[str, str]:
    """Return the programs of a text by their titles."""
    parts = (part.partition("\n") for part in text.split("## ")[1:])
    return {title: _START + program.replace("ASK", _ASK) for title, _, program in parts}


HIDDEN = programs("""
## an object that its own class makes
class Desk:
    def __init__(self, client):
        self.client = client
    def ask(self):
        return self.client.ASK
    def with_another(self):
        return self.__class__(os.other)
desk = Desk(OpenAI())
print(desk.ask(), desk.with_another().ask())

## an object that its type makes
class Desk:
    def __init__(self, client):
        self.client = client
    def ask(self):
        return self.client.ASK
    def with_another(self):
        kind = type(self)
        return kind(os.other)
desk = Desk(OpenAI())
print(desk.ask(), desk.with_another().ask())

## a record that is made with a star
from dataclasses import dataclass
@dataclass
class Desk:
    name: str
    client: object
    def ask(self):
        return self.client.ASK
def build(kind, *values):
    return kind(*values)
print(Desk('a', OpenAI()).ask(), build(Desk, 'b', other).ask())

## a record that unknown code makes
from dataclasses import dataclass
@dataclass
class Desk:
    name: str
    client: object
    def ask(self):
        return self.client.ASK
print(Desk('a', OpenAI()).ask(), list(map(Desk, ['b'], [other]))[0].ask())

## a pair that is returned
def make():
    return OpenAI(), 'm'
client, name = make()
print(client.ASK)

## a pair that is yielded
def make():
    yield OpenAI(), 'm'
for client, name in make():
    print(client.ASK)

## pairs in a pool
from concurrent.futures import ThreadPoolExecutor
client = OpenAI()
def ask(pair):
    sdk, text = pair
    return sdk.ASK
with ThreadPoolExecutor(2) as pool:
    print(list(pool.map(ask, [(client, 1)])))

## a list that is appended to
clients = []
clients.append(OpenAI())
for c in clients:
    print(c.ASK)

## a set
clients = {OpenAI()}
for c in clients:
    print(c.ASK)

## zip
for name, c in zip('ab', [OpenAI(), OpenAI(base_url="https://api.deepseek.com")]):
    print(c.ASK)

## map
clients = {'a': OpenAI()}
print(list(map(lambda c: c.ASK, clients.values())))

## a list of pairs
for name, c in [('a', OpenAI()), ('b', OpenAI(base_url="https://api.deepseek.com"))]:
    print(c.ASK)

## a dictionary in a dictionary
config = {'fast': {'client': OpenAI(), 'model': 'm'}}
print(config[chr(102)][chr(99)].ASK, config[str()][str()].ASK)

## a queue
import queue
q = queue.Queue()
client = OpenAI()
q.put(client)
print(client.ASK, q.get().ASK)

## a context variable
from contextvars import ContextVar
c = ContextVar('c')
c.set(OpenAI())
print(c.get().ASK)

## a weak reference
import weakref
client = OpenAI()
ref = weakref.ref(client)
print(ref().ASK, client.ASK)

## a named tuple
from collections import namedtuple
Desk = namedtuple('Desk', 'client name')
desk = Desk(OpenAI(), 'x')
print(desk.client.ASK)

## a typed named tuple
from typing import NamedTuple
class Desk(NamedTuple):
    client: OpenAI
    name: str
desk = Desk(OpenAI(), 'x')
client, name = desk
print(client.ASK, desk.client.ASK)

## a data class as a dictionary
from dataclasses import dataclass, asdict
@dataclass
class Desk:
    client: object
desk = Desk(OpenAI())
for c in asdict(desk).values():
    print(c.ASK)
print(desk.client.ASK)

## an attribute set by a name
class Agent:
    def __init__(self, name='client'):
        setattr(self, name, OpenAI())
    def ask(self):
        return self.client.ASK

print(Agent().ask())

## another client set by a name
class Agent:
    def __init__(self, name='client'):
        self.client = OpenAI()
        setattr(self, name, OpenAI(base_url="https://api.deepseek.com"))
    def ask(self):
        return self.client.ASK

print(Agent().ask())

## an attribute read by a name
class Agent:
    def __init__(self):
        self.client = OpenAI()
    def ask(self):
        return self.client.ASK

c = getattr(Agent(), input())
print(c.ASK, Agent().ask())

## vars that are updated
class Agent:
    def __init__(self, **options):
        self.client = OpenAI()
        vars(self).update(options)
    def ask(self):
        return self.client.ASK

print(Agent().ask())

## a dictionary of attributes
class Agent:
    def __init__(self, **options):
        self.client = OpenAI()
        self.__dict__.update(options)
    def ask(self):
        return self.client.ASK

print(Agent().ask())

## globals that are set
client = OpenAI()
globals()['client'] = OpenAI(base_url="https://api.deepseek.com")
print(client.ASK)

## globals that are read
client = OpenAI()
print(globals()[chr(99)].ASK, client.ASK)

## locals
def ask():
    client = OpenAI()
    c = locals()['client']
    return c.ASK, client.ASK
print(ask())

## exec
client = OpenAI()
exec('client = None')
print(client.ASK)

## eval
client = OpenAI()
c = eval('client')
print(c.ASK, client.ASK)

## this module by its name
import sys
client = OpenAI()
sys.modules[__name__].client = OpenAI(base_url="https://api.deepseek.com")
print(client.ASK)

## an attribute set past its class
class Agent:
    def __init__(self):
        self.client = OpenAI()
        object.__setattr__(self, 'client', OpenAI(base_url="https://api.deepseek.com"))
    def ask(self):
        return self.client.ASK
print(Agent().ask())

## items and attributes that Python asks for by itself
class Pool:
    def __init__(self):
        self.client = OpenAI()
    def __getitem__(self, key):
        return self.client
print(Pool()['x'].ASK, Pool().client.ASK)

## a proxy
class Proxy:
    def __init__(self):
        self._client = OpenAI()
    def ask(self):
        return self._client.ASK
    def __getattr__(self, name):
        return getattr(self._client, name)
print(Proxy().ask(), Proxy().base_url)

## a default of a lambda
client = OpenAI()
ask = lambda text, c=client: c.ASK
print(ask('x'), client.ASK)

## a function's attribute
def ask():
    return ask.client.ASK
ask.client = OpenAI()
print(ask())

## a class of its own in the SDK's place
class Fake:
    pass
OpenAI = Fake if os.getenv('TEST') else OpenAI
print(OpenAI().ASK)

## a copy of the object
import copy
class Agent:
    def __init__(self):
        self.client = OpenAI()
    def ask(self):
        return self.client.ASK

print(copy.copy(Agent()).ask())

## a pickle of the object
import pickle
class Agent:
    def __init__(self):
        self.client = OpenAI()
    def ask(self):
        return self.client.ASK

print(Agent().ask(), pickle.dumps(Agent()))

## a partial
from functools import partial
def ask(c, text):
    return c.ASK
print(partial(ask, OpenAI())('x'))

## a thread's arguments
import threading
def ask(c):
    print(c.ASK)
t = threading.Thread(target=ask, args=(OpenAI(),))
t.start()
t.join()

## star arguments
def ask(c, text):
    return c.ASK
args = [OpenAI(), 'x']
print(ask(*args))

## a decorator that passes it
def with_client(f):
    c = OpenAI()
    return lambda *args: f(c, *args)
@with_client
def ask(c, text):
    return c.ASK
print(ask('x'))

## a context manager
from contextlib import contextmanager
@contextmanager
def opened():
    yield OpenAI()
with opened() as c:
    print(c.ASK)

## a closure that others change
def make():
    c = OpenAI()
    def swap(other):
        nonlocal c
        c = other
    return swap, lambda: c.ASK
swap, ask = make()
swap(input())
print(ask())

## a test of its class
client = OpenAI()
if isinstance(client, OpenAI):
    print(client.ASK)

## its text
client = OpenAI()
print(f'{client}')
print(client.ASK)

## its key
client = OpenAI()
print(client.api_key)
print(client.ASK)

## another method of the SDK
import openai
client = OpenAI()
openai.resources.chat.completions.Completions = object
print(client.ASK)

## something else in its place
class Agent:
    def __init__(self, name='client'):
        self.client = OpenAI() if name else open(name)
    def ask(self):
        return self.client.ASK

print(Agent().ask())

## a match
client = OpenAI()
match {'c': client}:
    case {'c': c}:
        print(c.ASK)
""")
