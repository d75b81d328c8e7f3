"""The paper's event names and keywords, and what takes their place where a table has none."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from pebench_tasks.benchmark.synthetic.events import EVENTS
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.words import normalise

PAPER = {normalise(event.name): event for event in EVENTS}
_PHRASES = {event.name: [f" {normalise(keyword)} " for keyword in event.keywords] for event in EVENTS}
PORTRAITS = {"portrait", "headshot", "profile", "passport", "selfie", "none", "nan", "null", "na", "n a"}
CLEAR_SHARE, CLEAR_LEAD = 0.3, 0.1  # of an event's keywords; ahead of the next event
CLEAR_IMAGES = 0.95
KEYWORDS, KEYWORD_LETTERS, KEYWORD_EVENTS = 10, 4, 0.25
LITTLE_WORDS = set(
    re.findall(
        r"\w+",
        "about above across after against along also among around away back been before behind being below beneath "
        "beside between beyond both down during each every from have having here high into just large like little "
        "long lots many more most much near nearby next once only onto other others over people person several "
        "short show shows showing small some such than that their them then there these they this those through "
        "under until upon very what when where which while with within without woman young",
    )
)


def is_portrait(event: str) -> bool:
    """Whether a normalised name of one or two words says that there is no event ("portrait", "profile photo")."""
    words = event.split()
    return event in PORTRAITS or (len(words) <= 2 and not PORTRAITS.isdisjoint(words))


def match_images(descriptions: Sequence[str], people: Sequence[str]) -> list[str]:
    """The paper's event of every image by the keywords in its description; "" where that is not clear.

    Clear: at least 0.3 of the event's keywords, and 0.1 more than of any other event. Raises ``BenchmarkError`` unless
    95 % of the images are clear and, of those, 95 % the only image of their person with the event.
    """
    names = [_clear_event(description) for description in descriptions]
    cells = Counter((person, name) for person, name in zip(people, names, strict=True) if name)
    clear = sum(cells.values())
    if clear < CLEAR_IMAGES * len(names) or sum(n == 1 for n in cells.values()) < CLEAR_IMAGES * clear:
        raise BenchmarkError(
            "No column names events, the descriptions differ from image to image, and their words do not say clearly "
            f"which of the paper's events they show ({clear} of {len(names)} do). Add a column with the event's name, "
            "or --columns event=COLUMN."
        )
    return names


def _clear_event(description: str) -> str:
    words = f" {normalise(description)} "
    shares = sorted(
        ((sum(phrase in words for phrase in phrases) / len(phrases), name) for name, phrases in _PHRASES.items()),
        reverse=True,
    )
    (best, name), (second, _) = shares[:2]
    return name if best >= CLEAR_SHARE and round(best - second, 9) >= CLEAR_LEAD else ""


def name_by_description(description: str, keywords: Sequence[str]) -> str:
    """The name of an event that has none in the table: the paper's if that is clear, else its first three keywords."""
    return _clear_event(description) or " ".join(keywords[:3])


def content_words(descriptions: Mapping[str, str]) -> dict[str, list[str]]:
    """Keywords of events that have none: up to ten words of the description, in its order.

    Words of four letters or more that at most a quarter of the events' descriptions (or this one alone) hold, without
    the commonest English words. Where none is left, all words of four letters or more; then all words.
    """
    words = {event: list(dict.fromkeys(normalise(text).split())) for event, text in descriptions.items()}
    shown = Counter(word for found in words.values() for word in found)
    most = max(1, KEYWORD_EVENTS * len(words))
    chosen = {}
    for event, found in words.items():
        longer = [word for word in found if len(word) >= KEYWORD_LETTERS and word.isalpha()]
        own = [word for word in longer if shown[word] <= most and word not in LITTLE_WORDS]
        chosen[event] = (own or longer or found)[:KEYWORDS]
    return chosen


def without_names(text: str, people: Sequence[str]) -> str:
    """A normalised text without these (normalised) names."""
    words = f" {normalise(text)} "
    for person in people:
        if person:
            words = words.replace(f" {person} ", " ")
    return words.strip()
