"""Recall by meaning: a turn that says it in other words is found, and without a model nothing is different."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from api.__main__ import main as serve
from shared.errors import SettingsError
from shared.models import Message
from shared.recall.chunk import Chunk, index
from shared.recall.corpus import Corpus
from shared.recall.meaning import Meaning
from shared.recall.query import Ask
from shared.recall.search import search
from shared.remembering.indexes import UNPACKED, Indexes
from shared.remembering.recaller import Wanted
from shared.remembering.semantic import load_meaning, open_recaller
from shared.settings import Settings
from tests.contract.store import Desk
from tests.unit.recall.said import NOW, SNIPPETS, contents, sessions, talk
from tests.unit.remembering.meanings import BROKEN, NOTHING, save_model
from tests.unit.remembering.shop import Shop, open_shop
from tests.unit.remembering.test_recall import SMALL_TALK
from worker.__main__ import main as work

FACT = "The courier has the parcel KX-4711."
QUESTION = "And my package?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def meaning(folder: Path) -> Meaning:
    loaded = load_meaning(folder)
    assert loaded is not None
    return loaded


@pytest.fixture
def knowing(desk: Desk, executor: ThreadPoolExecutor, folder: Path) -> Shop:
    """A shop that recalls by meaning."""
    return open_shop(desk, executor, semantic_model=folder)


async def test_a_question_in_other_words_finds_the_turn_that_words_miss(shop: Shop, knowing: Shop) -> None:
    earlier = await shop.talk(FACT)
    await shop.talk(*SMALL_TALK)
    await shop.say(QUESTION)
    assert "KX-4711" not in shop.prompt
    await knowing.say(QUESTION)
    assert "KX-4711" in knowing.prompt
    part = await knowing.part("recall")
    assert part is not None
    assert part.why is not None
    assert part.why[f"{earlier}/1"] == ["meaning"]


async def test_so_does_one_in_another_language_and_what_words_find_is_found_still(knowing: Shop) -> None:
    await knowing.talk(FACT, "My refund reference is RF-20.")
    await knowing.talk(*SMALL_TALK)
    await knowing.say("Где посылка?")
    assert "KX-4711" in knowing.prompt
    await knowing.say("Which reference was it?")
    assert "RF-20" in knowing.prompt


async def test_what_the_session_said_before_the_window_is_found_by_meaning_before_it_is_indexed(
    desk: Desk, folder: Path
) -> None:
    history = talk(SMALL_TALK[0], "I see.", FACT, *SMALL_TALK[1:], days=1)
    wanted = Wanted("cust-1", "ses_one", QUESTION, NOW, 1000, None, history, begins=5)
    found = await open_recaller(Settings(semantic_model=folder)).recall(desk.own, wanted)
    assert (found[0].seq, found[0].why) == (3, ("meaning",))
    assert await open_recaller(Settings()).recall(desk.own, wanted) == ()


async def test_a_turn_is_embedded_once_and_its_vectors_are_counted(shop: Shop, meaning: Meaning) -> None:
    session = await shop.talk(FACT, *SMALL_TALK)
    embedded: list[int] = []

    class Counting(Meaning):
        def of_chunk(self, chunk: Chunk) -> NDArray[np.float16]:
            embedded.append(len(chunk.seqs))
            return super().of_chunk(chunk)

    counting = Counting(lambda texts: np.ones((len(texts), 640), dtype=np.float32), (), 640)
    indexes, without = Indexes(10**7, counting), Indexes(10**7)
    held = await indexes.of(shop.desk.own, "cust-1")
    assert len(held.corpus()) == held.turns
    again = await indexes.of(shop.desk.own, "cust-1", held.mark)
    assert len(again.corpus()) == held.turns
    assert embedded == [held.turns]
    packed = (await without.of(shop.desk.own, "cust-1")).size
    assert held.size == packed + held.turns * 640 * 2 // UNPACKED
    await shop.talk(*SMALL_TALK)
    later = await indexes.of(shop.desk.own, "cust-1")
    assert len(later.corpus()) == later.turns
    assert sum(embedded) == later.turns
    assert session in {name for name, _ in later.vectors}


@given(sessions, contents, st.lists(st.sampled_from([NOTHING, BROKEN, "parcel", "", "  "]), max_size=4))
def test_whatever_is_said_has_a_vector_of_length_one_or_none(
    meaning: Meaning, said: list[Message], text: str, more: list[str]
) -> None:
    chunks = [*index("one", said), *index("two", talk(*more))]
    lengths = [np.linalg.norm(row.astype(np.float64)) for chunk in chunks for row in meaning.of_chunk(chunk)]
    assert all(length == 0 or length == pytest.approx(1, abs=2e-3) for length in lengths)
    direction = meaning.of_message(f"{text} {' '.join(more)}", " ".join(more))
    assert np.isfinite(direction).all()
    found = search(Corpus(chunks, meaning.of_chunk), Ask(text, NOW), direction=direction)
    assert all(np.isfinite(hit.score) for hit in found.hits)


@given(sessions, st.sampled_from(SNIPPETS))
def test_without_a_direction_the_same_is_found_as_without_vectors(
    meaning: Meaning, said: list[Message], text: str
) -> None:
    chunks, ask = index("one", said), Ask(text, NOW)
    plain = search(Corpus(chunks), ask)
    assert search(Corpus(chunks, meaning.of_chunk), ask) == plain
    assert search(Corpus(chunks, meaning.of_chunk), ask, direction=meaning.of_message("")) == plain


@given(st.lists(st.sampled_from(["parcel", "refund", "dog", NOTHING, "", "parcel dog"]), min_size=1, max_size=20))
def test_windows_are_as_near_as_the_sum_of_their_turns(meaning: Meaning, said: list[str]) -> None:
    chunks = [*index("one", talk(*said)), *index("two", talk("garden", days=1))]
    corpus, direction = Corpus(chunks, meaning.of_chunk), meaning.of_message("package")
    rows = np.concatenate([meaning.of_chunk(chunk) for chunk in chunks]).astype(np.float64)
    for radius, near in zip((0, 2), corpus.nearness(direction, (0, 2)), strict=True):
        for place, value in enumerate(near.tolist()):
            span = corpus.span_of(place)
            total = rows[max(span.start, place - radius) : min(span.end, place + radius + 1)].sum(axis=0)
            length = float(np.linalg.norm(total))
            assert value == pytest.approx(float(total @ direction) / length if length else 0.0, abs=1e-3)


def test_several_threads_may_ask_at_once(folder: Path) -> None:
    load_meaning.cache_clear()
    meaning = load_meaning(folder)
    assert meaning is not None
    expected = meaning.of_message("parcel refund dog")

    def ask(number: int) -> bool:
        return bool(np.allclose(meaning.of_message(f"parcel refund dog unheard{'x' * number}"), expected, atol=1e-3))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))


def test_a_message_that_names_a_thing_does_not_point_anywhere_for_it(meaning: Meaning) -> None:
    assert not meaning.of_message("KX-4711 2453").any()
    assert (meaning.of_message("parcel KX-4711") == meaning.of_message("parcel")).all()


def test_the_library_is_not_imported_where_no_model_is_named() -> None:
    code = (
        "import sys, api.asgi, worker.runtime, cli.checks\n"
        "from shared.remembering.semantic import open_recaller\n"
        "from shared.settings import Settings\n"
        "open_recaller(Settings())\n"
        "print(sorted({'model2vec', 'tokenizers', 'safetensors', 'huggingface_hub'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("spoiled", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_model_is_refused(tmp_path: Path, spoiled: str) -> None:
    save_model(tmp_path)
    (tmp_path / spoiled).write_bytes(b"\x00oops")
    with pytest.raises(SettingsError, match=r"SEMANTIC_MODEL: the model in .* cannot be read .*; save it again"):
        load_meaning(tmp_path)


def test_what_is_no_folder_is_refused_before_anybody_looks_for_it_on_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_given: object, **_named: object) -> object:
        raise AssertionError("looked for")

    monkeypatch.setattr("model2vec.StaticModel.from_pretrained", never)
    monkeypatch.chdir(tmp_path)
    for name in ("somebody/model", tmp_path / "empty", tmp_path):
        with pytest.raises(SettingsError, match=r"SEMANTIC_MODEL: .* does not hold .*config\.json"):
            load_meaning(Path(name))


def test_a_missing_extra_is_said_with_what_installs_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model2vec", None)
    load_meaning.cache_clear()
    with pytest.raises(SettingsError, match=r"SEMANTIC_MODEL is set.*pip install 'customer-memory\[semantic\]'"):
        load_meaning(folder)


@pytest.mark.parametrize("start", [(work, ["chat"]), (work, ["quarantine"]), (serve, [])])
def test_nothing_starts_with_a_model_that_cannot_be_read(
    start: tuple[object, Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMANTIC_MODEL", "/nowhere")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    command, arguments = start
    ran = CliRunner().invoke(command, list(arguments))  # type: ignore[arg-type]
    assert ran.exit_code == 2
    assert "SEMANTIC_MODEL: /nowhere does not hold" in ran.output
