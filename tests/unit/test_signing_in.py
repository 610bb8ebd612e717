"""The cookie that stands for a key: when it may travel without TLS."""

from __future__ import annotations

import pytest
from flask import Request, Response
from werkzeug.test import EnvironBuilder

from api.signing_in import COOKIE, put_cookie

PUBLIC = "https://memory.example.com/"


@pytest.mark.parametrize(
    ("asked", "public", "secure"),
    [
        ("https://10.0.0.5/", "http://127.0.0.1:8080", True),
        # A proxy ends TLS, and does not tell of it.
        ("http://memory.example.com/", PUBLIC, True),
        ("http://MEMORY.example.com/", PUBLIC, True),
        ("http://localhost:8080/", PUBLIC, False),
        ("http://memory.example.com/", "http://memory.example.com", False),
    ],
)
def test_it_travels_under_tls_alone_where_pages_are_reached_so(asked: str, public: str, *, secure: bool) -> None:
    request, response = Request(EnvironBuilder(base_url=asked).get_environ()), Response()
    put_cookie(response, request, "value", public)
    assert response.headers["Set-Cookie"].startswith(f"{COOKIE}=value")
    assert ("Secure" in response.headers["Set-Cookie"]) is secure
