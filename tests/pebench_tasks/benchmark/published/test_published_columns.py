"""Which columns mean what: found by content, refused where two readings are possible."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replica import DETAILS, EVENTS, FULL, PEOPLE, Row, make_images, make_replica, write_table

from pebench_tasks.benchmark.published.build import Understood, understand
from pebench_tasks.errors import BenchmarkError

ALIKE = {
    "absolute paths of another machine": {"a": "/home/author/data/PEBench/{relative}", "b": "{event}"},
    "Windows paths": {"a": "D:\\data\\{person}\\{file}", "b": "{event}"},
    "relative paths": {"a": "./{relative}", "b": "{event}"},
    "file names and people": {"a": "{file}", "p": "{person}", "b": "{event}"},
    "names without ending and people": {"a": "{number:0>2}", "p": "{person}", "b": "{event}"},
    "another ending": {"a": "{person}/{number:0>2}.png", "b": "{event}"},
    "no person column": {"a": "{relative}", "event": "{event}"},
    "people with underscores": {"a": "{relative}", "p": "{under}", "b": "{event}"},
    "people spelled in two ways": {"a": "{relative}", "p": "{under}", "q": "{person}", "b": "{event}"},
    "the same image twice": {"a": "{relative}", "other": "/mnt/{relative}", "p": "{person}", "b": "{event}"},
    "numbers, ages and a split": {"": "{row}", "a": "{relative}", "b": "{event}", "age": "31", "split": "train"},
    "events in capitals with underscores": {"a": "{relative}", "b": "{shouted}"},
    "the number of the event beside its name": {"a": "{relative}", "b": "{event}", "id": "{number}"},
    "a biography": {"a": "{relative}", "b": "{event}", "bio": "{person} was born far away and has worked a lot since."},
    "a list of keywords": {"a": "{relative}", "b": "{event}", "k": "{event}; outdoors; people; light"},
}


def add_facts(rows: list[Row]) -> list[Row]:
    for place, row in enumerate(rows):
        row |= {
            "row": str(place),
            "under": row["person"].replace(" ", "_"),
            "shouted": row["event"].upper().replace(" ", "_"),
        }
    return rows


def columns(understood: Understood) -> dict[str, str | None]:
    return {role: found.column for role, found in understood.columns.items()}


def placed(understood: Understood) -> dict[tuple[str, str], str]:
    """Person and event to file, as the grid has them."""
    people = {row["id"]: row["name"] for row in understood.grid.people}
    events = {row["id"]: row["name"] for row in understood.grid.events}
    return {(people[c.person], events[c.event]): c.file.name for c in understood.grid.cells}


def expected(rows: list[Row]) -> dict[tuple[str, str], str]:
    return {(row["person"], row["event"]): row["relative"] for row in rows}


@pytest.mark.parametrize("header", ALIKE.values(), ids=ALIKE)
def test_every_plausible_table_is_read_alike(tmp_path: Path, header: Mapping[str, str]) -> None:
    rows = add_facts(make_images(tmp_path))
    write_table(tmp_path, rows, {**header, "d": "{description}"})
    understood = understand(tmp_path)
    assert placed(understood) == expected(rows)
    assert columns(understood)["event"] in ("b", "event")
    assert columns(understood)["description"] == "d"
    assert {row["description"] for row in understood.grid.events} == set(EVENTS.values())
    assert {item.name for item in understood.grid.left_out} == {f"{name}/portrait.jpg" for name in PEOPLE}
    assert understood.grid.skipped == []


@pytest.mark.parametrize("folder", ["train/{name}", "{under}", "images/train/{under}"])
@pytest.mark.parametrize("suffix", [".png", ".JPG"])
def test_folders_may_be_nested_and_underscored(tmp_path: Path, folder: str, suffix: str) -> None:
    rows = make_images(tmp_path, folder=folder, suffix=suffix)
    write_table(tmp_path, rows, {"path": "/data/{relative}", "e": "{event}", "d": "{description}"})
    understood = understand(tmp_path)
    assert placed(understood) == expected(rows)
    assert [row["name"] for row in understood.grid.people] == sorted(PEOPLE)


def test_images_may_be_named_after_their_events(tmp_path: Path) -> None:
    rows = make_images(tmp_path, file="{event}")
    write_table(tmp_path, rows, {"who": "{person}", "what": "{event}", "text": "{description}"})
    understood = understand(tmp_path)
    assert placed(understood) == expected(rows)
    assert columns(understood) | {"image": "what", "event": "what"} == columns(understood)


def test_folders_may_be_numbers_if_a_column_has_the_names(tmp_path: Path) -> None:
    rows = make_images(tmp_path, folder="{place:03d}")
    write_table(tmp_path, rows, {"path": "{relative}", "name": "{person}", "e": "{event}", "d": "{description}"})
    assert placed(understand(tmp_path)) == expected(rows)


def test_numbered_folders_alone_do_not_say_who_is_shown(tmp_path: Path) -> None:
    rows = make_images(tmp_path, folder="{place:03d}")
    write_table(tmp_path, rows, {"path": "{relative}", "e": "{event}", "d": "{description}"})
    with pytest.raises(BenchmarkError, match=r"Nothing says who is in an image.*--columns person=COLUMN"):
        understand(tmp_path)


def test_numbers_that_count_from_another_start_are_not_file_names(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    for row in rows:
        row["number"] = str(int(row["number"]) + 1)  # the last one of each person has no file
    write_table(tmp_path, rows, {"n": "{number:0>2}", "p": "{person}", "e": "{event}", "d": "{description}"})
    with pytest.raises(BenchmarkError, match="no column fits the image"):
        understand(tmp_path)


def test_equal_descriptions_are_an_event_where_nothing_names_it(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    write_table(tmp_path, rows, {"path": "{relative}", "text": "{description}"})
    understood = understand(tmp_path)
    assert columns(understood)["event"] is None
    files = {
        frozenset(c.file.name for c in understood.grid.cells if c.event == e["id"]): e["description"]
        for e in understood.grid.events
    }
    for event, description in EVENTS.items():
        assert files[frozenset(r["relative"] for r in rows if r["event"] == event)] == description


def test_an_event_without_a_name_is_called_by_its_first_keywords(tmp_path: Path) -> None:
    write_table(tmp_path, make_images(tmp_path), {"path": "{relative}", "text": "{description}"})
    events = {row["description"]: row for row in understand(tmp_path).grid.events}
    runners = events[EVENTS["park jogging"]]
    assert runners["name"] == "runners path tall"
    assert runners["keywords"] == ["runners", "path", "tall", "green", "trees", "early", "morning", "light"]


def test_descriptions_of_each_image_are_kept_beside_the_events(tmp_path: Path) -> None:
    write_table(tmp_path, make_images(tmp_path), {"path": "{relative}", "what": "{event}", "text": "{caption}"})
    understood = understand(tmp_path)
    usual = {row["id"]: row["description"] for row in understood.grid.events}
    names = {row["id"]: row["name"] for row in understood.grid.events}
    texts = {(c.person, names[c.event]): c.description or usual[c.event] for c in understood.grid.cells}
    assert texts["p001", "zoo visit"] == f"{EVENTS['zoo visit']} {DETAILS[1]}."
    assert len(set(texts.values())) == len(PEOPLE) * len(EVENTS)


def test_descriptions_of_each_image_with_the_papers_keywords_show_the_papers_events(tmp_path: Path) -> None:
    from pebench_tasks.benchmark.synthetic.events import EVENTS as PAPERS

    named = {event.name: event for event in PAPERS}
    rows = make_images(tmp_path)
    for row in rows:
        row["caption"] = f"{row['number']} {row['person'][:3]}: " + " and ".join(named[row["event"]].keywords[:6])
    write_table(tmp_path, rows, {"path": "{relative}", "text": "{caption}"})
    assert placed(understand(tmp_path)) == expected(rows)


def test_descriptions_of_each_image_that_show_no_event_clearly_are_refused(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    for place, row in enumerate(rows):
        row["caption"] = f"Somebody stands somewhere and does something, take {place} of many."
    write_table(tmp_path, rows, {"path": "{relative}", "text": "{caption}"})
    with pytest.raises(BenchmarkError, match=r"do not say clearly.*\(0 of 30 do\).*--columns event=COLUMN"):
        understand(tmp_path)


def test_event_names_without_descriptions_are_refused(tmp_path: Path) -> None:
    make_replica(tmp_path, {"img": "{relative}", "who": "{person}", "what": "{event}"})
    message = r"no column fits the description: .*event names alone.*--columns \"description=COLUMN\".*\"what\""
    with pytest.raises(BenchmarkError, match=message):
        understand(tmp_path)


@pytest.mark.parametrize(
    ("role", "first", "second", "header"),
    [
        ("description", "text", "prompt", {"prompt": "{caption}"}),
        ("person", "who", "friend", {"friend": "{friend}"}),
        ("image", "img", "pair", {"pair": "{other}"}),
        ("event", "what", "mood", {"what": "scene {number}", "mood": "{mood}"}),
    ],
)
def test_two_columns_that_fit_are_refused_and_either_can_be_chosen(
    tmp_path: Path, role: str, first: str, second: str, header: dict[str, str]
) -> None:
    rows = make_images(tmp_path)
    for place, row in enumerate(rows):
        shifted = rows[(place + len(EVENTS)) % len(rows)]
        moods = ("calm", "tense", "merry", "dull", "wild")
        row |= {
            "friend": shifted["person"], "other": shifted["relative"],
            "mood": moods[(int(row["number"]) + place // len(EVENTS)) % 5],
        }  # fmt: skip
    columns_of = {**FULL, **header}
    if role == "image":
        del columns_of["who"]
    if role == "person":
        columns_of["img"] = "{number:0>2}"
    write_table(tmp_path, rows, columns_of)
    with pytest.raises(BenchmarkError) as refusal:
        understand(tmp_path)
    message = str(refusal.value)
    assert f"2 columns fit the {role}" in message
    for column in (first, second):
        assert f'"{column}" (such as "' in message
        assert f'--columns "{role}={column}"' in message
    for column in (first, second):
        assert columns(understand(tmp_path, f"{role}={column}"))[role] == column


def test_the_events_of_the_paper_win_over_another_column_of_their_pattern(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    for place, row in enumerate(rows):
        row["mood"] = ("calm", "tense", "merry", "dull", "wild")[(int(row["number"]) + place // len(EVENTS)) % 5]
    write_table(tmp_path, rows, {**FULL, "mood": "{mood}"})
    assert columns(understand(tmp_path))["event"] == "what"


def test_chosen_columns_may_have_any_header(tmp_path: Path) -> None:
    header = {"a,b": "{relative}", "Person": "{person}", "x=y": "{event}", "text": "{description}"}
    make_replica(tmp_path, header)
    chosen = "image=a,b,person=person,event=x=y,description=text"
    assert columns(understand(tmp_path, chosen))["image"] == "a,b"
    assert columns(understand(tmp_path, "person="))["person"] is None


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("image=nowhere", "there is no column 'nowhere'. The table has img, who, what, text"),
        ("picture=img", "'picture=img' is not ROLE=COLUMN. The roles are image, person"),
        ("img", "'img' is not ROLE=COLUMN"),
        ("image=img,image=text", "names image twice"),
        ("image=text", 'column "text" names too few of the image files'),
        ("image=", "image needs a column"),
        ("description=", "description needs a column"),
        ("event=text,description=text", 'event="text" holds texts, not names'),
        ("event=who", "Only 0 people were found, 4 are needed"),
    ],
)
def test_a_refused_choice_says_why(tmp_path: Path, chosen: str, message: str) -> None:
    make_replica(tmp_path)
    with pytest.raises(BenchmarkError, match=message):
        understand(tmp_path, chosen)


def test_keywords_are_the_papers_then_the_tables_then_the_descriptions(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    for row in rows:
        row["event"] = "deep sea diving" if row["event"] == "boat trip" else row["event"]
    write_table(tmp_path, rows, {**FULL, "tags": "{event}; {number}; blue"})
    events = {row["name"]: row["keywords"] for row in understand(tmp_path).grid.events}
    assert events["deep sea diving"] == ["deep sea diving", "3", "blue"]
    assert "giraffes" in events["zoo visit"] or "zoo" in events["zoo visit"]
    assert understand(tmp_path, "keywords=").grid.events[0]["keywords"][:3] == ["white", "sails", "fill"]


def test_facts_about_people_are_read_and_completed(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    header = {"Age": "34 years old", "sex": "F", "JobTitle job": "Biologist", "birth_place": "Toronto, Canada"}
    write_table(tmp_path, rows, {**FULL, **header, "image_age": "7"})
    understood = understand(tmp_path, "age=Age")
    assert understood.facts["bruno diaz"] == {
        "age": 34, "gender": "female", "occupation": "Biologist", "category": "Science & Research",
        "city": "Toronto", "country": "Canada", "region": "North America",
    }  # fmt: skip
    assert understand(tmp_path).columns["age"].column is None  # two columns fit


def test_unknown_facts_are_empty(tmp_path: Path) -> None:
    make_replica(tmp_path, {**FULL, "age": "young adult"})
    assert understand(tmp_path).facts["dana lee"] == {
        "age": None, "gender": "", "occupation": "", "category": "", "city": "", "country": "", "region": "",
    }  # fmt: skip


def test_descriptions_that_differ_in_the_persons_name_only_are_one_event(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    for row in rows:
        row["caption"] = f"{row['person']} is there. {row['description']}"
    write_table(tmp_path, rows, {"path": "{relative}", "text": "{caption}"})
    understood = understand(tmp_path)
    assert len(understood.grid.events) == len(EVENTS)
    names = {name for person in PEOPLE for name in person.lower().split()}
    assert all(names.isdisjoint(row["keywords"]) for row in understood.grid.events)


def test_several_rows_about_an_image_are_refused(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    write_table(tmp_path, [*rows, *rows], {**FULL, "question": "{number}"})
    with pytest.raises(BenchmarkError, match='column "img" names 30 images in 60 rows'):
        understand(tmp_path)


def test_no_event_column_can_be_chosen(tmp_path: Path) -> None:
    make_replica(tmp_path)
    understood = understand(tmp_path, "event=")
    assert columns(understood)["event"] is None
    assert len(understood.grid.events) == len(EVENTS)


WORDS = st.text("abcdefgh", min_size=1, max_size=5)
JUNK = st.sampled_from(["constant", "row", "digits", "words", "text", "folder", "number", "empty"])
SHAPES = st.sampled_from(["{relative}", "/mnt/x/{relative}", "{person}/{file}", "..\\{under}\\{file}"])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), junk=st.lists(JUNK, max_size=5), image=SHAPES, seed=st.integers(0, 1000))
def test_a_table_is_read_right_or_refused_whatever_else_is_in_it(
    replica: tuple[Path, list[Row]], data: st.DataObject, junk: list[str], image: str, seed: int
) -> None:
    root, rows = replica
    random = Random(seed)
    rows = random.sample(add_facts([dict(row) for row in rows]), len(rows))
    wanted = [image, "{description}", *data.draw(st.lists(st.sampled_from(["{event}", "{person}"]), unique=True))]
    for number, kind in enumerate(junk):
        for row in rows:
            words = " ".join(random.choices(["sun", "rain", "fog", "hail"], k=9 if kind == "text" else 2))
            values = {
                "constant": "x", "row": row["row"], "digits": str(random.randrange(99)), "words": words,
                "text": words, "folder": random.choice(PEOPLE), "number": row["number"], "empty": "",
            }  # fmt: skip
            row[f"junk{number}"] = values[kind]
        wanted.append(f"{{junk{number}}}")
    headers = data.draw(st.lists(WORDS, min_size=len(wanted), max_size=len(wanted), unique=True))
    order = data.draw(st.permutations(list(zip(headers, wanted, strict=True))))
    write_table(root, rows, dict(order))
    try:
        understood = understand(root)
    except BenchmarkError as error:
        if "columns fit the" not in str(error):
            raise
        return
    events = {row["id"]: row["description"] for row in understood.grid.events}
    people = {row["id"]: row["name"] for row in understood.grid.people}
    found = {(people[c.person], c.description or events[c.event]): c.file.name for c in understood.grid.cells}
    assert found == {(row["person"], row["description"]): row["relative"] for row in rows}


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    root = tmp_path_factory.mktemp("replica")
    return root, make_images(root)


def test_events_without_names_that_begin_alike_are_numbered(tmp_path: Path) -> None:
    rows = make_images(tmp_path)
    for row in rows:
        row["description"] = f"Somebody stands somewhere and does something, take {row['number']} of many."
    write_table(tmp_path, rows, {"path": "{relative}", "text": "{description}"})
    names = [row["name"] for row in understand(tmp_path).grid.events]
    assert names == ["somebody stands somewhere", *(f"somebody stands somewhere {n}" for n in range(2, 6))]
