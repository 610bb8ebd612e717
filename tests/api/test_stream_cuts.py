"""A listener that is cut off anywhere, any number of times, and goes on: the text it ends with is the reply.

Every cut is tried: after each byte of each stream that can be heard at each stage of a reply, and from there on again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import pairwise

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from api import holds
from api.holds import Holds
from api.hub import Hub
from api.waiting import Hold
from cli.sse import Parser
from shared.storage.types import Claim
from tests.contract.dynamodb_desk import make_desk as make_dynamodb_desk
from tests.contract.redis_desk import make_desk as make_redis_desk
from tests.contract.store import Desk
from tests.support.moto import Moto
from tests.support.valkey import Valkey

# Letters of two, three and four bytes; line ends of every kind, quotes, and what looks like an event of ours.
REPLY = 'Päckchen 荷物 🚚\n\nid: 9.9\r\nevent: reset\n"data": \u2028\u0085 – morgen.'
RESET = b"\nevent: reset\n"
FIRST_ATTEMPT = ("Ihr Pä", "ckchen 荷", "物 🚛 ist")
PIECES = (REPLY[:3], REPLY[3:11], REPLY[11:13], REPLY[13:30], REPLY[30:])


@dataclass(frozen=True)
class Listener:
    """What somebody has heard: text since the reply last began, the last event's id, and the end, if it came."""

    shown: str = ""
    last_id: str | None = None
    ended: str | None = None

    def hears(self, data: bytes) -> Listener:
        """Return the listener after a stream of which this came."""
        heard = self
        for event in Parser().feed(data):
            told = event.json()
            if event.name == "delta":
                heard = Listener(heard.shown + told["text"], event.id)
            elif event.name == "reset":
                heard = Listener("", event.id)
            else:
                assert event.name == "result"
                heard = Listener(heard.shown, event.id, told["reply"])
        return heard

    def cut_everywhere(self, data: bytes) -> set[Listener]:
        """Return the listener after a stream that was cut after each of its bytes."""
        return {self.hears(data[:length]) for length in range(len(data) + 1)}


@pytest_asyncio.fixture(params=["valkey", "dynamodb"])
async def desk(request: pytest.FixtureRequest, valkey: Valkey, moto: Moto) -> AsyncIterator[Desk]:
    if request.param == "dynamodb":
        desk = make_dynamodb_desk(moto.table())
        yield desk
        await desk.store.close()
        return
    redis = Redis.from_url(valkey.url(3), decode_responses=True)
    await redis.flushdb()
    yield make_redis_desk(redis)
    await redis.aclose()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream with nothing to tell says so at once."""
    monkeypatch.setattr(holds, "KEEP_ALIVE_SECONDS", 0.0)


async def audible(desk: Desk, request_id: str, last_id: str | None) -> bytes:
    """Return what a stream tells now: to its end, or to the first time that there is nothing new."""
    hold = Hold(kind="stream", tenant=desk.tenant, request_id=request_id, last_event_id=last_id)
    data = b""
    async for event in Holds(desk.store, Hub()).events(hold):
        data += event
        if event.startswith(b":"):
            break
    return data


async def after_one_more_stream(desk: Desk, request_id: str, listeners: Iterable[Listener]) -> set[Listener]:
    """Return all that listeners may be after a stream of now, cut anywhere or not at all."""
    streams: dict[str | None, bytes] = {}
    found: set[Listener] = set()
    for listener in listeners:
        if listener.last_id not in streams:
            streams[listener.last_id] = await audible(desk, request_id, listener.last_id)
        found |= listener.cut_everywhere(streams[listener.last_id])
    return found


async def write(desk: Desk, claim: Claim, pieces: Iterable[str], listeners: set[Listener]) -> set[Listener]:
    """Write pieces of a reply; return all that listeners may be who listen after each of them."""
    offset = 0
    for piece in pieces:
        offset = await desk.own.append_delta(claim, offset, piece)
        listeners = listeners | await after_one_more_stream(desk, claim.request.id, listeners)
    return listeners


async def test_whoever_is_cut_off_anywhere_ends_with_the_same_text(desk: Desk) -> None:
    """Given a reply that a second attempt begins again, then each way of being cut and coming back hears all of it."""
    request = await desk.accept("Where is it?")
    listeners = {Listener()}
    first = await desk.claim(request)
    listeners = await write(desk, first, FIRST_ATTEMPT, listeners)
    assert "".join(FIRST_ATTEMPT) in {each.shown for each in listeners}
    assert await desk.own.park(first, 0, "cut off", asked=True)
    second = await desk.claim(request)
    listeners |= await after_one_more_stream(desk, request.request_id, listeners)
    listeners = await write(desk, second, PIECES, listeners)
    await desk.answer(second, REPLY)

    listeners = await after_one_more_stream(desk, request.request_id, listeners)

    places = {each.last_id for each in listeners}
    assert len(places) >= 1 + len(FIRST_ATTEMPT) + len(PIECES), places
    for listener in listeners:
        ended = listener.hears(await audible(desk, request.request_id, listener.last_id))
        assert (ended.shown, ended.ended) == (REPLY, REPLY), listener
    assert {(each.shown, each.ended) for each in listeners if each.ended is not None} == {(REPLY, REPLY)}


async def test_each_byte_of_the_reply_is_a_place_to_go_on_from(desk: Desk, valkey: Valkey) -> None:
    """Given a place inside a letter, which nobody was told, then the reply begins again; else it goes on from there."""
    request = await desk.accept("Where is it?")
    claim = await desk.claim(request)
    offsets = [0]
    for piece in PIECES:
        offsets.append(await desk.own.append_delta(claim, offsets[-1], piece))
    await desk.answer(claim, REPLY)
    data = REPLY.encode()
    told = offsets if desk.inside.__class__.__name__ == "InsideDynamoDB" else range(len(data) + 1)
    for offset in told:
        heard = await audible(desk, request.request_id, f"{claim.token.number}.{offset}")
        text = data[:offset].decode(errors="ignore")
        inside = text.encode() != data[:offset]
        ended = Listener(text, "x").hears(heard)
        assert (RESET in heard) == inside, offset
        assert (ended.shown, ended.ended) == (REPLY, REPLY), offset
    assert [each for each, after in pairwise(offsets) if after <= each] == []


@pytest.mark.parametrize(
    "place", ["", "junk", "1", ".", "1.", ".5", "-1.0", "1.5e3", "٣.٤", "1.2.3", "9" * 30 + ".1", "\0"]
)
async def test_a_place_that_is_none_is_the_beginning(desk: Desk, place: str) -> None:
    request = await desk.accept("Where is it?")
    claim = await desk.claim(request)
    await desk.own.append_delta(claim, 0, REPLY)
    await desk.answer(claim, REPLY)
    heard = await audible(desk, request.request_id, place)
    assert RESET not in heard
    ended = Listener().hears(heard)
    assert (ended.shown, ended.ended) == (REPLY, REPLY)


@pytest.mark.parametrize("place", ["999.0", "999999.12", "1.9999999"], ids=["later", "much later", "beyond the end"])
async def test_a_place_that_never_was_leads_to_the_result(desk: Desk, place: str) -> None:
    request = await desk.accept("Where is it?")
    claim = await desk.claim(request)
    await desk.own.append_delta(claim, 0, REPLY)
    await desk.answer(claim, REPLY)
    assert Listener().hears(await audible(desk, request.request_id, place)).ended == REPLY
