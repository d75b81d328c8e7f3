"""What a person looks like, as a handful of discrete attributes."""

from dataclasses import dataclass

from pebench_tasks.benchmark.synthetic.palette import CLOTH_COLOURS, HAIR_COLOURS, SKINS

SHORT_HAIR = ("buzz", "side part", "quiff", "curls", "spiky", "afro")
LONG_HAIR = ("bob", "fringe", "long", "wavy", "ponytail", "bun", "braids")
HAIR_STYLES = ("covered", "bald", "receding", *SHORT_HAIR, *LONG_HAIR)
HEADWEAR = ("none", "cap", "beanie", "hat", "beret", "headband", "hijab")
GLASSES = ("none", "round", "square", "sunglasses")
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
PATTERNS = ("plain", "stripes", "bars", "dots", "block", "sash", "check", "jacket", "dungarees")
NECKLINES = ("crew", "v", "collar", "turtleneck", "hood")
ACCESSORIES = ("none", "scarf", "necktie", "bow tie", "necklace", "lanyard", "earrings")
FACES = ("narrow", "medium", "wide")
BUILDS = ("slim", "medium", "broad")
BROWS = ("soft", "straight", "arched", "bold")
NOSES = ("small", "wide", "long")
MARKS = ("none", "freckles", "mole", "blush")


@dataclass(frozen=True)
class Look:
    """What identifies a person in a picture; the same in every scene."""

    skin: str
    face: str
    build: str
    hair_style: str
    hair_colour: str
    eyes: str
    brows: str
    nose: str
    marks: str
    lashes: bool
    wrinkles: bool
    glasses: str
    beard: str
    headwear: str
    headwear_colour: str
    top: str
    accent: str
    pattern: str
    neckline: str
    accessory: str
    accessory_colour: str


# What a viewer notices first; the least that two looks must differ in is counted over these.
VISIBLE = (
    "skin", "hair_style", "hair_colour", "glasses", "beard", "headwear", "top", "accent", "pattern", "accessory",
)  # fmt: skip
# The options of the attributes by which looks are compared.
OPTIONS: dict[str, tuple[str, ...]] = {
    "skin": tuple(SKINS), "face": FACES, "build": BUILDS, "hair_style": HAIR_STYLES, "hair_colour": tuple(HAIR_COLOURS),
    "glasses": GLASSES, "beard": BEARDS, "headwear": HEADWEAR, "top": tuple(CLOTH_COLOURS),
    "accent": tuple(CLOTH_COLOURS), "pattern": PATTERNS,
    "neckline": NECKLINES, "accessory": ACCESSORIES,
}  # fmt: skip


def visible_differences(first: Look, second: Look) -> int:
    """In how many of the attributes that a viewer notices first two looks differ."""
    return sum(getattr(first, name) != getattr(second, name) for name in VISIBLE)
