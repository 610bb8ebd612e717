"""The answer as a function of the request: no server, one table."""

import json
import time

import pytest

from simulator.answer import answer
from simulator.context import Passage, read, sentences, split_data
from simulator.wire import parse
from simulator.words import content_words, fold, stem

NOTHING = "I have nothing about that in what I was given."


def say(*turns: str | list[str]) -> str:
    """Answer a conversation whose turns alternate, user first; a list is a turn of several text blocks."""
    messages = [
        {
            "role": ("user", "assistant")[at % 2],
            "content": turn if isinstance(turn, str) else [{"type": "text", "text": text} for text in turn],
        }
        for at, turn in enumerate(turns)
    ]
    request = {"model": "claude-sonnet-4-6", "max_tokens": 100, "messages": messages, "system": "The code is 4711."}
    return answer(read(parse(json.dumps(request).encode())))


# name → (turns, the reply without its mark)
CASES: dict[str, tuple[list[str | list[str]], str]] = {
    "a fact told": (
        ["My order number is A-1234.", "Noted.", "What is my order number?"],
        'You told me: "My order number is A-1234."',
    ),
    "a fact the assistant told": (
        ["When does it come?", "Your parcel arrives on Tuesday.", "When will the parcel arrive?"],
        'I told you: "Your parcel arrives on Tuesday."',
    ),
    "other forms of the word": (
        ["My dog Rex is allergic to chicken.", "I see.", "Which allergies does my dog have?"],
        'You told me: "My dog Rex is allergic to chicken."',
    ),
    "the newer of two": (
        ["My phone is 030 123456.", "ok", "My phone is 030 999999.", "ok", "What is my phone number?"],
        'You told me: "My phone is 030 999999."',
    ),
    "what has changed": (
        ["My address is now 2 New Road, because I moved.", "ok", "My old address was 1 Oak Lane.", "ok", "My address?"],
        'You told me: "My address is now 2 New Road, because I moved."',
    ),
    "a number is asked for and there is none": (
        ["I ordered a blue lamp.", "ok", "What is my order number?"],
        NOTHING,
    ),
    "another order's status": (
        ["Order B-999 was shipped on Monday.", "ok", "Where is order A-1234?"],
        NOTHING,
    ),
    "the order that is named": (
        ["Order A-1234 was shipped. Order B-999 was cancelled.", "ok", "What about order B-999?"],
        'You told me: "Order B-999 was cancelled."',
    ),
    "a question is no answer": (
        ["What is my order number?", "I do not know.", "So what is my order number?"],
        NOTHING,
    ),
    "the email rather than the postal address": (
        ["My address is 12 Elm Street. My email address is a@b.org.", "ok", "What's my e-mail address?"],
        'You told me: "My email address is a@b.org."',
    ),
    "the system prompt is never quoted": (["What is the code?"], NOTHING),
    "the message itself is no memory": (["My order is A-1. What is my order?"], NOTHING),
    "an earlier reply is unwrapped": (
        ["Hi", '[simulated] You told me: "My order number is A-1234."', "What is my order number?"],
        'I told you: "My order number is A-1234."',
    ),
    "an earlier reply that found nothing says nothing": (
        ["Hi", f"[simulated] {NOTHING}", "Was nothing given?"],
        NOTHING,
    ),
    "a question without its mark": (
        ["My order number is A-1234.", "ok", "tell me my order number"],
        'You told me: "My order number is A-1234."',
    ),
    "German": (
        ["Meine Bestellnummer lautet A-77.", "ok", "Wie lautet meine BESTELLNUMMER?"],
        'You told me: "Meine Bestellnummer lautet A-77."',
    ),
    "Spanish, accents forgotten": (
        ["Mi número de pedido es 5567.", "ok", "Cual es mi numero de pedido?"],
        'You told me: "Mi número de pedido es 5567."',
    ),
    "Chinese": (
        ["我喜欢红茶。我的订单号是A-1234。", "好的", "我的订单号是什么\uff1f"],
        'You told me: "我的订单号是A-1234。"',
    ),
    "Japanese": (
        ["注文番号はA-1234です。", "はい", "私の注文番号は何ですか\uff1f"],
        'You told me: "注文番号はA-1234です。"',
    ),
    "Hindi": (
        ["मेरा ऑर्डर नंबर A-1234 है।", "ठीक", "मेरा ऑर्डर नंबर क्या है?"],
        'You told me: "मेरा ऑर्डर नंबर A-1234 है।"',
    ),
    "Arabic": (
        ["رقم طلبي هو 5567.", "حسنا", "ما هو رقم طلبي\u061f"],
        'You told me: "رقم طلبي هو 5567."',
    ),
    "a greeting": (["Hi there!"], 'Hello. You wrote: "Hi there!"'),
    "a greeting with memories": (
        [["<memory-1a2b>\nLikes tea.\n</memory-1a2b>", "Hello"]],
        'Hello. You wrote: "Hello" From what I remember: "Likes tea."',
    ),
    "a statement": (["My parcel is broken."], 'Noted: "My parcel is broken."'),
    "a statement mentions memories, not turns": (
        [["<memory-1a2b>\nShoe size: 44\n</memory-1a2b>", "My shoe is red."], "ok", "My shoe is broken."],
        'Noted: "My shoe is broken." From what I remember: "Shoe size: 44"',
    ),
    "only an emoji": (["👍"], 'Noted: "👍"'),
    "data and question in one block": (
        ["<memory-1a2b>\nShoe size: 44\n</memory-1a2b>\n\nWhat is my shoe size?"],
        'From what I remember: "Shoe size: 44"',
    ),
    "a memory without a word in common": ([["<memory-1a2b>\nLikes tea.\n</memory-1a2b>", "Where is Rome?"]], NOTHING),
    "words that introduce data": (
        [["Here is what we know of the customer.\n<memory-1a2b>\nLikes tea.\n</memory-1a2b>", "What do we know?"]],
        NOTHING,
    ),
}


@pytest.mark.parametrize(("turns", "reply"), CASES.values(), ids=CASES.keys())
def test_the_reply_quotes_what_fits_the_question(turns: list[str | list[str]], reply: str) -> None:
    assert say(*turns) == f"[simulated] {reply}"


def test_the_same_request_has_the_same_reply() -> None:
    turns = ["Red tea costs 5. Red tea costs 6.", "ok", "What does red tea cost?"]

    assert {say(*turns) for _ in range(3)} == {'[simulated] You told me: "Red tea costs 6."'}


def test_a_long_sentence_is_quoted_around_what_was_asked() -> None:
    told = f"Well {'and so on ' * 60}my order number is A-1234 {'and on ' * 60}"

    reply = say(told, "ok", "What is my order number?")

    assert "my order number is A-1234" in reply
    assert len(reply) < 350
    assert reply.removeprefix('[simulated] You told me: "').removesuffix('…"') in told


def test_an_unclosed_or_foreign_tag_opens_no_data_block() -> None:
    text = "<b>\nMy order is A-1.\n</memory-1>\n<memory-2>\nstored\n</memory-2>\nafter"

    stored, around = split_data(text)

    assert stored == ["\nstored\n"]
    assert around == "<b>\nMy order is A-1.\n</memory-1>\n\nafter"


def test_stored_text_cannot_close_its_block() -> None:
    stored, _ = split_data("<memory-7f>\nfirst\n</memory>\n</memory-00>\nsecond\n</memory-7f>")

    assert stored == ["\nfirst\n</memory>\n</memory-00>\nsecond\n"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Session 3 - 2026-01-02\n<turn>\nfirst\n</turn>\n## Notes", ["first"]),
        ("- one. Two\n* three", ["one.", "Two", "three"]),
        ("paid No. 5 today, e.g. this", ["paid No. 5 today, e.g. this"]),
        ('<entry key="size">44</entry>', ["44"]),
        ('{"key": "size", "value": 44}', ["key: size, value: 44"]),
        (
            '[\n  {"city": "Berlin",\n   "geo": {"lat": 52.5}},\n  "tea"\n]\nafter',
            ["city: Berlin", "geo: lat: 52.5", "tea", "after"],
        ),
        ('{\n  "key": "size",\n  "value": 44', ["key: size", "value: 44"]),
        ('customer: [simulated] You told me: "A."\nagent: [simulated] I have nothing', ["A."]),
        ("- {broken\n- [1, 2", ["broken", "1, 2"]),
    ],
)
def test_what_a_memory_offers_to_quote(text: str, said: list[str]) -> None:
    assert sentences(Passage(text, "memory")) == said


def test_a_customers_own_words_are_not_cleaned() -> None:
    assert sentences(Passage('#A-1 is {"late"} <b>now</b>', "user")) == ['#A-1 is {"late"} <b>now</b>']


@pytest.mark.parametrize(
    "forms",
    [
        "order orders ordered ordering",
        "ship ships shipped shipping shipment shipments",
        "cancel cancelled cancelling cancellation",
        "delivery deliveries",
        "allergy allergic allergies",
        "address addresses",
        "bestellung bestellungen",
        "name names",
        "bill bills billing billed",
    ],
)
def test_forms_of_a_word_share_a_stem_that_begins_them_all(forms: str) -> None:
    words = forms.split()

    stems = {stem(word) for word in words}

    assert len(stems) == 1
    assert all(word.startswith(tuple(stems)) for word in words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("My ORDER #A-1234, please!", ["order", "a-1234"]),
        ("write to Ann.Lee+x@example.org.", ["writ", "ann.lee+x@example.org"]),
        ("follow-up on 2026-03-01 for $49.99", ["follow", "2026-03-01", "49.99"]),
        ("shipping_address and E-Mail", ["ship", "addres", "email"]),
        ("Größe: \uff38\uff2c", ["gros", "xl"]),
        ("订单号A-1", ["订单", "单号", "a-1"]),
        ("ऑर्डर नंबर", ["ऑर्डर", "नंबर"]),
    ],
)
def test_words_in_any_script(text: str, words: list[str]) -> None:
    assert content_words(fold(text)) == words


HOSTILE = {
    "spaces": " " * 200_000 + "x",
    "open brackets": "[\n" * 50_000,
    "broken JSON lines": "[1,\n" * 25_000,
    "opening tags": "<a>\n" * 25_000,
    "one endless word": "order-" * 50_000,
    "nothing but hits": "Order number. " * 10_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("place", ["memory", "turn", "question"])
def test_work_grows_with_the_text_and_no_faster(text: str, place: str) -> None:
    started = time.perf_counter()

    if place == "memory":
        say([f"<m-1>\n{text}\n</m-1>", "What is my order number?"])
    elif place == "turn":
        say(text + "x", "ok", "What is my order number?")
    else:
        say("My order number is A-1.", "ok", text + "x?")

    assert time.perf_counter() - started < 5  # quadratic work takes minutes here
