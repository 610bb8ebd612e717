"""What must not be remembered, in the spellings people use; and what only looks like it."""

from __future__ import annotations

import random
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.memory.secrets import holds_secret

CARDS = (
    "4111111111111111",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3530111333300000",
    "6759649826438453",
)
BETWEEN = ("", " ", "-", ".", "/", "_", "  ", " - ", "\u00a0", "\u2009", "\u2011", "\u200b", "\n", "\u2013")


def grouped(digits: str, between: str) -> str:
    """Return digits in groups of four."""
    return between.join(digits[at : at + 4] for at in range(0, len(digits), 4))


def spelled(text: str, zero: str) -> str:
    """Return the text with digits of another script."""
    return "".join(chr(ord(zero) + int(each)) if each.isdigit() else each for each in text)


@pytest.mark.parametrize("between", BETWEEN, ids=ascii)
@pytest.mark.parametrize("card", CARDS)
def test_a_card_is_told_however_it_is_written(card: str, between: str) -> None:
    assert holds_secret(f"My card {grouped(card, between)}, please.")


@pytest.mark.parametrize(
    "around", ["{}", "Visa{}", "-{}", "${}", "10115 {}", "{} 12/27", "{}.", "(no. {} 123)", "x:{}"]
)
def test_a_card_is_told_whatever_stands_around(around: str) -> None:
    assert holds_secret(around.format("4111 1111 1111 1111"))


@pytest.mark.parametrize("zero", ["\uff10", "\u0660", "\u06f0", "\u0966"])
def test_digits_of_any_script_make_a_card(zero: str) -> None:
    assert holds_secret(spelled("4111 1111 1111 1111", zero))


@given(st.sampled_from(CARDS), st.integers(0, 18), st.integers(1, 9))
def test_a_digit_altered_makes_it_no_card(card: str, place: int, by: int) -> None:
    place %= len(card)
    altered = card[:place] + str((int(card[place]) + by) % 10) + card[place + 1 :]
    assert not holds_secret(altered), "the check digit says so"


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-api03-abcdefghijklmnop1234",
        "sk_live_abcdefghijklmnop1234",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwxyz123456",
        "github_pat_11ABCDEFG0abcdefghij_klmnopqrst",
        "glpat-abcdefghij1234567890",
        "xoxb-1234567890-abcdef",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "cmk_abcdefghijklmnop_dddddddd",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefg",
        "-----BEGIN RSA PRIVATE KEY-----",
        "bearer abcdefghijklmnop1234",
        "sk-ant\u200b-api03-abcdefghijklmnop1234",
    ],
)
def test_keys_are_told_by_the_forms_their_issuers_give_them(text: str) -> None:
    assert holds_secret(f"I use {text}")


@pytest.mark.parametrize("make", [secrets.token_hex, secrets.token_urlsafe], ids=["hex", "base64"])
def test_other_keys_are_told_by_their_randomness(make: object) -> None:
    told = sum(holds_secret(f"It is {make(32)}.") for _ in range(200))  # type: ignore[operator]  # either makes text
    assert told >= 198, "of a few the letters happen to repeat"


@pytest.mark.parametrize(
    "text",
    [
        "my password is hunter2",
        "Password: hunter",
        "Password hunter2",
        "password\nhunter2",
        "password - hunter2",
        "password is 'hunter2'",
        "PASSWORD=hunter2",
        "pass word: hunter2",
        "pass\u200bword: hunter2",
        "ｐａｓｓｗｏｒｄ： hunter2",
        "passwd: hunter2",
        "pwd hunter2",
        "password was changed to hunter2",
        "DB_PASSWORD=hunter2",
        "passphrase: correct horse",
        "mein Passwort lautet geheim1",
        "Kennwort ist geheim1",
        "mot de passe : secret1",
        "mi contraseña es secreto1",
        "senha é segredo1",
        "wachtwoord is geheim",
        "hasło: tajne1",
        "şifre: gizli1",
        "мой пароль секрет1",
        "密码是abc12345",
        "パスワードは abc12345",
        "비밀번호는 abc12345",
        "كلمة السر هي abc12345",
        "PIN 1234",
        "my PIN's 1234",
        "pin-code: 1234",
        "CVV: 123",
        "the security code is 123",
        "security code 123",
        "verification-code: 482913",
        "one-time code 482913",
        "TAN 482913",
        "PUK 12345678",
        "my SSN 123-45-6789",
        "api key abcdef123456",
        "api_key=abcdef123456",
        "access_token=abc1234",
        "client_secret=abc1234",
    ],
)
def test_what_is_announced_as_a_secret_is_one(text: str) -> None:
    assert holds_secret(text)


@pytest.mark.parametrize(
    "text",
    [
        "order number KX-4711",
        "order 4111 1111 1111 1112",
        "order 1234567890123456",
        "call me at +49 170 1234567",
        "00000000000000000",
        "tracking 1Z999AA10123456784",
        "parcel 00340434161094042557",
        "product 8310926033 of order #W3792453",
        "user yusuf_rossi_9620 pays with credit_card_9513926",
        "550e8400-e29b-41d4-a716-446655440000",
        "https://shop.example/p/a-very-long-slug-of-a-product-2024-edition-blue-large",
        "I forgot my password",
        "the password is not working",
        "The password was reset by support.",
        "password is being reset",
        "my password is expired",
        "reset password link was sent",
        "PIN is lost",
        "the pin on my bag",
        "tan shoes, size 42",
        "security code is not readable",
    ],
)
def test_what_only_looks_like_a_secret_may_be_remembered(text: str) -> None:
    assert not holds_secret(text)


def test_few_order_numbers_are_taken_for_cards() -> None:
    chance = random.Random(1)
    taken = sum(holds_secret(f"order {chance.randrange(10**15, 10**16)}") for _ in range(2_000))
    assert 0 < taken < 120, "one in ten has the check digit, one in three begins like a card"
