"""Scenes of people getting together: dinners, a family evening, a charity event and a club."""

from __future__ import annotations

from random import Random

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.scenery import PARTY, beam, boards, bunting, framed, person, potted, speckles


def dinner_with_friends(c: Canvas) -> None:
    c.gradient(0, 1, "#a8543a", "#8a4230")
    rng = Random("bricks")
    for row in range(15):
        for k in range(9):
            x = k * 0.13 - 0.065 * (row % 2)
            c.rect(
                x, row * 0.05, x + 0.124, row * 0.05 + 0.044, rng.choice(("#b8614a", "#a8543f", "#c26f53", "#9c4b38"))
            )
    for x0, n in ((0.0, 34), (0.86, 30)):  # ivy
        for _ in range(n):
            y = rng.random() ** 1.5 * 0.5
            c.oval(
                x0 + rng.uniform(0, 0.15) * (1 - y), y, 0.02, 0.016, fill=rng.choice(("#3f7d3a", "#5b9a45", "#2f6630"))
            )
    c.line([(0, 0.05), (0.3, 0.1), (0.5, 0.09), (0.7, 0.11), (1, 0.05)], "#3b2419", 0.004)
    for x, y, fill in (
        (0.16, 0.15, "#ffb03f"),
        (0.34, 0.19, "#ff7a5a"),
        (0.5, 0.13, "#ffd66b"),
        (0.66, 0.2, "#ff7a5a"),
        (0.84, 0.15, "#ffb03f"),
    ):
        c.glow(x, y, 0.17, "#ffd98a", 0.85)
        c.oval(x, y, 0.055, 0.05, fill=fill)
        for k in (-1, 0, 1):
            c.arc(x + 0.0, y + 0.0, abs(k) * 0.03 + 0.001, 0.05, 0, 360, "#ffffff70", 0.003)
        c.rect(x - 0.018, y - 0.056, x + 0.018, y - 0.044, "#7a3a24")
    for x, y, h, top in (
        (0.25, 1.06, 0.58, "#e3a93a"),
        (0.75, 1.06, 0.58, "#7f5bb0"),
        (0.07, 1.15, 0.72, "#3f8f8c"),
        (0.93, 1.15, 0.72, "#4d7fd0"),
    ):
        person(c, x, y, h, top)
    c.poly([(0.02, 0.8), (0.98, 0.8), (1.08, 1.02), (-0.08, 1.02)], "#e8c79a")
    c.poly([(0.02, 0.8), (0.98, 0.8), (0.985, 0.815), (0.015, 0.815)], "#fff0d6")
    for k in range(9):
        c.line([(0.12 + 0.095 * k, 0.81), (0.05 + 0.1125 * k, 1)], "#d9ae78", 0.003)
    c.oval(0.17, 0.89, 0.13, 0.05, fill="#c98a4a")  # pizza
    c.oval(0.17, 0.885, 0.115, 0.042, fill="#f7c84f")
    for dx, dy in ((-0.06, 0), (0.0, -0.02), (0.05, 0.01), (-0.01, 0.02), (0.07, -0.012)):
        c.oval(0.17 + dx, 0.885 + dy, 0.021, 0.01, fill="#cf3b2a")
    for x in (0.36, 0.8):  # salad
        c.oval(x, 0.87, 0.07, 0.03, fill="#5bb04a")
        c.oval(x - 0.02, 0.862, 0.03, 0.014, fill="#8fd46b")
        c.oval(x + 0.03, 0.866, 0.012, fill="#e2453c")
        c.pie(x, 0.875, 0.08, 0.065, 0, 180, "#ffffff")
    for x, y in ((0.32, 0.93), (0.7, 0.93), (0.9, 0.9), (0.03, 0.9)):  # lemonade
        c.rect(x - 0.02, y - 0.075, x + 0.02, y, "#ffffffa0", radius=0.005)
        c.rect(x - 0.017, y - 0.05, x + 0.017, y - 0.004, "#ffe14a", radius=0.004)
        c.line([(x, y - 0.02), (x + 0.018, y - 0.1)], "#e2453c", 0.005)


def restaurant_dining(c: Canvas) -> None:
    c.gradient(0, 0.72, "#3b0f1c", "#5f1a2c", "#4a1422")
    for k in range(7):
        c.rect(0.015 + 0.145 * k, 0.12, 0.125 + 0.145 * k, 0.62, "#6e2236")
        c.rect(0.025 + 0.145 * k, 0.132, 0.115 + 0.145 * k, 0.608, "#571828")
    c.rect(0, 0.62, 1, 0.66, "#2b0a13")
    c.rect(0, 0.08, 1, 0.095, "#c99a45")
    for x in (0.09, 0.91):  # wall lamps
        c.glow(x, 0.3, 0.18, "#ffcf7a", 0.8)
        c.poly([(x - 0.03, 0.32), (x + 0.03, 0.32), (x + 0.018, 0.25), (x - 0.018, 0.25)], "#ffe3a8")
        c.rect(x - 0.005, 0.32, x + 0.005, 0.37, "#c99a45")
    c.glow(0.5, 0.14, 0.42, "#ffe0a0", 0.9)
    c.line([(0.5, 0), (0.5, 0.06)], "#d9b35c", 0.008)  # the chandelier
    for y, rx, ry in ((0.07, 0.09, 0.02), (0.135, 0.19, 0.034)):
        c.ring(0.5, y, rx, ry, fill="#d9b35c", width=0.008)
        n = 6 if rx < 0.1 else 11
        for k in range(n):
            x = 0.5 - rx + 2 * rx * k / (n - 1)
            c.rect(x - 0.006, y - 0.035, x + 0.006, y, "#fff9ec")
            c.glow(x, y - 0.045, 0.03, "#fff3c4")
            c.oval(x, y - 0.045, 0.008, 0.013, fill="#ffd24f")
            for j in range(3):
                c.oval(x, y + 0.018 + 0.016 * j, 0.006, 0.009, fill="#e6f2fbd0")
    c.gradient(0.66, 1, "#2b1016", "#14070b")
    c.rect(0.31, 0.5, 0.42, 0.7, "#2b0a13", radius=0.03)
    c.rect(0.58, 0.5, 0.69, 0.7, "#2b0a13", radius=0.03)
    for x, y, s in ((0.32, 0.66, 0.5), (0.68, 0.66, 0.5), (0.13, 0.8, 1.0), (0.87, 0.8, 1.0)):
        side = 1 if x < 0.5 else -1
        chair = x - side * 0.13 * s
        c.rect(chair - 0.08 * s, y - 0.2 * s, chair + 0.08 * s, y + 0.16, "#7a2a3c", radius=0.03 * s)
        c.poly(
            [(x - 0.17 * s, y), (x + 0.17 * s, y), (x + 0.19 * s, y + 0.24 * s), (x - 0.19 * s, y + 0.24 * s)],
            "#efe6dc",
        )
        for k in range(-3, 4):
            c.line([(x + k * 0.045 * s, y + 0.02 * s), (x + k * 0.052 * s, y + 0.23 * s)], "#cfc2b4", 0.006 * s)
        c.oval(x, y, 0.17 * s, 0.035 * s, fill="#fffaf2")
        c.oval(x + side * 0.07 * s, y + 0.005 * s, 0.055 * s, 0.013 * s, fill="#d9cfc4")
        c.poly(
            [
                (x + side * 0.07 * s - 0.025 * s, y),
                (x + side * 0.07 * s, y - 0.055 * s),
                (x + side * 0.07 * s + 0.025 * s, y),
            ],
            "#a8324a",
        )
        for dx, height in ((-0.02, 0.1), (0.0, 0.13), (0.02, 0.09)):
            cx = x + dx * s
            c.glow(cx, y - (height + 0.02) * s, 0.08 * s, "#ffd27a", 0.8)
            c.rect(cx - 0.006 * s, y - height * s, cx + 0.006 * s, y - 0.005, "#fff3dc")
            c.oval(cx, y - (height + 0.014) * s, 0.006 * s, 0.013 * s, fill="#ffc23d")
        for dx in (-0.09, -0.055):
            gx = x + side * dx * s
            c.pie(gx, y - 0.09 * s, 0.022 * s, 0.05 * s, 0, 180, "#d9e6ee90")
            c.pie(gx, y - 0.078 * s, 0.019 * s, 0.036 * s, 0, 180, "#8f1530")
            c.line([(gx, y - 0.045 * s), (gx, y)], "#d9e6ee", 0.005 * s)


def family_gathering(c: Canvas) -> None:
    c.gradient(0, 0.74, "#f3d9a4", "#e6b978")
    for k in range(13):
        c.rect(k * 0.08, 0, k * 0.08 + 0.03, 0.74, "#f9e6bd70")
    c.rect(0.63, 0.3, 1.0, 0.76, "#b5654a")  # the fireplace
    for row in range(7):
        for k in range(4):
            c.rect(
                0.64 + 0.09 * k + 0.045 * (row % 2),
                0.36 + 0.057 * row,
                0.72 + 0.09 * k + 0.045 * (row % 2),
                0.408 + 0.057 * row,
                "#c4775a",
            )
    c.rect(0.6, 0.3, 1.03, 0.35, "#6b3f26")
    c.rect(0.71, 0.47, 0.93, 0.76, "#2b1712", radius=0.03)
    c.glow(0.82, 0.68, 0.24, "#ff9a3d", 0.95)
    for x, h, w, fill in (
        (0.77, 0.13, 0.035, "#f2702b"),
        (0.86, 0.14, 0.035, "#f2702b"),
        (0.815, 0.2, 0.05, "#ff8f2e"),
        (0.815, 0.12, 0.03, "#ffd75a"),
    ):
        c.poly(
            [
                (x - w, 0.74),
                (x - w * 0.7, 0.74 - h * 0.5),
                (x, 0.74 - h),
                (x + w * 0.7, 0.74 - h * 0.45),
                (x + w, 0.74),
            ],
            fill,
        )
    for x in (0.75, 0.82):
        c.rect(x, 0.73, x + 0.1, 0.755, "#5b3524", radius=0.012)
    for x0, y0, x1, y1, fill in (
        (0.66, 0.1, 0.77, 0.24, "#a9cfe0"),
        (0.8, 0.06, 0.96, 0.25, "#cfe0b0"),
        (0.07, 0.16, 0.19, 0.3, "#f2c4b0"),
        (0.22, 0.13, 0.32, 0.24, "#b9d9d0"),
    ):
        framed(c, x0, y0, x1, y1, "#7a4a2a", fill, 0.01)
        middle = (x0 + x1) / 2
        for dx, r in ((-0.02, 0.016), (0.022, 0.014)):
            c.oval(middle + dx, y1 - 0.07, r, fill="#d9a07a")
            c.pie(middle + dx, y1 - 0.01, r * 1.5, 0.045, 180, 360, "#8a4f6b" if dx < 0 else "#3f6c8c")
    bunting(c, 0.0, 0.01, 0.6, 0.02, 0.07, 11)
    bunting(c, 0.6, 0.02, 1.0, 0.01, 0.04, 7)
    boards(c, 0.74, "#9c6338", "#b97f4c", "#7f4c2888")
    c.oval(0.5, 0.93, 0.55, 0.09, fill="#b03f3a")
    c.ring(0.5, 0.93, 0.5, 0.075, fill="#f2d9a4", width=0.008)
    c.glow(0.04, 0.36, 0.26, "#fff0b0", 0.95)  # the lamp
    c.rect(0.034, 0.4, 0.046, 0.84, "#6b4a2f")
    c.poly([(0.0, 0.42), (0.09, 0.42), (0.07, 0.31), (0.015, 0.31)], "#fff3cc")
    c.rect(0.06, 0.48, 0.62, 0.78, "#4f7f6b", radius=0.04)  # the sofa and the relatives
    for x, y, h, fill in ((0.13, 0.84, 0.42, "#8a5bb0"), (0.24, 0.84, 0.34, "#e2703a"), (0.57, 0.84, 0.4, "#3f6fb0")):
        person(c, x, y, h, fill, pose="sit")
    c.rect(0.04, 0.71, 0.64, 0.79, "#5f947d", radius=0.03)
    for x, y, h, fill in ((0.13, 0.86, 0.42, "#8a5bb0"), (0.24, 0.86, 0.34, "#e2703a"), (0.57, 0.86, 0.4, "#3f6fb0")):
        person(c, x, y, h, fill, pose="sit")
    c.rect(0.02, 0.62, 0.08, 0.86, "#41695a", radius=0.025)
    c.oval(0.84, 0.87, 0.15, 0.035, fill="#7a4a2a")
    c.rect(0.82, 0.88, 0.86, 1, "#5f371d")
    c.rect(0.76, 0.8, 0.92, 0.865, "#fff3ea", radius=0.01)  # the cake
    c.rect(0.76, 0.8, 0.92, 0.82, "#f28fa6", radius=0.008)
    for k in range(5):
        c.rect(0.778 + 0.03 * k, 0.765, 0.784 + 0.03 * k, 0.8, "#4d96d9")
        c.oval(0.781 + 0.03 * k, 0.757, 0.006, 0.01, fill="#ffc23d")
    potted(c, 0.97, 0.78, 0.16)


def _balloon(c: Canvas, x: float, y: float, r: float, fill: str, foot: float) -> None:
    """A heart on a string that ends at height `foot`."""
    c.line([(x, y + r), (x + 0.01, (y + foot) / 2), (x, foot)], "#8a7a74", 0.003)
    for side in (-1, 1):
        c.oval(x + side * r * 0.48, y, r * 0.56, fill=fill)
    c.poly([(x - r * 0.98, y + r * 0.24), (x + r * 0.98, y + r * 0.24), (x, y + r * 1.25)], fill)
    c.oval(x - r * 0.5, y - r * 0.2, r * 0.16, fill="#ffffff90")


def charity_event(c: Canvas) -> None:
    c.gradient(0, 0.7, "#fff2ea", "#fbd9cf")
    for k in range(6):
        c.rect(k * 0.2, 0.0, k * 0.2 + 0.1, 0.7, "#ffffff50")
    c.rect(0, 0.66, 1, 0.7, "#e9b3a3")
    for k in range(5):  # ribbons
        c.pie(0.1 + 0.2 * k, 0.0, 0.11, 0.1, 0, 180, "#e2456b")
        c.pie(0.1 + 0.2 * k, 0.0, 0.095, 0.075, 0, 180, "#fff2ea")
        c.poly(
            [
                (0.2 * k - 0.02, 0),
                (0.2 * k + 0.02, 0),
                (0.2 * k + 0.028, 0.15),
                (0.2 * k, 0.125),
                (0.2 * k - 0.028, 0.15),
            ],
            "#c92f57",
        )
    boards(c, 0.7, "#b9784f", "#d49a70", "#9c623c88")
    c.rect(0.85, 0.19, 0.93, 0.62, "#ffffff", radius=0.04)  # the thermometer
    c.oval(0.89, 0.63, 0.065, fill="#ffffff")
    c.oval(0.89, 0.63, 0.05, fill="#e2356f")
    c.rect(0.87, 0.32, 0.91, 0.62, "#e2356f", radius=0.02)
    for k in range(6):
        c.rect(0.94, 0.24 + 0.06 * k, 0.975, 0.248 + 0.06 * k, "#a86a5c")
    _balloon(c, 0.1, 0.28, 0.06, "#e2356f", 0.72)
    _balloon(c, 0.2, 0.2, 0.05, "#ff8fab", 0.72)
    _balloon(c, 0.29, 0.3, 0.042, "#f7b32f", 0.72)
    _balloon(c, 0.7, 0.22, 0.05, "#ff8fab", 0.72)
    _balloon(c, 0.78, 0.31, 0.042, "#e2356f", 0.72)
    for x, y, h, fill in (
        (0.06, 0.8, 0.34, "#3f5f8f"),
        (0.18, 0.8, 0.33, "#7a4a6b"),
        (0.3, 0.76, 0.28, "#2f7d6b"),
        (0.73, 0.76, 0.28, "#8a5a34"),
    ):
        person(c, x, y, h, fill)
    for x, y in ((0.13, 0.86), (0.76, 0.9)):
        c.poly([(x - 0.15, y), (x + 0.15, y), (x + 0.17, 1.02), (x - 0.17, 1.02)], "#fff9f2")
        for k in range(-4, 5):
            c.line([(x + k * 0.035, y + 0.01), (x + k * 0.04, 1)], "#ecd6c8", 0.004)
        c.oval(x, y, 0.15, 0.03, fill="#ffffff")
        c.rect(x - 0.022, y - 0.07, x + 0.022, y, "#8fc7d9", radius=0.006)
        for dx, dy, fill in (
            (-0.04, 0.09, "#ff8fab"),
            (0.0, 0.12, "#e2356f"),
            (0.04, 0.09, "#f7b32f"),
            (0.0, 0.08, "#ffffff"),
        ):
            c.oval(x + dx, y - dy, 0.03, fill=fill)
    c.rect(0.88, 0.77, 0.99, 0.92, "#4d8fb8", radius=0.008)  # the donation box
    c.rect(0.91, 0.762, 0.96, 0.775, "#24506b")
    _balloon(c, 0.935, 0.835, 0.025, "#ffffff", 0.84)


def dance_event(c: Canvas) -> None:
    c.gradient(0, 0.66, "#05102b", "#0b2f5c", "#0f5f7f")
    for k in range(8):
        fill = ("#00e5ff", "#ff3d9a", "#b4ff39", "#ffb52e")[k % 4]
        c.rect(0.02 + 0.125 * k, 0.34 + 0.05 * (k % 3), 0.1 + 0.125 * k, 0.66, fill + "60")
        for row in range(6):
            y = 0.62 - 0.05 * row
            if y > 0.34 + 0.05 * (k % 3):
                c.rect(0.025 + 0.125 * k, y, 0.095 + 0.125 * k, y + 0.034, fill)
    for k in range(-5, 6):
        beam(c, 0.5, 0.16, 0.5 + 0.17 * k, 0.7, 0.03, "#ffffff1c")
    c.line([(0.5, 0), (0.5, 0.05)], "#c9d6e6", 0.006)
    c.glow(0.5, 0.13, 0.3, "#c0f4ff", 0.9)
    c.oval(0.5, 0.13, 0.1, fill="#7f97b8")
    rng = Random("mirror ball")
    for row in range(-5, 6):
        for column in range(-5, 6):
            x, y = column * 0.019, row * 0.018
            if x * x + y * y < 0.0088:
                fill = rng.choice(("#eaf6ff", "#b9d4ee", "#8fb0d6", "#ffffff", "#ffb8e6"))
                c.rect(0.5 + x - 0.007, 0.13 + y - 0.007, 0.5 + x + 0.008, 0.13 + y + 0.007, fill)
    tiles = ("#ff3d9a", "#ffd22e", "#00c8e6", "#7a4dff", "#b4ff39", "#ff7a2e")
    edges = (0.66, 0.7, 0.76, 0.85, 1.0)
    for row in range(4):
        y0, y1 = edges[row], edges[row + 1]
        w0, w1 = 0.14 + 0.36 * (y0 - 0.66), 0.14 + 0.36 * (y1 - 0.66)
        for k in range(-5, 5):
            quad = [(0.5 + k * w0, y0), (0.5 + (k + 1) * w0, y0), (0.5 + (k + 1) * w1, y1), (0.5 + k * w1, y1)]
            c.poly(quad, tiles[(k * 2 + row * 3) % 6])
            c.line([*quad, quad[0]], "#08142e", 0.007)
    for x, y, h in ((0.1, 0.86, 0.44), (0.26, 0.78, 0.36), (0.74, 0.78, 0.36), (0.9, 0.87, 0.45)):
        w = h * 0.1  # silhouettes that dance
        sway = h * (0.07 if x in (0.1, 0.74) else -0.07)
        hip, neck = (x, y - h * 0.45), (x + sway, y - h * 0.8)
        c.line([(x - h * 0.16, y), (x - h * 0.1, y - h * 0.24), hip], "#0a0a22", w)
        c.line([(x + h * 0.14, y), (x + h * 0.15, y - h * 0.22), hip], "#0a0a22", w)
        c.line([hip, neck], "#0a0a22", w * 2)
        c.line([neck, (x + sway - h * 0.2, y - h * 0.95), (x + sway - h * 0.14, y - h * 1.15)], "#0a0a22", w * 0.7)
        c.line([neck, (x + sway + h * 0.22, y - h * 0.7), (x + sway + h * 0.3, y - h * 0.88)], "#0a0a22", w * 0.7)
        c.oval(x + sway * 1.15, y - h * 0.93, h * 0.09, fill="#0a0a22")
    speckles(c, 0, 0, 1, 0.7, 60, 0.007, PARTY, "confetti")
    speckles(c, 0, 0, 1, 0.66, 40, 0.009, ("#ffffff70", "#c0f4ff70"), "mirror dots")
