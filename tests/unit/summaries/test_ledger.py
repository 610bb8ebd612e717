"""The ledger: what is found, when it counts as surviving, and what gives way where there is no room."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.summaries.appendix import HEADING, KEPT_LONGEST, PROSE_SHARE, fit, trim, without_appendix
from shared.summaries.ledger import Entry, find, find_all, merge, missing
from shared.summaries.patterns import Kind

from .talks import COUNT, talk, texts

FOUND: list[tuple[str, Kind, str]] = [
    ("Where is order 4711?", "identifier", "4711"),
    ("My order is #W3792453.", "identifier", "#W3792453"),
    ("Tracking: 1Z999AA10123456784", "identifier", "1Z999AA10123456784"),
    ("Invoice INV-2025/001 is wrong", "identifier", "INV-2025/001"),
    ("I am isabella_johansson_2152", "identifier", "isabella_johansson_2152"),
    ("ticket 12 again", "identifier", "ticket 12"),
    ("the confirmation code is XKJQPW", "identifier", "XKJQPW"),
    ("订单号A1234已发货", "identifier", "A1234"),
    ("Meine Bestellnummer lautet 80-4411", "identifier", "80-4411"),
    ("paid with the card ending in 2478", "identifier", "2478"),
    ("It cost $1,234.50!", "amount", "$1,234.50"),
    ("Es kostete 12,50 € zu viel", "amount", "12,50 €"),
    ("CHF 1'200.00 bitte", "amount", "CHF 1'200.00"),
    ("twenty? no, 30 dollars", "amount", "30 dollars"),
    ("a discount of 15%", "amount", "15%"),
    ("On March 7th, 2025 it came", "date", "March 7th, 2025"),
    ("am 14.03.2025 bestellt", "date", "14.03.2025"),
    ("le 7 mars à midi", "date", "7 mars"),
    ("el 7 de marzo de 2025", "date", "7 de marzo de 2025"),
    ("since 2025-03-07T10:15:00Z", "date", "2025-03-07T10:15:00Z"),
    ("not before next Thursday", "date", "next Thursday"),
    ("at 5:30 pm sharp", "time", "5:30 pm"),
    ("at 5 p.m. sharp", "time", "5 p.m."),
    ("um 17 Uhr", "time", "17 Uhr"),
    ("vers 14h30", "time", "14h30"),
    ("write to a.b+c@ex-ample.co.uk.", "email", "a.b+c@ex-ample.co.uk"),
    ("See https://example.com/a(b)?x=1).", "url", "https://example.com/a(b)?x=1"),
    ("it says example.org/returns, but", "url", "example.org/returns"),
    ("Call (415) 555-0142", "phone", "(415) 555-0142"),
    ("unter +49 30 1234567", "phone", "+49 30 1234567"),
    ("Es kostet 1 200,50 € mehr", "amount", "1 200,50 €"),
    ("order 4711 200 EUR", "amount", "200 EUR"),
    ("Das waren 12 Euro 50", "amount", "12 Euro 50"),
    ("für nur 49,- € dazu", "amount", "49,- €"),
    ("IBAN DE89 3704 0044 0532 0130 00 bitte", "identifier", "DE89 3704 0044 0532 0130 00"),
    ("parcel RR 123 456 789 DE", "identifier", "RR 123 456 789 DE"),
    ("the card ending 4242", "identifier", "4242"),
]


@pytest.mark.parametrize(("said", "kind", "text"), FOUND)
def test_what_must_survive_is_found_exactly_as_it_was_said(said: str, kind: Kind, text: str) -> None:
    assert (kind, text) in [(entry.kind, entry.text) for entry in find(said)]


@pytest.mark.parametrize(
    "said", ["a 15-inch screen", "16GB of RAM", "the 2nd time", "3 apples", "4.5 stars", "a 24-hour pass", "in May"]
)
def test_numbers_that_name_nothing_are_left_alone(said: str) -> None:
    assert find(said) == ()


PROMISED = [
    "I'll call you back tomorrow.",
    "We will refund the full amount.",
    "You will receive a refund of $30.18.",
    "The difference will be refunded to your card.",
    "I promise that it won't happen again.",
    "The refund should appear on your card within 3-5 business days.",
    "Your item will be exchanged.",
    "If you send it back by Friday, we'll refund $54.04.",
    "Ich melde mich morgen bei Ihnen.",
    "Die Rückerstattung erfolgt innerhalb von 5-7 Werktagen.",
    "Wir werden Ihnen das Geld überweisen.",
    "Nous vous enverrons un nouveau colis.",
    "Le enviaremos otro paquete.",
]


@pytest.mark.parametrize("said", PROMISED)
def test_a_promise_of_the_support_side_is_kept_as_a_sentence(said: str) -> None:
    found = find(f"Thanks for waiting. {said} Is that all right?", 3, "assistant")
    assert [(entry.text, entry.seq) for entry in found if entry.kind == "promise"] == [(said, 3)]
    assert all(entry.kind != "promise" for entry in find(said, 3, "user")), "a customer promises nothing for us"


@pytest.mark.parametrize(
    "said",
    [
        "Will you send it back?",
        "I'll be happy to help.",
        "If you like, I will cancel it.",
        "Please let me know which one, and I'll change it.",
        "I'll need your order number.",
        "Your order was delivered.",
    ],
)
def test_what_only_sounds_like_a_promise_is_none(said: str) -> None:
    assert [entry for entry in find(said, 1, "assistant") if entry.kind == "promise"] == []


@pytest.mark.parametrize(
    ("text", "summary", "stands"),
    [
        ("$20", "paid $20.", True),
        ("$20", "paid $200.", False),
        ("$20", "paid $20.50.", False),
        ("$20", "paid US$20.", False),
        ("4711", "order A-4711", False),
        ("4711", "order 4711-B", False),
        ("4711", "orders 4711, 4712", True),
        ("a@b.co", "a@b.com", False),
        ("5:30", "15:30", False),
        ("A1234", "订单A1234已发货", True),
        ("We will call\n you.", "He said: We will call you.", True),
        ("１２３４５", "no. 12345", True),
        ("12\u00a0€", "12 €", True),
        ("We will call you.", "we will call you.", False),
        ("A0007", "A0006\nA0007\nA0008", True),
    ],
)
def test_an_entry_survives_as_a_whole_or_not_at_all(text: str, summary: str, *, stands: bool) -> None:
    assert (missing([Entry(kind="identifier", text=text)], summary) == ()) is stands


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("." * 100_000 + "a", 0),
        ("We will " + "?" * 100_000 + "a", 1),
        ("1" + "'111" * 25_000 + "x", 0),
        ("1" + "\u00a0111" * 25_000 + "x", 0),
        ("+1" + "-12" * 33_000 + "x", 0),
        ("https://a" + ")" * 100_000, 1),
        (" ".join(f"A{number:05}" for number in range(14_000)), 14_000),
    ],
    ids=["stops", "questions", "apostrophes", "no-break spaces", "dashes", "brackets", "identifiers"],
)
def test_a_message_made_to_keep_the_ledger_busy_is_read_like_any_other(text: str, found: int) -> None:
    # Whatever asks for the square of such a length runs into the suite's own time limit.
    assert len(find(text, 1, "assistant")) == found


ALPHABET = st.text(
    st.sampled_from(string.ascii_letters + string.digits + " .,:;-/#$€%@()'\n\u00a0äé订ﬁ½"), max_size=200
)


@given(st.one_of(st.text(max_size=200), ALPHABET), st.sampled_from(["user", "assistant"]))
def test_nothing_is_missing_from_the_text_it_was_found_in(text: str, role: str) -> None:
    entries = find(text, 1, role)  # type: ignore[arg-type]  # one of the two roles
    assert missing(entries, text) == ()
    assert all(entry.text in text for entry in entries)


@given(ALPHABET, ALPHABET)
def test_what_is_found_survives_among_other_sentences(text: str, other: str) -> None:
    assert missing(find(text), f"{other} \n {text} \n {other}") == ()


@given(st.lists(st.tuples(st.sampled_from([text for _, _, text in FOUND]), st.integers(1, 9)), max_size=30))
def test_said_twice_is_kept_once_where_it_was_said_last(said: list[tuple[str, int]]) -> None:
    entries = [Entry(kind="identifier", text=text, seq=seq) for text, seq in said]
    merged = merge((), entries)
    assert len({entry.text for entry in merged}) == len(merged)
    assert {entry.text: entry.seq for entry in merged} == {entry.text: entry.seq for entry in entries}


def test_a_conversations_ledger_says_where_things_were_said() -> None:
    found = find_all(talk("Order #A12 is late.", "I'll send it on Monday.", "And #A12 was $5."))
    assert [(entry.text, entry.seq) for entry in found] == [
        ("I'll send it on Monday.", 2),
        ("Monday", 2),
        ("#A12", 3),
        ("$5", 3),
    ]


PROSE = "The customer waits for a parcel. It was sent late. She was friendly. " * 4
ENTRIES = st.lists(
    st.builds(
        Entry,
        kind=st.sampled_from(KEPT_LONGEST),
        text=st.from_regex(r"[A-Z]{2}[0-9]{3,9}( will be sent| [a-z]{3,8}){0,4}", fullmatch=True),
        seq=st.integers(1, 99),
    ),
    max_size=40,
)


@given(ENTRIES, st.integers(20, 300), st.sampled_from(["", "Short and good.", PROSE, "word " * 300]))
def test_a_fitted_summary_never_exceeds_its_limit_and_accounts_for_every_entry(
    entries: list[Entry], limit: int, prose: str
) -> None:
    ledger = merge((), entries)
    fitted = fit(prose, ledger, limit, COUNT)
    assert COUNT(fitted.text) <= limit
    assert set(fitted.kept) | set(fitted.dropped) == set(ledger)
    assert missing(fitted.kept, fitted.text) == ()
    assert missing(fitted.dropped, fitted.text) == fitted.dropped


def test_what_gives_way_first_is_the_prose_then_times_and_identifiers_last() -> None:
    ledger = find_all(
        talk(
            "Order #W3792453 for $12.50, paid 2025-03-07 at 5:30 pm, see https://example.com/x",
            "Your parcel will be replaced by Monday.",
        )
    )
    fitted = fit(PROSE, ledger, 100, COUNT)
    assert texts(fitted.kept) == texts(ledger)
    assert fitted.trimmed
    assert COUNT(fitted.text.partition(HEADING)[0]) <= 100 * PROSE_SHARE
    tight = fit(PROSE, ledger, 42, COUNT)
    assert "#W3792453" in texts(tight.kept)
    assert "5:30 pm" in texts(tight.dropped)


def test_a_heading_inside_a_sentence_ends_no_prose() -> None:
    prose = "She wants it told word for word. Word for word: it was late. She waits for an answer."
    fitted = fit(prose, find("Order A1234."), 100, COUNT)
    assert fitted.text.startswith(prose)
    assert fitted.text.endswith("identifier: A1234")
    assert without_appendix(fitted.text) == prose


@pytest.mark.parametrize("prose", ["ลูกค้ารอพัสดุ" * 40, "顾客一直在等包裹" * 40, "x" * 2_000 + " and more"])
def test_prose_without_spaces_is_cut_too(prose: str) -> None:
    cut = trim(prose, 40, COUNT)
    assert prose.startswith(cut)
    assert COUNT(cut) <= 40
    assert bool(cut) is not prose.isascii(), "of a word that never ends, nothing says anything"


def test_no_fact_is_cut_in_two() -> None:
    for limit in range(1, 60):
        cut = trim("顾客一直在等包裹A1234还有$2,000没有退" * 3, limit, COUNT)
        assert {entry.text for entry in find(cut)} <= {"A1234", "$2,000"}


def test_prose_is_cut_between_sentences() -> None:
    assert trim("One is here. Two is there. Three is nowhere.", 9, COUNT) == "One is here. Two is there."
