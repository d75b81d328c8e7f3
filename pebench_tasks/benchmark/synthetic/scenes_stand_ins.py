"""Six scenes outside the paper's 40 events, in which public figures are shown."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.scenery import PARTY, beam, crowd, person, skyline, speckles


def red_carpet_arrival(c: Canvas) -> None:
    c.gradient(0, 0.8, "#0f1730", "#24305a", "#3a4470")
    c.rect(0.2, 0.12, 0.8, 0.5, "#d9c39a")  # the theatre
    c.poly([(0.17, 0.13), (0.5, 0.0), (0.83, 0.13)], "#e8d5ae")
    c.poly([(0.26, 0.115), (0.5, 0.025), (0.74, 0.115)], "#b89f74")
    for k in range(6):
        c.rect(0.23 + 0.1 * k, 0.13, 0.265 + 0.1 * k, 0.5, "#f6ead0")
    c.glow(0.5, 0.36, 0.3, "#ffdf9a", 0.8)
    c.rect(0.41, 0.22, 0.59, 0.5, "#ffe9b8")
    for k in range(6):
        y = 0.5 + 0.035 * k
        c.rect(0.16 - 0.02 * k, y, 0.84 + 0.02 * k, y + 0.036, "#c9b591" if k % 2 else "#b29d79")
    for x0, x1 in ((0.0, 0.28), (0.7, 1.0)):
        crowd(c, 0.63, 0.04, "#1b1f33", f"carpet-far-{x0}", n=4, x0=x0, x1=x1)
        crowd(c, 0.7, 0.044, "#11131f", f"carpet-near-{x0}", n=4, x0=x0, x1=x1)
    c.gradient(0.79, 1, "#4a4f66", "#232636")
    c.poly([(0.37, 0.5), (0.63, 0.5), (0.75, 0.71), (0.98, 1), (0.02, 1), (0.25, 0.71)], "#c3122f")
    for k in range(6):
        y = 0.53 + 0.035 * k
        c.line([(0.355 - 0.02 * k, y), (0.645 + 0.02 * k, y)], "#8f0a20", 0.005)
    for side in (-1, 1):
        edge = ((0.13, 0.5), (0.118, 0.5), (0.235, 0.71), (0.44, 1), (0.48, 1), (0.25, 0.71))
        c.poly([(0.5 + side * x, y) for x, y in edge], "#e8b64a")
    for x, y, r in (
        (0.05, 0.62, 0.14),
        (0.18, 0.58, 0.11),
        (0.26, 0.67, 0.08),
        (0.76, 0.6, 0.12),
        (0.9, 0.66, 0.15),
        (0.97, 0.57, 0.08),
    ):
        c.glow(x, y, r, "#ffffff")
        c.glow(x, y, r * 0.5, "#ffffff")
        for dx, dy in ((1, 0), (0, 1), (0.6, 0.6), (0.6, -0.6)):
            c.line([(x - dx * r * 0.5, y - dy * r * 0.5), (x + dx * r * 0.5, y + dy * r * 0.5)], "#ffffff", 0.005)
    body = [(0.8, 0.83), (0.83, 0.78), (0.88, 0.73), (1.02, 0.73), (1.02, 0.89), (0.8, 0.89)]
    c.poly(body, "#0a0b10")  # the limousine
    c.poly([(0.855, 0.78), (0.89, 0.745), (0.935, 0.745), (0.935, 0.78)], "#9ab4d9")
    c.rect(0.95, 0.745, 1.02, 0.78, "#9ab4d9")
    c.line([(0.81, 0.82), (1.0, 0.82)], "#c9d2e0", 0.005)
    c.oval(0.82, 0.835, 0.014, fill="#fff6d0")
    c.oval(0.875, 0.89, 0.036, fill="#1d1f26")
    c.oval(0.875, 0.89, 0.018, fill="#c9d2e0")
    for points in (((0.0, 0.92), (0.1, 0.83), (0.19, 0.74)), ((0.81, 0.74), (0.75, 0.68))):
        for (x, y), (to_x, to_y) in pairwise(points):
            middle = ((x + to_x) / 2, max(y, to_y) - 0.01)
            c.line([(x, y - 0.09), middle, (to_x, to_y - 0.09)], "#a8163a", 0.014)
        for x, y in points:
            c.rect(x - 0.007, y - 0.1, x + 0.007, y + 0.05, "#f0c75a")
            c.oval(x, y - 0.105, 0.014, fill="#ffe08a")


def press_conference(c: Canvas) -> None:
    c.gradient(0, 1, "#f4f6fb", "#dfe5f0")
    for row in range(8):  # the sponsors' marks, no letters
        for k in range(7):
            x, y = 0.08 + 0.14 * k + 0.07 * (row % 2), 0.07 + 0.115 * row
            kind = (k + 2 * row) % 4
            if kind == 0:
                c.oval(x, y, 0.034, fill="#1f4fb0")
                c.oval(x, y, 0.017, fill="#f4f6fb")
            elif kind == 1:
                c.rect(x - 0.038, y - 0.024, x + 0.038, y + 0.024, "#e0303a", radius=0.008)
                c.rect(x - 0.024, y - 0.006, x + 0.024, y + 0.006, "#ffffff")
            elif kind == 2:
                c.poly([(x, y - 0.036), (x + 0.036, y + 0.028), (x - 0.036, y + 0.028)], "#1f9a6b")
            else:
                c.rect(x - 0.03, y - 0.03, x + 0.03, y + 0.03, "#22262d")
                c.poly([(x - 0.03, y + 0.03), (x + 0.03, y - 0.03), (x + 0.03, y + 0.03)], "#f2b02f")
    for x in (0.0, 0.97):
        c.rect(x, 0, x + 0.03, 1, "#8a94a8")
    crowd(c, 0.8, 0.055, "#4a5268", "press-left", n=3, x0=-0.02, x1=0.3)
    crowd(c, 0.8, 0.055, "#4a5268", "press-right", n=3, x0=0.72, x1=1.02)
    rng = Random("microphones")
    for k, x in enumerate((0.03, 0.1, 0.2, 0.28, 0.72, 0.8, 0.9, 0.97)):
        side = 1 if x < 0.5 else -1
        tip = (x + side * rng.uniform(0.03, 0.1), rng.uniform(0.58, 0.74))
        fist = (tip[0] - side * 0.03, tip[1] + 0.11)
        c.line([(x - side * 0.05, 1.0), fist], ("#39404f", "#5b3f4a", "#2f5a5b")[k % 3], 0.045)
        c.line([fist, tip], "#14161b", 0.018)
        c.oval(*fist, 0.028, fill=("#e0b08a", "#9a6644", "#c98d62")[k % 3])
        if k % 3 == 2:
            c.rect(tip[0] - 0.025, tip[1] - 0.06, tip[0] + 0.025, tip[1] + 0.04, "#22262d", radius=0.008)
            c.rect(tip[0] - 0.018, tip[1] - 0.05, tip[0] + 0.018, tip[1] - 0.01, "#7fd0e6")
            continue
        cube = ("#e0303a", "#f2b02f", "#1f4fb0", "#1f9a6b")[k % 4]
        c.rect(tip[0] - 0.026, tip[1] + 0.0, tip[0] + 0.026, tip[1] + 0.045, cube, radius=0.004)
        c.oval(tip[0], tip[1] - 0.025, 0.03, 0.036, fill="#2b3038")
    crowd(c, 0.93, 0.07, "#2b3142", "press-front-left", n=2, x0=-0.02, x1=0.26)
    crowd(c, 0.93, 0.07, "#2b3142", "press-front-right", n=2, x0=0.76, x1=1.02)


def _star(c: Canvas, x: float, y: float, r: float, fill: str) -> None:
    points = ((0, -1), (0.24, -0.32), (0.95, -0.31), (0.38, 0.12), (0.59, 0.81), (0, 0.4))
    half = [(x + dx * r, y + dy * r) for dx, dy in points]
    c.poly([*half, *[(2 * x - px, py) for px, py in reversed(half[1:-1])]], fill)


def award_ceremony(c: Canvas) -> None:
    c.gradient(0, 0.86, "#04201f", "#0a4a44", "#157a68")
    c.glow(0.5, 0.3, 0.4, "#d9ffe6", 0.5)
    for k in range(9):
        beam(c, 0.5, 0.62, 0.5 + 0.16 * (k - 4), 0.0, 0.045, "#fff3c030")
    c.oval(0.5, 0.07, 0.1, 0.11, fill="#f7cf4f")  # the trophy, taller than the person
    for side in (-1, 1):
        c.arc(0.5 + side * 0.15, 0.14, 0.09, 0.1, 0, 360, "#f2bd34", 0.022)
    c.pie(0.5, 0.06, 0.17, 0.34, 0, 180, "#ffd95c")
    c.pie(0.53, 0.06, 0.13, 0.32, 0, 90, "#e0a426")
    c.oval(0.5, 0.06, 0.17, 0.035, fill="#fff0a8")
    c.rect(0.48, 0.38, 0.52, 0.56, "#e0a426")
    c.rect(0.38, 0.54, 0.62, 0.62, "#c98a1a", radius=0.01)
    for side in (-1, 1):  # the curtains
        edge = 0.5 + side * 0.52
        for k in range(7):
            x = edge - side * 0.042 * k
            low = edge - side * (0.02 + 0.03 * k)
            w = 0.024
            fill = ("#f2c23a", "#d99f1f", "#b97d12")[k % 3]
            c.poly([(x - w, 0), (x + w, 0), (low + w, 0.8), (low - w, 0.8)], fill)
        c.rect(min(edge, edge - side * 0.2), 0.5, max(edge, edge - side * 0.2), 0.525, "#8a1f2b")
    for k in range(6):
        c.pie(0.083 + 0.167 * k, 0.0, 0.095, 0.085, 0, 180, "#d99f1f" if k % 2 else "#f2c23a")
    for x, y, r in (
        (0.3, 0.17, 0.045),
        (0.7, 0.17, 0.045),
        (0.27, 0.36, 0.035),
        (0.73, 0.36, 0.035),
        (0.34, 0.28, 0.02),
        (0.66, 0.28, 0.02),
    ):
        c.line([(x, 0), (x, y)], "#5f3d0a", 0.003)
        c.glow(x, y, r * 2.2, "#fff7d0", 0.9)
        _star(c, x, y, r, "#fffbe6")
    for k in range(3):
        c.rect(0.2 - 0.09 * k, 0.7 + 0.05 * k, 0.8 + 0.09 * k, 0.76 + 0.05 * k, ("#8a5a14", "#734a10", "#5b390b")[k])
        c.rect(0.2 - 0.09 * k, 0.7 + 0.05 * k, 0.8 + 0.09 * k, 0.712 + 0.05 * k, "#ffe08a")
    c.rect(0, 0.85, 1, 1, "#24140a")
    crowd(c, 0.86, 0.045, "#3a2410", "award-far", n=12)
    crowd(c, 0.93, 0.056, "#1a0f06", "award-near", n=9)
    speckles(c, 0, 0, 1, 0.85, 60, 0.006, ("#ffe9a0", "#ffffff", "#f2c23a"), "award")


def stadium_tunnel(c: Canvas) -> None:
    c.gradient(0, 1, "#59626b", "#3f464d")
    c.gradient(0.08, 0.5, "#0f2f52", "#2f6a9c", x0=0.2, x1=0.8)
    c.rect(0.2, 0.22, 0.8, 0.5, "#24364a")  # the grandstand
    rng = Random("grandstand")
    for row in range(9):
        for k in range(40):
            fill = rng.choice((*PARTY, "#ffffff", "#d9e2ec"))
            c.oval(0.205 + 0.015 * k + rng.uniform(-0.004, 0.004), 0.235 + 0.028 * row, 0.0065, fill=fill)
    for x in (0.28, 0.72):  # the floodlights
        c.line([(x, 0.1), (x, 0.3)], "#c9d2da", 0.008)
        for k in range(6):
            c.oval(x - 0.03 + 0.03 * (k % 3), 0.11 + 0.03 * (k // 3), 0.013, fill="#ffffff")
        c.glow(x, 0.12, 0.18, "#ffffff", 0.95)
    c.gradient(0.48, 0.78, "#2f9a45", "#4fc25b", x0=0.2, x1=0.8)
    for k in range(5):
        c.poly(
            [(0.2 + 0.12 * k, 0.48), (0.26 + 0.12 * k, 0.48), (0.23 + 0.14 * k - 0.03, 0.78), (0.14 + 0.14 * k, 0.78)],
            "#3fae50",
        )
    c.line([(0.2, 0.56), (0.8, 0.56)], "#ffffff", 0.006)
    for points in (
        ((0.62, 0.54), (0.62, 0.42), (0.76, 0.42), (0.76, 0.54)),
        ((0.24, 0.54), (0.24, 0.42), (0.38, 0.42), (0.38, 0.54)),
    ):
        c.line(points, "#ffffff", 0.009)
    for x in (0.26, 0.29, 0.32, 0.35, 0.65, 0.68, 0.71, 0.74):
        c.line([(x, 0.42), (x, 0.54)], "#ffffff70", 0.003)
    for side in (-1, 1):  # the walls of the tunnel
        outer, inner = 0.5 + side * 0.52, 0.5 + side * 0.28
        c.poly([(outer, -0.05), (inner, 0.07), (inner, 0.78), (outer, 1.02)], "#7d868f" if side < 0 else "#6b747d")
        for y0, y1, fill in ((0.4, 0.5, "#1f5fd0"), (0.53, 0.56, "#f2d23f")):
            near0, near1 = 0.42 + (y0 - 0.42) * 1.9, 0.42 + (y1 - 0.42) * 1.9
            c.poly([(outer, near0), (inner, y0), (inner, y1), (outer, near1)], fill)
        for k in range(1, 4):
            x = inner + (outer - inner) * k / 4
            c.line([(x, 0.07 - 0.03 * k), (x, 0.78 + 0.06 * k)], "#4a525a", 0.005)
        for k in range(3):
            x = inner + (outer - inner) * (0.2 + 0.3 * k)
            c.oval(x, 0.15 - 0.025 * k, 0.016, 0.012, fill="#fff6d0")
            c.glow(x, 0.15 - 0.025 * k, 0.08, "#fff6d0", 0.6)
    c.poly([(-0.02, -0.05), (1.02, -0.05), (0.78, 0.08), (0.22, 0.08)], "#30363c")
    for k in range(3):
        c.line([(0.22 - 0.08 * k, 0.08 - 0.043 * k), (0.78 + 0.08 * k, 0.08 - 0.043 * k)], "#59626b", 0.012)
    c.poly([(0.22, 0.78), (0.78, 0.78), (1.02, 1.02), (-0.02, 1.02)], "#4a5058")
    c.poly([(0.3, 0.78), (0.7, 0.78), (0.84, 1.02), (0.16, 1.02)], "#b8242b")
    for x, side in ((0.29, 1), (0.71, -1)):
        c.line([(x, 0.4), (x, 0.24)], "#ffffff", 0.006)
        c.poly([(x, 0.24), (x + side * 0.07, 0.255), (x, 0.3)], "#f2d23f")


def talk_show(c: Canvas) -> None:
    c.gradient(0, 0.72, "#102a6b", "#2f5fc0", "#7fa8e6")
    c.oval(0.78, 0.14, 0.05, fill="#fff9dc")
    skyline(c, 0.66, 0.14, 0.4, "#1b3a80", "talk-far", lit="#8fc0ff")
    skyline(c, 0.68, 0.08, 0.26, "#0f2352", "talk-near", lit="#ffe08a")
    c.rect(0, 0, 1, 0.05, "#16181f")
    for k, fill in enumerate(("#ff5ca8", "#ffd24f", "#4fe0ff", "#ffd24f", "#ff5ca8", "#4fe0ff")):
        x = 0.09 + 0.164 * k
        c.rect(x - 0.025, 0.04, x + 0.025, 0.09, "#22252e", radius=0.008)
        c.glow(x, 0.1, 0.07, fill, 0.9)
        c.oval(x, 0.092, 0.018, 0.01, fill=fill)
    for x in (0.0, 0.93):
        c.rect(x, 0.05, x + 0.07, 0.74, "#7a2f8a")
        for k in range(6):
            c.rect(x + 0.01, 0.09 + 0.108 * k, x + 0.06, 0.15 + 0.108 * k, "#b05cc0", radius=0.008)
    c.gradient(0.72, 1, "#3f2f5f", "#2a1f42")
    c.oval(0.5, 0.9, 0.56, 0.12, fill="#5b4585")
    c.oval(0.5, 0.9, 0.5, 0.1, fill="#6b539a")
    c.rect(0.0, 0.54, 0.42, 0.8, "#f2802b", radius=0.05)  # the sofa
    for k in range(2):
        c.rect(0.03 + 0.19 * k, 0.57, 0.205 + 0.19 * k, 0.74, "#ff9a45", radius=0.03)
    c.rect(-0.02, 0.72, 0.42, 0.84, "#e06f1c", radius=0.03)
    c.rect(-0.03, 0.63, 0.04, 0.86, "#d9641a", radius=0.03)
    c.rect(0.06, 0.62, 0.14, 0.71, "#4fd0e0", radius=0.015)
    for x in (0.05, 0.36):
        c.rect(x, 0.84, x + 0.018, 0.9, "#1b1428")
    c.poly([(0.62, 0.68), (1.0, 0.68), (0.98, 0.95), (0.66, 0.95)], "#a8643a")  # the desk
    c.rect(0.6, 0.65, 1.02, 0.69, "#e3a05a", radius=0.01)
    for k in range(4):
        c.rect(0.68 + 0.075 * k, 0.73, 0.735 + 0.075 * k, 0.91, "#8a4f2b", radius=0.006)
    for x, fill in ((0.76, "#ff5ca8"), (0.9, "#4fe0ff")):
        c.rect(x - 0.024, 0.585, x + 0.024, 0.65, fill, radius=0.008)
        c.ring(x + 0.03, 0.615, 0.018, fill=fill, width=0.007)
    c.line([(0.83, 0.65), (0.83, 0.56)], "#16181f", 0.008)
    c.rect(0.81, 0.5, 0.85, 0.57, "#c9ced6", radius=0.018)


def magazine_shoot(c: Canvas) -> None:
    c.gradient(0, 1, "#efe9e6", "#d6cdc9")
    for x in (0.0, 0.1, 0.9):
        c.rect(x, 0, x + 0.006, 0.8, "#c9beb9")
    c.rect(0, 0.8, 1, 1, "#b9aaa3")
    c.gradient(0.06, 0.78, "#ff9fbe", "#ffb9cf", "#ff9fbe", x0=0.22, x1=0.78)
    c.poly([(0.22, 0.775), (0.78, 0.775), (0.9, 1), (0.1, 1)], "#ff8fb2")
    c.glow(0.5, 0.3, 0.3, "#ffe0ea", 0.9)
    c.gradient(0.74, 0.8, "#ff9fbe", "#ff8fb2", x0=0.22, x1=0.78)
    c.rect(0.18, 0.03, 0.82, 0.075, "#f77fa6", radius=0.02)
    for x in (0.19, 0.81):
        c.line([(x, 0.03), (x, 0.86)], "#2b2b30", 0.01)
        c.line([(x - 0.05, 0.9), (x, 0.8), (x + 0.05, 0.9)], "#2b2b30", 0.009)
    c.line([(0.07, 0.3), (0.1, 0.92)], "#2b2b30", 0.011)  # the umbrella
    c.line([(0.02, 0.97), (0.1, 0.86), (0.17, 0.97)], "#2b2b30", 0.009)
    tips = [(0.0, 0.05), (0.07, 0.02), (0.15, 0.05), (0.21, 0.13), (0.23, 0.23), (0.2, 0.33)]
    for k in range(5):
        c.poly([(0.05, 0.26), tips[k], tips[k + 1]], ("#e3e7ec", "#b5bcc6")[k % 2])
    c.line([(0.05, 0.26), (0.2, 0.12)], "#2b2b30", 0.006)
    c.glow(0.13, 0.18, 0.15, "#ffffff", 0.7)
    c.rect(0.03, 0.25, 0.1, 0.32, "#1d1d22", radius=0.012)
    c.oval(0.89, 0.3, 0.11, 0.15, fill="#2b2b30")  # the reflector
    c.oval(0.89, 0.3, 0.1, 0.138, fill="#f7d978")
    c.oval(0.87, 0.26, 0.05, 0.07, fill="#fff0b8")
    c.line([(0.9, 0.44), (0.9, 0.56)], "#2b2b30", 0.01)
    c.line([(0.73, 0.56), (1.0, 0.56)], "#2b2b30", 0.011)  # the clothes rail
    for x in (0.74, 0.985):
        c.line([(x, 0.56), (x, 0.95)], "#2b2b30", 0.01)
    for k, fill in enumerate(("#3f6fd0", "#f2d23f", "#2fa88f", "#ffffff", "#8a4fb0")):
        x = 0.772 + 0.046 * k
        c.line([(x, 0.56), (x, 0.585)], "#6b6b73", 0.004)
        length = 0.82 + 0.04 * (k % 3)
        c.poly(
            [
                (x - 0.012, 0.585),
                (x + 0.012, 0.585),
                (x + 0.03, 0.62),
                (x + 0.034, length),
                (x - 0.034, length),
                (x - 0.03, 0.62),
            ],
            fill,
        )
        c.line([(x, 0.6), (x, length)], "#00000020", 0.004)
    person(c, 0.07, 1.0, 0.42, "#22252e", "#14161b")
    c.rect(0.085, 0.66, 0.15, 0.71, "#14161b", radius=0.008)
    c.rect(0.14, 0.668, 0.185, 0.702, "#39404f", radius=0.006)
