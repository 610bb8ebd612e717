"""Names that nobody said are told in a value, and what is no name is not."""

from __future__ import annotations

import pytest

from shared.memory.names import unsaid_names

GERMAN = "Guten Tag, ich bin Lotte Berger aus Köln, meine Tochter heißt Marie. Bitte nicht am Montag anrufen."


@pytest.mark.parametrize(
    ("value", "unsaid"),
    [
        ("the customer is called Anna Berger", ("Anna",)),
        ("call Lotte", ()),
        ("lives in Hamburg", ("Hamburg",)),
        ("Customer Lotte, VIP", ()),
    ],
)
def test_in_english_a_capital_is_a_name(value: str, unsaid: tuple[str, ...]) -> None:
    assert unsaid_names(value, "I am Lotte Berger.") == unsaid


@pytest.mark.parametrize(
    ("value", "unsaid"),
    [
        ("möchte mit Frau Schneider angesprochen werden", ("Schneider",)),
        ("möchte mit Frau Berger angesprochen werden", ()),
        ("Ansprechpartner ist Anna Schmidt", ("Anna", "Schmidt")),
        ("Ansprechpartnerin ist Lotte Schmidt", ("Schmidt",)),
        ("Ansprechpartnerin ist Lotte Berger", ()),
        ("die Tochter heißt Klara", ("Klara",)),
        ("die Tochter Klara", ("Klara",)),
        ("die Tochter heißt Marie", ()),
        ("wohnt in Hamburg", ("Hamburg",)),
        ("kommt aus Köln", ()),
        ("Vorname: Hans", ("Hans",)),
        ("als Lola ansprechen", ("Lola",)),
        ("Dr. Schneider ist zuständig", ("Schneider",)),
        ("will Montag angerufen werden, Firma Kessler", ("Kessler",)),
    ],
)
def test_in_german_a_name_is_told_by_where_it_stands(value: str, unsaid: tuple[str, ...]) -> None:
    assert unsaid_names(value, GERMAN) == unsaid


@pytest.mark.parametrize(
    "value",
    [
        "wünscht keine Anrufe am Wochenanfang",
        "bevorzugt Kontakt per E-Mail statt Telefon",
        "Lieferung an die neue Anschrift",
        "hat eine Reklamation wegen der defekten Lampe",
        "Rechnung, Mahnung und Gutschrift sind offen",
        "Der Vertrag läuft bis zum Jahresende",
        "Kundin bittet um Rückruf",
    ],
)
def test_german_nouns_are_no_names(value: str) -> None:
    assert unsaid_names(value, GERMAN) == ()
