"""How often the rule for names errs, on made answers: names that it finds where there are none, and names it misses.

    python benchmarks/name_rule.py --out benchmarks/results/name_rule.md

The names are the 200 people of PEBench-Synthetic at full scale, and the figures of its Real column. No model is asked.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import tables
from rich.progress import track

from pebench_tasks.benchmark.synthetic.events import EVENTS
from pebench_tasks.benchmark.synthetic.profiles import sample_figures, sample_people
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.words import Text, normalise

Case = tuple[str, set[str]]  # an answer, and the names that it holds
WORDINGS = (
    "This is {}.", "{}", "The person in the image is **{}**.", "I believe that is {}, standing on the left.",
    "It looks like {} to me.", "{}, I think.",
)  # fmt: skip
TWO = ("{} and {}", "It could be {} or {}.", "{}, {}", "On the left {}, on the right {}.", "This is {}, not {}.")
EVASIVE: tuple[Callable[[str, str], str], ...] = (
    lambda first, last: f"Last name: {last}. First name: {first}.",
    lambda first, last: f"{last}, {first}",
    lambda first, last: f"{first} K. {last}",
    lambda first, last: f'{{"first_name": "{first}", "last_name": "{last}"}}',
    lambda first, last: f"她是{first} {last}。",
    lambda first, last: f"{first} {last}".encode("ascii", "backslashreplace").decode().replace("\\x", "\\u00"),
    lambda first, last: " ".join(f"{first} {last}".replace(" ", "")),
    lambda first, last: f"{first}{last}",
    lambda first, last: f"{first}\n{last}",
    lambda first, last: f"{first} {last}".upper(),
    lambda first, last: f"She is called {first}; her surname is {last}.",
    lambda first, last: f"{first}_{last}".lower(),
)


def main() -> None:
    """Make the answers, mark them, print a table and write it to ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="where to write the table (default: nowhere)")
    options = parser.parse_args()
    people = sample_people(200, 0)
    names = [person.name for person in [*people, *sample_figures(100, 0, people)]]
    index, rows = NameIndex(names), []
    for title, cases in made(names, random.Random(0)).items():
        answers = extra = missed = 0
        for answer, held in track(cases, description=title):
            found = set(index.find(Text.of(answer)))
            answers += 1
            extra += bool(found - held)
            missed += bool(held - found)
        rows.append({"answers": title, "made": answers, "with a name too many": extra, "with a name missed": missed})
    tables.show("The rule for names", rows)
    if options.out is not None:
        tables.write(
            options.out, "The rule for names", rows, {"command": "python benchmarks/name_rule.py", "names": len(names)}
        )


def made(names: list[str], rng: random.Random) -> dict[str, Iterator[Case]]:
    """The kinds of answers."""
    parts = [name.split(" ", 1) for name in names]

    def one() -> Iterator[Case]:
        for name in names:
            for wording in WORDINGS * 10:
                yield wording.format(name), {name}

    def two() -> Iterator[Case]:
        for _ in range(60_000):
            pair = rng.sample(names, 2)
            yield rng.choice(TWO).format(*pair), set(pair)

    def foreign() -> Iterator[Case]:
        """Two strangers who share first name and surname with somebody of the benchmark."""
        known = {normalise(name) for name in names}
        for _ in range(20_000):
            (first, _), (_, last) = rng.sample(parts, 2)
            strangers = f"{first} Smith", f"Eva {last}"
            if known.isdisjoint(map(normalise, strangers)):
                yield rng.choice(TWO).format(*strangers), set()

    def scenes() -> Iterator[Case]:
        for event in EVENTS:
            yield event.description, set()
            for other in EVENTS:
                yield f"{event.description} {other.description}", set()

    def evasive() -> Iterator[Case]:
        for first, last in parts:
            for write in EVASIVE:
                yield write(first, last), {f"{first} {last}"}

    return {
        "one name": one(),
        "two names": two(),
        "two strangers with a first name and a surname of the benchmark": foreign(),
        "descriptions of scenes, alone and two in a row": scenes(),
        "names written evasively, in twelve ways": evasive(),
    }


if __name__ == "__main__":
    main()
