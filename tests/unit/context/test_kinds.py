"""Nothing is counted below what Claude counts: texts, and what Claude's two tokenizers were measured to make of them.

Measured with ctok 1.3.0, which reconstructs Claude's counts offline.
"""

from __future__ import annotations

import pytest

from shared.context.budget import Meter
from shared.context.counted import look_at
from shared.context.kinds import FACTORS, PIECE, kind_of

from .drafts import CL100K

ENGLISH = "The parcel with the blue ribbon has not come yet, although it was sent to you by the shop two weeks ago. "
GERMAN = "Die Rechnung fehlt noch, obwohl die Ware seit zwei Wochen hier ist. Bitte senden Sie mir diese zu. "
TRACE = """java.lang.NullPointerException: Cannot invoke "com.example.shop.OrderService.findById(Long)"
\tat com.example.shop.web.OrderController.getOrder(OrderController.java:57)
\tat org.springframework.web.method.support.InvocableHandlerMethod.doInvoke(InvocableHandlerMethod.java:205)
\tat javax.servlet.http.HttpServlet.service(HttpServlet.java:764)
Caused by: java.sql.SQLException: Connection refused
"""
CAMEL = "getOrderByCustomerId setShippingAddressLine parseHttpResponseBody isAuthenticatedUser "
SNAKE = "get_order_by_customer_id set_shipping_address_line parse_http_response_body "
ADDRESS = "https://www.example-shop.com/orders/track?carrier=dhl&utm_source=newsletter&utm_medium=email "
PYTHON = '''    def session(self, session_id):
        """Return the session that is named, or raise."""
        if session_id not in self.sessions:
            raise UnknownSession(session_id)
        return self.sessions[session_id]
'''

# Name, text, tokens by the tokenizer of Claude up to 4.6, by the later one.
MEASURED = [
    ("english", ENGLISH * 4, 101, 145),
    ("capitals", ENGLISH.upper() * 4, 153, 293),
    ("a title", ENGLISH.title() * 4, 121, 201),
    ("a trace", TRACE * 2, 251, 345),
    ("camel case", CAMEL * 6, 127, 235),
    ("snake case", SNAKE * 6, 139, 163),
    ("addresses", ADDRESS * 5, 151, 206),
    ("python", PYTHON * 3, 176, 206),
    ("german", GERMAN * 4, 133, 209),
    ("german between english", ENGLISH * 20 + GERMAN * 30 + ENGLISH * 20, 1991, 3001),
    ("german near the end of english", ENGLISH * 60 + GERMAN * 60 + ENGLISH * 4, 3581, 5425),
    ("dashes", "-" * 400, 7, 67),
    ("tildes", "~" * 400, 26, 400),
    ("exclamation marks", "Help!!!! " * 60, 181, 361),
    ("other marks", "-=" * 150, 40, 300),
    ("blanks", " " * 400 + "x", 26, 26),
    ("zero-width spaces", "\u200b" * 300, 301, 300),
    ("letters", "No" + "o" * 300, 152, 153),
    ("a ruler in english", f"{ENGLISH}{'-' * 72}\n{ENGLISH}", 54, 87),
]
named = pytest.mark.parametrize(("text", "old", "new"), [case[1:] for case in MEASURED], ids=[c[0] for c in MEASURED])


@named
def test_no_text_is_counted_below_what_claude_counts(text: str, old: int, new: int) -> None:
    """By neither tokenizer, and without anything learned."""
    assert Meter(CL100K, "claude-sonnet-4-6").text(text) >= old
    assert Meter(CL100K, "claude-sonnet-5-5").text(text) >= new


def test_english_is_not_counted_far_above_it() -> None:
    """It does not pay for other kinds, nor for a ruler or a few names in it."""
    assert Meter(CL100K, "claude-sonnet-4-6").text(ENGLISH * 4) <= 101 * 1.15
    assert Meter(CL100K, "claude-sonnet-5-5").text(ENGLISH * 4) <= 145 * 1.15
    assert kind_of(f"{ENGLISH} Please call DHL about A-4711, says Maria.") == "english"
    assert look_at(CL100K, ENGLISH) == (CL100K.count(ENGLISH), "english")


@pytest.mark.parametrize("model", [0, 1])
def test_kinds_stand_by_what_they_cost(model: int) -> None:
    """A long text is of the first that is dear enough for all of its pieces."""
    factors = [pair[model] for pair in FACTORS.values()]
    assert factors == sorted(factors)


def test_a_little_of_another_kind_makes_a_long_text_a_little_dearer() -> None:
    """Not as dear as that kind."""
    long = ENGLISH * 200
    assert kind_of(long) == "english"
    assert kind_of(long + CAMEL * (PIECE // len(CAMEL))) in {"code", "other"}
    assert kind_of(CAMEL * 100) == "dense"
