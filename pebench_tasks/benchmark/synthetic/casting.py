"""Draws looks that suit an age and a gender and differ well from each other."""

import random
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pebench_tasks.benchmark.synthetic import looks as options
from pebench_tasks.benchmark.synthetic.headwear import HATS
from pebench_tasks.benchmark.synthetic.likeness import signature
from pebench_tasks.benchmark.synthetic.looks import Look
from pebench_tasks.benchmark.synthetic.palette import CLOTH_COLOURS, DYED, EYE_COLOURS, HAIR_COLOURS, NATURAL, SKINS
from pebench_tasks.benchmark.synthetic.pen import Colour

_LEAST_DIFFERENCES = 4


def sample_looks(
    traits: Sequence[tuple[int, str]], seed: int, *, avoid: Sequence[Look] = (), candidates: int = 60
) -> list[Look]:
    """One look for each (age, gender), every one as far as possible from the earlier ones and from `avoid`.

    Greedy max-min: of `candidates` random looks that suit the age and gender, the one whose nearest earlier look is
    farthest is kept; one that shares most visible attributes with an earlier look only if all candidates do.
    """
    looks: list[Look] = []
    taken = [(signature(look), _visible(look)) for look in avoid]
    for index, (age, gender) in enumerate(traits):
        rng = random.Random(f"look/{seed}/{index}")
        drawn = [_random_look(rng, age, gender) for _ in range(candidates)]
        signatures = np.array([signature(look) for look in drawn])  # (candidates, features)
        visible = np.array([_visible(look) for look in drawn])  # (candidates, attributes)
        nearest = np.full(candidates, np.iinfo(np.int32).max)
        unlike = np.full(candidates, len(options.VISIBLE))
        for other_signature, other_visible in taken:
            nearest = np.minimum(nearest, np.abs(signatures - other_signature).sum(1))
            unlike = np.minimum(unlike, (visible != other_visible).sum(1))
        best = int(np.lexsort((nearest, unlike >= _LEAST_DIFFERENCES))[-1])
        looks.append(drawn[best])
        taken.append((signatures[best], visible[best]))
    return looks


def _visible(look: Look) -> np.ndarray:
    return np.array([options.OPTIONS[name].index(getattr(look, name)) for name in options.VISIBLE], dtype=np.int32)


def _random_look(rng: random.Random, age: int, gender: str) -> Look:
    skin = rng.choice(tuple(SKINS))
    top = rng.choice(tuple(CLOTH_COLOURS))
    accent = rng.choice(_apart(top))
    pattern = rng.choice(options.PATTERNS)
    hair_style = _hair_style(rng, age, gender)
    headwear = _headwear(rng, age, gender, hair_style)
    hair_colour = "black" if headwear == "hijab" else _hair_colour(rng, age, skin)
    return Look(
        skin=skin,
        face=rng.choice(options.FACES),
        build="slim" if age < 16 else rng.choice(options.BUILDS),
        hair_style="covered" if headwear == "hijab" else hair_style,
        hair_colour=hair_colour,
        eyes=rng.choice(tuple(EYE_COLOURS) if skin in ("porcelain", "light", "warm", "olive") else ("brown", "dark")),
        brows=rng.choice(options.BROWS),
        nose="small" if age < 16 else rng.choice(options.NOSES),
        marks=rng.choices(options.MARKS, (5, 2, 2, 2))[0],
        lashes=gender == "female" or (gender == "nonbinary" and rng.random() < 0.5),
        wrinkles=age >= 58,
        glasses=rng.choices(options.GLASSES, (5, 3, 3, 2 if age >= 14 else 0))[0],
        beard=_beard(rng, age, gender, hair_colour),
        headwear=headwear,
        headwear_colour=rng.choice(_apart(top)),
        top=top,
        accent=accent,
        pattern=pattern,
        neckline="collar" if pattern == "jacket" else rng.choice(options.NECKLINES),
        accessory=_accessory(rng, age, gender, headwear),
        accessory_colour=rng.choice(_apart(top, accent)),
    )


@lru_cache
def _apart(*tops: str) -> tuple[str, ...]:
    """The cloth colours that can be told from all of these in a small picture."""
    return tuple(
        name for name in CLOTH_COLOURS if all(_far(CLOTH_COLOURS[name], CLOTH_COLOURS[top], 150) for top in tops)
    )


def _far(first: Colour, second: Colour, least: int) -> bool:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True)) > least


def _hair_style(rng: random.Random, age: int, gender: str) -> str:
    if gender == "female":
        return rng.choice((*options.LONG_HAIR, *options.LONG_HAIR, "side part", "curls", "afro", "buzz"))
    if gender == "nonbinary":
        return rng.choice((*options.SHORT_HAIR, *options.LONG_HAIR))
    thin = ("bald", "receding", "bald", "receding") if age >= 45 else ("bald",) if age >= 28 else ()
    long = ("long", "bun", "ponytail") if 16 <= age < 50 else ()
    return rng.choice((*options.SHORT_HAIR, *options.SHORT_HAIR, *thin, *long))


def _hair_colour(rng: random.Random, age: int, skin: str) -> str:
    if age >= 62:
        return rng.choice(("grey", "white"))
    if age >= 48 and rng.random() < 0.4:
        return "grey"
    if 15 <= age < 50 and rng.random() < 0.2:
        return rng.choice(DYED)
    return rng.choices(NATURAL, _natural_hair(skin))[0]


@lru_cache
def _natural_hair(skin: str) -> list[float]:
    """How common each natural hair colour is; one that does not stand out from the skin never occurs."""
    weights = (4, 3, 3, 2, 2, 1.5)
    return [
        weight if _far(HAIR_COLOURS[name], SKINS[skin], 80) else 0
        for name, weight in zip(NATURAL, weights, strict=True)
    ]


def _beard(rng: random.Random, age: int, gender: str, hair_colour: str) -> str:
    # Hair is dyed, beards are not.
    if gender == "female" or age < 20 or hair_colour in DYED:
        return "none"
    return rng.choices(options.BEARDS, (4, 2, 2, 2, 4))[0]


def _headwear(rng: random.Random, age: int, gender: str, hair_style: str) -> str:
    hat = 2 if age >= 16 else 0
    hijab = 2 if gender == "female" and age >= 14 else 0
    headwear = rng.choices(options.HEADWEAR, (10, 2, 2, hat, 2, 2, hijab))[0]
    # A hat would hide what tells these from other hair.
    return "none" if headwear in HATS and hair_style in ("afro", "bun") else headwear


def _accessory(rng: random.Random, age: int, gender: str, headwear: str) -> str:
    worn = {
        "none": 4.0,
        "scarf": 0 if headwear == "hijab" else 2,
        "necktie": 0 if age < 16 or gender == "female" else 2,
        "bow tie": 0 if gender == "female" else 1,
        "necklace": 0 if headwear == "hijab" else 0.5 if gender == "male" else 2,
        "lanyard": 1,
        "earrings": 0 if headwear == "hijab" or age < 12 else 0.3 if gender == "male" else 3,
    }
    return rng.choices(tuple(worn), tuple(worn.values()))[0]
