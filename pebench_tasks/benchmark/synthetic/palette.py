"""The colours of skin, hair, eyes and cloth."""

from pebench_tasks.benchmark.synthetic.pen import Colour

SKINS: dict[str, Colour] = {
    "porcelain": (252, 222, 205),
    "light": (244, 202, 172),
    "warm": (229, 178, 138),
    "olive": (206, 155, 108),
    "tan": (184, 127, 84),
    "brown": (150, 98, 62),
    "deep": (111, 69, 43),
    "ebony": (77, 48, 35),
}
HAIR_COLOURS: dict[str, Colour] = {
    "black": (38, 33, 40),
    "dark brown": (74, 48, 36),
    "chestnut": (124, 74, 42),
    "ginger": (200, 95, 40),
    "blond": (228, 186, 92),
    "platinum": (244, 231, 198),
    "grey": (152, 156, 163),
    "white": (236, 237, 241),
    "pink": (236, 112, 170),
    "teal": (30, 168, 160),
    "purple": (126, 82, 190),
    "blue": (52, 112, 214),
}
NATURAL = ("black", "dark brown", "chestnut", "ginger", "blond", "platinum")
DYED = ("pink", "teal", "purple", "blue")
CLOTH_COLOURS: dict[str, Colour] = {
    "red": (208, 52, 52),
    "coral": (246, 132, 104),
    "orange": (242, 146, 36),
    "yellow": (250, 208, 66),
    "lime": (160, 202, 62),
    "green": (48, 142, 80),
    "forest": (26, 78, 62),
    "mint": (158, 222, 196),
    "turquoise": (32, 172, 182),
    "sky": (128, 196, 240),
    "blue": (44, 104, 206),
    "navy": (30, 44, 94),
    "violet": (112, 74, 184),
    "lilac": (198, 172, 232),
    "magenta": (204, 50, 134),
    "rose": (250, 182, 200),
    "burgundy": (124, 30, 56),
    "brown": (126, 84, 54),
    "sand": (226, 202, 162),
    "white": (246, 246, 246),
    "grey": (140, 146, 154),
    "black": (44, 44, 52),
}
EYE_COLOURS: dict[str, Colour] = {
    "brown": (92, 56, 34),
    "dark": (48, 34, 30),
    "blue": (64, 124, 190),
    "green": (78, 132, 82),
    "hazel": (144, 102, 48),
    "grey": (112, 128, 142),
}
