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
        ["Ana López", "Ann Lee", "Ann Lee Strand", "Mary Ann Lee", "Lee Park", "Sean O'Neil", "Anne-Marie Roux", "Pelé"]
    )


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
        ("Pelé", "", False),
    ],
)
def test_partial_is_first_name_or_surname_alone(names: NameIndex, name: str, text: str, partial: bool) -> None:
    assert names.partial(name, Text.of(text)) is partial


def test_the_index_knows_its_names_as_spelled(names: NameIndex) -> None:
    assert "Ana López" in names
    assert "ana lopez" not in names


def test_names_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="'José Díaz' and 'jose diaz' cannot be told apart"):
        NameIndex(["Ana López", "José Díaz", "jose diaz"])


def test_a_name_without_letters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'\.\.\.' holds no letter"):
        NameIndex(["Ana López", "..."])
