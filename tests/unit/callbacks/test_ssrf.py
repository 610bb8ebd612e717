"""No callback reaches inside: whatever the address looks like, and whatever its name stands for the second time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from shared.callbacks.addresses import may_reach
from shared.callbacks.guard import Guard, Pinned, SystemLookup
from shared.callbacks.sender import Sender
from shared.callbacks.urls import BadTarget, Rules, networks, parse_target
from shared.clock import system_clock

# Every way to write, or to name, what is not public. `{port}` is where something listens on this machine.
VECTORS = (
    # schemes
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_POST",
    "dict://127.0.0.1:{port}/",
    "ldap://127.0.0.1:{port}/",
    "javascript:alert(1)",
    "//127.0.0.1:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:127.0.0.1:{port}",
    "https:///127.0.0.1:{port}/",
    "",
    "https://",
    "https://:{port}/",
    # this machine
    "https://localhost:{port}/",
    "https://localhost.:{port}/",
    "https://LOCALHOST:{port}/",
    "https://127.0.0.1:{port}/",
    "https://127.0.0.2:{port}/",
    "https://127.255.255.254:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://0.0.0.0:{port}/",
    "https://0:{port}/",
    "https://[::1]:{port}/",
    "https://[::]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[::7f00:1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "https://[::1%25lo]:{port}/",
    "https://[::1%lo]:{port}/",
    # other ways to write IPv4
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7f.0.0.1:{port}/",
    "https://0x7f.1:{port}/",
    "https://017700000001:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://00000177.0.0.1:{port}/",
    "https://127.0.0.01:{port}/",
    "https://127.0.0.0x1:{port}/",
    "https://4294967297:{port}/",
    "https://127.0.0.1%2e:{port}/",
    "https://127%2e0%2e0%2e1:{port}/",
    "https://１２７.0.0.1:{port}/",
    "https://127。0。0。1:{port}/",
    "https://①②⑦.0.0.1:{port}/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/",
    # private, shared, link-local, metadata
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.0.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/latest/meta-data/",
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.170.2/",
    "https://[fd00:ec2::254]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[fc00::1]/",
    "https://[fdff::1]/",
    # reserved, documentation, multicast, broadcast
    "https://192.0.0.8/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://239.255.255.250/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[5f00::1]/",
    # IPv4 inside IPv6
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://[64:ff9b::a00:1]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[2002:a00:1::1]/",
    "https://[2001:0:7f00:1::]/",
    "https://[::10.0.0.1]/",
    # users, fragments, what parsers disagree on
    "https://example.com@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}@example.com/",
    "https://user:word@example.com/",
    "https://example.com#@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}\\@example.com/",
    "https://example.com\\.127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/\r\nHost: example.com",
    "https://127.0.0.1:{port}/ HTTP/1.1",
    "https://127.0.0.1\t:{port}/",
    "https://127.0.0.1\x00.example.com/",
    "https://exa mple.com/",
    "https://127.0.0.1:{port}:443/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:port/",
    "https://example.com:/",
    "https://[127.0.0.1]:{port}/",
    "https://[::1/",
    "https://::1/",
    # names that stand for what is inside
    "https://inside.test:{port}/",
    "https://inside6.test:{port}/",
    "https://metadata.test/",
    "https://half.test:{port}/",
    "https://mapped.test:{port}/",
)

NAMES = {
    "inside.test": ["127.0.0.1"],
    "inside6.test": ["::1"],
    "metadata.test": ["169.254.169.254"],
    "half.test": ["93.184.215.14", "127.0.0.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
}


@dataclass
class Sink:
    """What listens inside, and how often it was connected to."""

    port: int = 0
    connections: int = 0
    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    heard: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.heard.append(await reader.read(65_536))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    async with await asyncio.start_server(sink.serve, "127.0.0.1", 0) as server:
        sink.port = server.sockets[0].getsockname()[1]
        yield sink


async def names(host: str, port: int) -> list[str]:
    """Stand in for a name server; what it does not know, this machine's own knows: `localhost`, `127.1`."""
    system = SystemLookup()
    try:
        return NAMES[host] if host in NAMES else await system(host, port)
    finally:
        system.close()


def test_there_are_enough_of_them() -> None:
    assert len(set(VECTORS)) >= 80


@pytest.mark.parametrize("vector", VECTORS)
async def test_nothing_inside_is_connected_to(sink: Sink, vector: str) -> None:
    url = vector.format(port=sink.port) if "{port}" in vector else vector
    guard = Guard(Rules(), names)
    with pytest.raises(BadTarget):
        await guard.check(url)
    answer = await Sender(guard, 5, system_clock).post(url, {}, "{}")
    assert (answer.delivered, answer.status, sink.connections) == (False, None, 0)


@pytest.mark.parametrize("vector", ["http://127.0.0.1:{port}/", "http://inside.test:{port}/", "http://127.1:{port}/"])
async def test_plain_http_opens_no_network(sink: Sink, vector: str) -> None:
    answer = await Sender(Guard(Rules(allow_http=True), names), 5, system_clock).post(
        vector.format(port=sink.port), {}, "{}"
    )
    assert (answer.delivered, sink.connections) == (False, 0)


async def test_a_name_that_stands_for_something_else_the_second_time_leads_nowhere(sink: Sink) -> None:
    asked = 0

    async def rebinding(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        return ["93.184.215.14"] if asked == 1 else ["127.0.0.1"]

    guard = Guard(Rules(allow_http=True), rebinding)
    await guard.check(f"http://rebinding.test:{sink.port}/")
    answer = await Sender(guard, 5, system_clock).post(f"http://rebinding.test:{sink.port}/", {}, "{}")
    assert (answer.delivered, sink.connections, asked) == (False, 0, 2)


async def test_an_attempt_looks_a_name_up_once_and_goes_to_what_it_was_told(sink: Sink) -> None:
    asked = 0

    async def rebinding(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        return ["127.0.0.1"] if asked == 1 else ["127.0.0.99"]

    guard = Guard(Rules(allow_http=True, allowed=networks(("127.0.0.1/32",))), rebinding)
    answer = await Sender(guard, 5, system_clock).post(f"http://once.test:{sink.port}/hook?a=b", {"x-a": "b"}, "{}")
    assert (answer.status, answer.error, sink.connections, asked) == (200, None, 1, 1)
    assert sink.heard[0].startswith(f"POST /hook?a=b HTTP/1.1\r\nHost: once.test:{sink.port}\r\n".encode())


async def test_a_redirect_inside_is_not_followed(sink: Sink) -> None:
    sink.answer = b"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % sink.port
    guard = Guard(Rules(allow_http=True, allowed=networks(("127.0.0.1/32",))), names)
    answer = await Sender(guard, 5, system_clock).post(f"http://127.0.0.1:{sink.port}/", {}, "{}")
    assert (answer.status, answer.delivered, sink.connections) == (307, False, 1)
    assert "redirect" in str(answer.error)


async def test_the_environments_proxy_is_not_asked(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{sink.port}")

    async def elsewhere(host: str, port: int) -> list[str]:
        return ["127.0.0.2"]  # where nobody listens

    rules = Rules(allow_http=True, allowed=networks(("127.0.0.0/8",)))
    answer = await Sender(Guard(rules, elsewhere), 5, system_clock).post(f"http://a.test:{sink.port}/", {}, "{}")
    assert (answer.error, sink.connections) == ("could not be connected to", 0)


class Careless(Guard):
    """Lets everything out."""

    async def pin(self, url: str) -> Pinned:
        return Pinned(parse_target(url, self.rules), ("127.0.0.1", "::1"))


async def test_the_socket_is_a_gate_of_its_own(sink: Sink) -> None:
    guard = Careless(Rules(allow_http=True), names)
    answer = await Sender(guard, 5, system_clock).post(f"http://a.test:{sink.port}/", {}, "{}")
    assert (answer.delivered, sink.connections) == (False, 0)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/hook?id=1&x=%20",
        "https://hooks.example.com:8443/a/b",
        "https://xn--mnchen-3ya.example/",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]/",
        "HTTPS://Example.com/",
    ],
)
def test_public_addresses_are_let_in(url: str) -> None:
    assert parse_target(url, Rules()).port in {443, 8443}


def test_an_operator_may_open_a_network_and_no_more_than_that() -> None:
    rules = Rules(allowed=networks(("10.1.0.0/16", "fd00::/8")))
    assert parse_target("https://10.1.2.3/", rules).host == "10.1.2.3"
    assert parse_target("https://[::ffff:10.1.2.3]/", rules).host == "::ffff:10.1.2.3"
    assert parse_target("https://[fd00::1]/", rules).host == "fd00::1"
    with pytest.raises(BadTarget):
        parse_target("https://10.2.0.1/", rules)


# Of IPv6 only 2000::/3 was ever given to anybody; the first of these writes 127.0.0.1 in a way of translators.
NO_ONES = ("::ffff:0:127.0.0.1", "64:ff9b:2::a00:1", "1::1", "400::1", "4000::1", "8000::1", "fe00::1")


@pytest.mark.parametrize("address", [*NO_ONES, "fec0::1", "::127.0.0.1", "fe80::1%eth0", "not an address", ""])
def test_what_libraries_miss_is_not_reached(address: str) -> None:
    assert not may_reach(address)
