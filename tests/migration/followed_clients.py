"""Small programs that look like those of `hidden_clients`, and in which every use of the client is followed."""

from __future__ import annotations

from tests.migration.hidden_clients import programs

FOLLOWED = programs("""
## an attribute of the class, read of the type
class Desk:
    client = OpenAI()
    def ask(self):
        print(type(self).__name__, self.__class__.__name__)
        return type(self).client.ASK.message.content
print(Desk().ask())

## a dictionary under two names
clients = {'a': OpenAI()}
alias = clients
alias['b'] = OpenAI(base_url="https://api.deepseek.com")
print(clients[str()].ASK)

## a cached function
from functools import lru_cache
@lru_cache
def client():
    return OpenAI()
print(client().ASK)

## a default
def ask(c=OpenAI()):
    return c.ASK
print(ask())

## a class attribute set from outside
class Agent:
    client = None
    def ask(self):
        return self.client.ASK
Agent.client = OpenAI()
print(Agent().ask())

## a closure
def make():
    c = OpenAI()
    def ask():
        return c.ASK
    return ask
print(make()())

## agents in a dictionary
class Agent:
    def __init__(self, client):
        self.client = client
    def ask(self):
        return self.client.ASK

agents = {'a': Agent(OpenAI()), 'b': Agent(OpenAI(base_url="https://api.deepseek.com"))}
for name, agent in agents.items():
    print(agent.ask())

## a subclass
class Agent:
    def __init__(self):
        self.client = OpenAI()
    def ask(self):
        return self.client.ASK

class Sub(Agent):
    pass
print(Sub().ask())
""")
