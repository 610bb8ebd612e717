"""What an attempt says of receivers that behave, and of those that do not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.callbacks.guard import Guard
from shared.callbacks.sender import Answer, Sender
from shared.callbacks.urls import Rules, networks
from shared.clock import system_clock

HERE = Rules(allow_http=True, allowed=networks(("127.0.0.0/8",)))
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def post(serve: Serve, seconds: float = 5, *, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None) -> Answer:
    """Post to whoever serves so; `tls` is the server's context and ours."""

    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    theirs, ours = tls or (None, None)
    server = await asyncio.start_server(serve_and_close, "127.0.0.1", 0, ssl=theirs)
    try:
        port = server.sockets[0].getsockname()[1]
        url = f"{'https' if tls else 'http'}://hook.test:{port}/"
        return await Sender(Guard(HERE, here), seconds, system_clock, ours).post(url, {}, "{}")
    finally:
        server.close()


def answers(raw: str) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw.encode())
        await writer.drain()

    return serve


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_2xx_is_delivered(status: int) -> None:
    answer = await post(answers(f"HTTP/1.1 {status} Fine\r\nContent-Length: 0\r\n\r\n"))
    assert (answer.status, answer.error, answer.delivered) == (status, None, True)


@pytest.mark.parametrize(
    ("raw", "status", "words", "asked"),
    [
        ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", 500, "answered 500", None),
        ("HTTP/1.1 429 Slow\r\nRetry-After: 77\r\nContent-Length: 0\r\n\r\n", 429, "answered 429", 77),
        ("HTTP/1.1 301 Away\r\nLocation: https://b.test/\r\nContent-Length: 0\r\n\r\n", 301, "redirect", None),
        ("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", 410, "wants no more", None),
        ("HTTP/1.1 304 Same\r\nContent-Length: 0\r\n\r\n", 304, "redirect", None),
        ("SSH-2.0-OpenSSH_9.9\r\n", None, "HTTP", None),
        ("HTTP/1.1 200 OK\r\n" + "X: " + "y" * 20_000 + "\r\n\r\n", None, "HTTP", None),
    ],
)
async def test_what_is_no_2xx_failed_and_says_how(
    raw: str, status: int | None, words: str, asked: float | None
) -> None:
    answer = await post(answers(raw))
    assert (answer.status, answer.delivered, answer.retry_after) == (status, False, asked)
    assert words in str(answer.error)


async def test_a_receiver_that_says_nothing_is_waited_for_so_long_only() -> None:
    answer = await post(silent, 0.3)
    assert (answer.status, answer.error) == (None, "did not answer in 0.3 s")
    assert answer.seconds < 3


async def test_a_connection_that_is_cut_failed() -> None:
    assert (await post(resets)).error == "cut the connection before it answered"


async def test_nobody_there_is_told_without_an_address() -> None:
    answer = await Sender(Guard(HERE, here), 5, system_clock).post("http://hook.test:1/", {}, "{}")
    assert answer.error == "could not be connected to"


async def test_the_status_counts_and_an_endless_body_is_not_read_to_its_end() -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99999999999\r\n\r\n")
        while sent < 1 << 30:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    answer = await post(endless)
    assert answer.delivered
    assert sent < 1 << 24


async def test_a_slow_body_does_not_undo_a_status() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
        await reader.read()

    answer = await post(slow)
    assert answer.delivered


async def test_the_certificate_is_checked_against_the_name_not_the_address(tmp_path: Path) -> None:
    fine = answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (await post(fine, tls=contexts(tmp_path, "hook.test"))).delivered
    answer = await post(fine, tls=contexts(tmp_path, "other.test"))
    assert answer.error == "its certificate is not valid for this name"


def contexts(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context with a certificate of this name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(file)
    return theirs, ssl.create_default_context(cafile=str(file))
