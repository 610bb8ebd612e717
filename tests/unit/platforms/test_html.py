"""HTML, as people read it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platforms.html import looks_like_html, text_of


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Any news?</p>", "Any news?"),
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<div>One</div><div>Two<br>Three</div>", "One\n\nTwo\nThree"),
        ("a &lt;b&gt; &amp;amp; caf&eacute; &#128512;", "a <b> &amp; café 😀"),
        ("<ul><li>One</li><li>Two <b>bold</b></li></ul>", "- One\n\n- Two bold"),
        ("  many \n\t  blanks  ", "many blanks"),
        ("<pre>  kept\n    as is</pre>", "kept\n    as is"),
        ("<style>p{}</style><script>alert(1)</script>Hello<title>x</title>", "Hello"),
        ('Look: <img src="x" alt="a parcel">', "Look: a parcel"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n\n3"),
        ("<p>not closed <b>at all", "not closed at all"),
        ("<!-- hidden -->shown", "shown"),
        ("a&nbsp;b", "a b"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("", ""),
    ],
)
def test_blocks_are_lines_and_what_is_hidden_is_gone(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<p>Hi</p>", True),
        (" <div>", True),
        ("<b>bold</b> words", True),
        ("Hi <b>", False),
        ("<3 you", False),
        ("<proto>", False),
    ],
)
def test_html_is_told_from_text_by_its_beginning(text: str, html: bool) -> None:  # noqa: FBT001 - a table's column
    assert looks_like_html(text) is html


@given(st.text(alphabet=st.sampled_from("<>/&;!-pbri \n#x1a\"'="), max_size=200))
def test_broken_html_is_read_as_far_as_it_goes(html: str) -> None:
    assert "<script" not in text_of(f"<script>{html}")
    text_of(html)


@pytest.mark.parametrize("piece", ["<", "<!--", "<a ", "</", "<?", "<![CDATA[>", "<!-->", "<a b='\">", "<script></x>"])
def test_what_never_ends_is_read_in_time(piece: str) -> None:
    began = time.process_time()
    text_of(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 1  # it took minutes


def test_signs_that_begin_no_tag_are_text_and_what_is_not_shown_is_left_out() -> None:
    html = "<p>1 < 2 & 3 <b>so</b></p><!-- <p>hid</p> --><p>x <!-- open</p> <![if !mso]>y<![endif]>"
    assert text_of(html) == "1 < 2 & 3 so\n\nx <!-- open\n\ny"
