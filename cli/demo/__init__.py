"""`customer-memory demo`: an invented shop's customers and what they have said over a month, ready to be talked to.

`shop.json` holds them, `shop` reads it with its days counted from now, `loader` puts it into a service by its API.
"""

from cli.demo.command import demo

__all__ = ["demo"]
