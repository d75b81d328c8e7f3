import time

import pytest

from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.words import Text, contains, normalise


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("  Ana\tLópez.\n", "ana lopez"),
        ("José  DÍAZ", "jose diaz"),
        ("O'Neil", "o neil"),
        ("O’Neil", "o neil"),
        ("OʼNeil", "o neil"),  # U+02BC, by its category a letter
        ("O´Neil", "o neil"),
        ("Anne-Marie", "anne marie"),
        ("Anne‑Marie", "anne marie"),  # U+2011, non-breaking hyphen
        ("Søren Łukasz Đặng", "soren lukasz dang"),
        ("Æsa Œuvre Þóra Straße", "aesa oeuvre thora strasse"),
        ("İPEK Işık", "ipek isik"),
        ("ＡＮＡ ﬁn", "ana fin"),  # compatibility forms
        ("Ana\u00adbel\u200bSol", "anabel sol"),  # a soft hyphen joins, a zero-width space separates
        ("कोमल", "कोमल"),  # Indic vowel signs belong to the word
        ("snake_case 3.5", "snake case 3 5"),
        ("... 🙂 $", ""),
        ("", ""),
    ],
)
def test_normalisation_keeps_letters_and_digits_only(text: str, plain: str) -> None:
    assert normalise(text) == plain


def test_a_phrase_is_found_only_in_one_piece() -> None:
    words = ["the", "coffee", "shop", "is", "open"]
    assert contains(words, ["coffee", "shop"])
    assert not contains(words, ["coffee", "open"])
    assert not contains(["coffee"], ["coffee", "shop"])


@pytest.fixture
def names() -> NameIndex:
    return NameIndex(
        [
            "Ana López", "Ann Lee", "Ann Lee Strand", "Mary Ann Lee", "Lee Park", "Sean O'Neil", "Anne-Marie Roux",
            "Pelé", "Zoë Müller Jr.", "Otto Park (actor)",
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("This is ANA LOPEZ.", ["Ana López"]),
        ("ana-lópez’s", ["Ana López"]),
        ("Joana López", []),  # a word boundary is needed on the left
        ("Ana Lopezito", []),  # and on the right
        ("López, Ana", ["Ana López"]),  # in any order, near each other
        ("Sean O’Neil or Anne Marie Roux?", ["Sean O'Neil", "Anne-Marie Roux"]),
        ("Mary Ann Lee", ["Mary Ann Lee"]),  # not the name inside it
        ("Ann Lee Strand", ["Ann Lee Strand"]),  # nor the one that it begins with
        ("Mary Ann Lee and Ann Lee", ["Mary Ann Lee", "Ann Lee"]),
        ("Ann Lee Park", ["Ann Lee", "Lee Park"]),  # overlapping, neither inside the other
        ("Mary Ann", []),
        ("PELÉ, Ana López, Pele", ["Pelé", "Ana López"]),  # each once, in order of appearance
        ("", []),
    ],
)
def test_full_names_are_found_on_word_boundaries(names: NameIndex, text: str, found: list[str]) -> None:
    assert names.find(Text.of(text)) == found


@pytest.mark.parametrize(
    ("name", "text", "partial"),
    [
        ("Ana López", "Her name is Ana.", True),
        ("Ana López", "Ms. Lopez", True),
        ("Ana López", "Ana Maria Gil", True),  # the first name with a surname that the benchmark does not know
        ("Ana López", "Ana López, or simply Ana", False),  # not alone: the full name is there
        ("Ana López", "Joana", False),
        ("Ann Lee", "Mary Ann Lee", False),  # inside another person's full name
        ("Ann Lee", "Lee Park", False),
        ("Lee Park", "Ann Lee Park", False),  # overlapped, yet there
        ("Ann Lee", "Lee Park and Lee", True),
        ("Sean O'Neil", "Mr. O’Neil", True),
        ("Sean O'Neil", "Neil", False),
        ("Anne-Marie Roux", "Anne Marie", True),
        ("Anne-Marie Roux", "Anne", False),
        ("Pelé", "Pele", False),  # one word is the full name
        ("Zoë Müller Jr.", "Mr. Mueller", True),  # whatever spelling, and not the suffix
        ("Zoë Müller Jr.", "Jr.", False),
        ("Zoë Müller Jr.", "Z o ë Müller", False),  # spelled out, yet there
        ("Otto Park (actor)", "an actor", False),  # nor the bracket
        ("Otto Park (actor)", "Mr. Park", True),
        ("Pelé", "", False),
    ],
)
def test_partial_is_first_name_or_surname_alone(names: NameIndex, name: str, text: str, partial: bool) -> None:
    assert names.partial(name, Text.of(text)) is partial


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("Not Ana López.", True),
        ("Not Ana Lopez. This is Ana Lopez.", False),
        ("Ana, not López", True),
        ("I think not. Ana López", False),
        (f"I do not know{', nor do I care' * 5000}. Ana López", False),
    ],
)
def test_an_occurrence_is_denied_where_it_stands(names: NameIndex, text: str, denied: bool) -> None:
    assert names.occurrences(Text.of(text))[-1].denied is denied


def test_a_capital_that_begins_a_sentence_is_weak() -> None:
    names = NameIndex(["Pink", "Ana Sol"])
    for text, weak in (("Pink flowers.", True), ("Pink is here.", False), ("It is Pink himself.", False)):
        (occurrence,) = names.occurrences(Text.of(text))
        assert occurrence.weak is weak, text


def test_a_short_name_is_not_found_in_another_word() -> None:
    names = NameIndex(["Li Na", "Ann Lee"])
    assert names.find(Text.of("Lina and Annlee")) == ["Ann Lee"]
    assert names.find(Text.of("LiNa; L-i N-a")) == ["Li Na"]


def test_a_long_answer_of_parts_of_names_is_marked_in_no_time() -> None:
    """8,000 names, 10 kB: pairs of everything with everything would take minutes."""
    first = [f"{a}{b}" for a in ("An", "Be", "Ko", "Mi", "Ra", "Tho", "Lin", "Sur") for b in "abcdefghijkl"]
    last = [f"{a}{b}x" for a in ("Dor", "Vel", "Pin", "Nes", "Saj", "Wen", "Kul", "Mag") for b in "abcdefghijkl"]
    names = NameIndex([f"{one} {other}" for one in first for other in last][:8000])
    texts = [" ".join(words * 40)[:10_000] for words in (first, last, first + last, last[:1] * 96)]
    start = time.process_time()
    found = [len(names.find(Text.of(text))) for text in texts]
    assert time.process_time() - start < 4
    assert (found[0], found[1], found[3]) == (0, 0, 0)


@pytest.mark.parametrize(
    "text", ["\ud800 \x00 Ana López \udfff", "&#xD800;&#0; Ana L\\ud800 López", "%00%ff Ana López %"]
)
def test_broken_characters_break_nothing(names: NameIndex, text: str) -> None:
    assert names.find(Text.of(text)) == ["Ana López"]


def test_the_index_knows_its_names_as_spelled(names: NameIndex) -> None:
    assert "Ana López" in names
    assert "ana lopez" not in names


def test_names_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="'José Díaz' and 'jose diaz' cannot be told apart"):
        NameIndex(["Ana López", "José Díaz", "jose diaz"])


def test_a_name_without_letters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'\.\.\.' holds no letter"):
        NameIndex(["Ana López", "..."])
