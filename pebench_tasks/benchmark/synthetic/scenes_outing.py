"""Scenes of a day out: beach, farm, zoo, monument and a stroll through town."""

from __future__ import annotations

import math
from random import Random

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.scenery import blades, cloud, hills, person, skyline, speckles, tree


def _palm(c: Canvas, x: float, y: float, height: float, lean: float) -> None:
    trunk = [(x + lean * (k / 8) ** 2, y - height * k / 8) for k in range(9)]
    for k in range(8):
        c.line(trunk[k : k + 2], "#8a6238" if k % 2 else "#9c7145", height * (0.06 - 0.003 * k))
    head_x, head_y = trunk[-1]
    for angle in (-175, -145, -110, -70, -35, -5, 20, 160):
        dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        r = height * 0.42
        tip = (head_x + dx * r, head_y + dy * r * 0.6 + r * 0.3)
        middle = (head_x + dx * r * 0.55, head_y + dy * r * 0.7 - r * 0.08)
        c.poly([(head_x, head_y), (middle[0], middle[1] - r * 0.1), tip, (middle[0], middle[1] + r * 0.12)], "#2f8a4c")
        c.line([(head_x, head_y), middle, tip], "#226b3a", 0.004)
    for dx in (-0.02, 0.015):
        c.oval(head_x + dx, head_y + 0.02, 0.016, fill="#6d4423")


def _parasol(c: Canvas, x: float, y: float, r: float, first: str, second: str) -> None:
    c.line([(x, y - r), (x + r * 0.15, y + r * 1.3)], "#f5efe2", 0.009)
    for k in range(6):
        c.pie(x, y, r, r * 0.85, 180 + 30 * k, 211 + 30 * k, first if k % 2 else second)


def beach_relaxing(c: Canvas) -> None:
    c.gradient(0, 0.42, "#43b4ea", "#bfe9f7")
    c.glow(0.8, 0.12, 0.22, "#fff7c9")
    c.oval(0.8, 0.12, 0.06, fill="#ffe87a")
    c.gradient(0.42, 0.64, "#1583b5", "#35b9c6", "#8fe0d8")
    for y, x in ((0.45, 0.1), (0.48, 0.55), (0.51, 0.02), (0.53, 0.75), (0.56, 0.2)):
        c.line([(x, y), (x + 0.2, y)], "#ffffff80", 0.006)
    c.poly([(0.12, 0.42), (0.2, 0.42), (0.19, 0.44), (0.13, 0.44)], "#ffffff")
    c.poly([(0.155, 0.41), (0.155, 0.3), (0.215, 0.41)], "#f46a5a")
    c.gradient(0.64, 1, "#f7e0a0", "#e9c277")
    shore = [(k / 40, 0.645 + 0.014 * math.sin(k * 0.9)) for k in range(41)]
    c.poly([(0, 0.6), *shore, (1, 0.6)], "#a9e8dd")
    c.line(shore, "#ffffff", 0.014)
    speckles(c, 0, 0.68, 1, 1, 60, 0.004, ("#d7ac5e", "#fff1c4"), "sand")
    _palm(c, 0.03, 0.8, 0.62, 0.12)
    _palm(c, 1.0, 0.78, 0.5, -0.1)
    _parasol(c, 0.2, 0.66, 0.14, "#ef4f4f", "#ffffff")
    c.rect(0.1, 0.84, 0.27, 0.87, "#4d8fd6", radius=0.01)
    _parasol(c, 0.83, 0.62, 0.12, "#ffb930", "#ffffff")
    for x, h in ((0.76, 0.05), (0.81, 0.09), (0.86, 0.05)):  # the sandcastle
        c.rect(x, 0.86 - h, x + 0.05, 0.9, "#cf9d52")
        c.poly([(x - 0.005, 0.86 - h), (x + 0.025, 0.81 - h), (x + 0.055, 0.86 - h)], "#b98643")
    c.line([(0.835, 0.72), (0.835, 0.66)], "#6d4423", 0.004)
    c.poly([(0.835, 0.66), (0.87, 0.675), (0.835, 0.69)], "#ef4f4f")


def _cow(c: Canvas, x: float, y: float, s: float) -> None:
    for dx in (-0.34, -0.2, 0.18, 0.32):
        c.rect(x + dx * s - 0.03 * s, y - 0.34 * s, x + dx * s + 0.04 * s, y, "#efe9e1")
    c.rect(x - 0.42 * s, y - 0.66 * s, x + 0.42 * s, y - 0.24 * s, "#f7f2ea", radius=0.14 * s)
    for dx, dy, r in ((-0.2, 0.5, 0.13), (0.1, 0.42, 0.11), (0.3, 0.54, 0.09)):
        c.oval(x + dx * s, y - dy * s, r * s, r * s * 0.8, fill="#3b2f2a")
    c.oval(x - 0.52 * s, y - 0.66 * s, 0.14 * s, 0.17 * s, fill="#3b2f2a")
    c.oval(x - 0.55 * s, y - 0.58 * s, 0.1 * s, 0.09 * s, fill="#eab6a5")
    for dx in (-0.66, -0.38):
        c.oval(x + dx * s, y - 0.76 * s, 0.07 * s, 0.035 * s, fill="#3b2f2a")


def _sheep(c: Canvas, x: float, y: float, s: float) -> None:
    for dx in (-0.2, 0.2):
        c.rect(x + dx * s - 0.03 * s, y - 0.2 * s, x + dx * s + 0.03 * s, y, "#4a4038")
    for dx, dy in ((-0.22, 0.38), (0, 0.46), (0.22, 0.38), (-0.1, 0.3), (0.12, 0.3)):
        c.oval(x + dx * s, y - dy * s, 0.2 * s, fill="#fbf7ee")
    c.oval(x + 0.4 * s, y - 0.46 * s, 0.11 * s, 0.14 * s, fill="#4a4038")


def farm_visit(c: Canvas) -> None:
    c.gradient(0, 0.5, "#8fd0f2", "#e4f5ee")
    cloud(c, 0.5, 0.12, 0.22)
    cloud(c, 0.1, 0.2, 0.16)
    hills(c, 0.42, 0.06, "#b5d66b", "farm-far")
    hills(c, 0.52, 0.05, "#8fc653", "farm-middle")
    for k in range(7):
        c.line([(0.3 + k * 0.012, 0.47), (0.05 + k * 0.05, 0.6)], "#7db544", 0.005)
    c.rect(0.9, 0.16, 0.985, 0.56, "#c9ced2")  # the silo
    c.pie(0.942, 0.17, 0.043, 0.06, 180, 360, "#8d979e")
    c.rect(0.96, 0.17, 0.985, 0.56, "#00000018")
    c.poly([(0.63, 0.34), (0.67, 0.2), (0.77, 0.13), (0.87, 0.2), (0.91, 0.34)], "#7c2b26")
    c.poly(
        [(0.65, 0.58), (0.65, 0.33), (0.69, 0.225), (0.77, 0.165), (0.85, 0.225), (0.89, 0.33), (0.89, 0.58)], "#c8382f"
    )
    c.rect(0.72, 0.4, 0.83, 0.58, "#f7efe4")
    c.rect(0.727, 0.41, 0.823, 0.58, "#a12c25")
    c.line([(0.727, 0.41), (0.823, 0.58)], "#f7efe4", 0.008)
    c.line([(0.823, 0.41), (0.727, 0.58)], "#f7efe4", 0.008)
    c.oval(0.77, 0.28, 0.035, fill="#f7efe4")
    c.oval(0.77, 0.28, 0.026, fill="#5d1f1b")
    hills(c, 0.6, 0.02, "#6fb33f", "farm-near")
    tree(c, 0.06, 0.6, 0.3, "#4d9440", "#6fb552")
    _cow(c, 0.2, 0.76, 0.24)
    _sheep(c, 0.8, 0.72, 0.15)
    _sheep(c, 0.93, 0.77, 0.15)
    for x in (0.63, 0.7):
        c.oval(x, 0.62, 0.035, fill="#e2b84e")
        c.ring(x, 0.62, 0.02, fill="#b98f2f", width=0.005)
    for y in (0.82, 0.89):
        c.rect(0, y, 1, y + 0.025, "#a97c50")
        c.rect(0, y + 0.019, 1, y + 0.025, "#80593a")
    for k in range(8):
        x = 0.03 + k * 0.135
        c.rect(x, 0.78, x + 0.03, 1, "#b98a5b")
        c.rect(x + 0.023, 0.78, x + 0.03, 1, "#80593a")
    blades(c, 0, 1, 1.0, 0.07, 70, "#4b8f2f", "farm")


def _giraffe(c: Canvas, x: float, y: float, h: float, side: int) -> None:
    body, patch = "#f0bd5c", "#a8692d"
    for dx in (-0.1, -0.04, 0.08, 0.13):
        c.rect(x + dx * h - 0.012 * h, y - 0.4 * h, x + dx * h + 0.014 * h, y, body)
    c.oval(x, y - 0.43 * h, 0.17 * h, 0.1 * h, fill=body)
    neck = [(x + side * 0.07 * h, y - 0.4 * h), (x + side * 0.16 * h, y - 0.44 * h)]
    neck += [(x + side * 0.25 * h, y - 0.92 * h), (x + side * 0.2 * h, y - 0.93 * h)]
    c.poly(neck, body)
    c.oval(x + side * 0.28 * h, y - 0.92 * h, 0.085 * h, 0.045 * h, fill=body)
    c.oval(x + side * 0.34 * h, y - 0.905 * h, 0.035 * h, 0.03 * h, fill="#d99a45")
    for dx in (0.21, 0.25):
        c.line([(x + side * dx * h, y - 0.95 * h), (x + side * (dx - 0.01) * h, y - 1.0 * h)], patch, 0.012 * h)
    c.oval(x + side * 0.28 * h, y - 0.935 * h, 0.01 * h, fill="#2b1c10")
    rng = Random("giraffe")
    for k in range(6):
        c.oval(x + rng.uniform(-0.12, 0.12) * h, y - (0.43 + rng.uniform(-0.06, 0.06)) * h, 0.025 * h, fill=patch)
        share = (k + 0.7) / 7
        c.oval(x + side * (0.12 + 0.1 * share) * h, y - (0.45 + 0.46 * share) * h, 0.02 * h, fill=patch)


def zoo_visit(c: Canvas) -> None:
    c.gradient(0, 0.5, "#f9e3ae", "#fff6dc")
    c.oval(0.5, 0.1, 0.05, fill="#fff9e6")
    for x, h in ((0.3, 0.3), (0.42, 0.22), (0.56, 0.26), (0.68, 0.32)):
        c.oval(x, 0.46, 0.13, h * 0.6, fill="#9cc27e")
    c.gradient(0.46, 0.87, "#e6c98b", "#d8b06c")
    c.poly([(0.66, 0.46), (0.74, 0.2), (0.86, 0.27), (0.95, 0.16), (1, 0.2), (1, 0.5)], "#b9a48c")  # the rocks
    c.poly([(0.86, 0.27), (0.95, 0.16), (1, 0.2), (1, 0.5), (0.9, 0.5)], "#9e8a74")
    c.poly([(0.8, 0.32), (0.83, 0.32), (0.85, 0.56), (0.79, 0.56)], "#aee3ee")
    c.oval(0.84, 0.6, 0.2, 0.05, fill="#5fb9cf")
    _giraffe(c, 0.06, 0.78, 0.7, 1)
    _giraffe(c, 0.17, 0.8, 0.5, 1)
    c.oval(0.87, 0.55, 0.1, 0.085, fill="#8f98a3")  # the elephant
    for x in (0.81, 0.86, 0.91, 0.945):
        c.rect(x - 0.02, 0.56, x + 0.014, 0.7, "#848d98")
    c.oval(0.77, 0.5, 0.06, 0.065, fill="#99a2ad")
    c.oval(0.805, 0.5, 0.04, 0.06, fill="#7b848f")
    c.line([(0.73, 0.52), (0.715, 0.6), (0.725, 0.66), (0.705, 0.68)], "#99a2ad", 0.026)
    c.oval(0.755, 0.48, 0.008, fill="#20242a")
    c.line([(0.74, 0.55), (0.715, 0.565)], "#fffbe8", 0.012)
    for x, y in ((0.95, 0.76), (0.88, 0.79)):  # the flamingos
        c.line([(x, y), (x, y + 0.09)], "#e8567c", 0.005)
        c.oval(x, y, 0.032, 0.022, fill="#ff7fa3")
        c.line([(x - 0.025, y - 0.005), (x - 0.045, y - 0.04), (x - 0.03, y - 0.07)], "#ff7fa3", 0.01)
        c.oval(x - 0.036, y - 0.073, 0.013, 0.01, fill="#ff7fa3")
    c.gradient(0.86, 1, "#c9a27e", "#b58b66")
    for y in (0.79, 0.84):
        c.rect(0, y, 0.3, y + 0.014, "#6b4a2f")
        c.rect(0.68, y + 0.03, 1, y + 0.044, "#6b4a2f")
    for x in (0.02, 0.12, 0.22, 0.7, 0.8, 0.9, 0.985):
        c.rect(x, 0.76 if x < 0.5 else 0.79, x + 0.018, 0.92, "#7d5838")
    c.rect(0.24, 0.62, 0.255, 0.84, "#5a4330")
    c.rect(0.19, 0.56, 0.305, 0.66, "#2f7d5b", radius=0.01)
    c.oval(0.248, 0.62, 0.02, 0.016, fill="#ffffff")
    for dx in (-0.018, 0, 0.018):
        c.oval(0.248 + dx, 0.595, 0.008, fill="#ffffff")
    person(c, 0.1, 0.98, 0.2, "#f28f3b", pose="walk")
    person(c, 0.2, 0.98, 0.14, "#4d96d9")


def landmark_visit(c: Canvas) -> None:
    c.gradient(0, 0.6, "#5aa9e6", "#d9effb")
    cloud(c, 0.14, 0.12, 0.2)
    cloud(c, 0.88, 0.2, 0.16)
    skyline(c, 0.62, 0.08, 0.16, "#b8c6d6", "landmark")
    c.rect(0.15, 0.36, 0.85, 0.62, "#f1e3c6")  # the wings and their columns
    c.rect(0.13, 0.33, 0.87, 0.37, "#dcc9a2")
    for k in range(15):
        x = 0.165 + k * 0.047
        c.rect(x, 0.38, x + 0.02, 0.61, "#fff8e6")
        c.rect(x + 0.02, 0.38, x + 0.036, 0.61, "#a38f6d")
    c.rect(0.36, 0.21, 0.64, 0.36, "#f6ead0")
    for k in range(8):
        c.rect(0.375 + k * 0.034, 0.225, 0.388 + k * 0.034, 0.35, "#b8a37d")
    c.rect(0.34, 0.195, 0.66, 0.215, "#dcc9a2")
    c.pie(0.5, 0.2, 0.15, 0.16, 180, 360, "#e3a92f")
    for dx in (-0.09, -0.035, 0.03, 0.09):
        c.line([(0.5 + dx * 0.2, 0.045), (0.5 + dx * 0.7, 0.1), (0.5 + dx, 0.195)], "#b9811c", 0.005)
    c.rect(0.488, 0.015, 0.512, 0.055, "#f6ead0")
    c.line([(0.5, 0.0), (0.5, 0.03)], "#b9811c", 0.006)
    c.gradient(0.61, 1, "#d9d2c6", "#b9b0a2")
    for k in range(-9, 10):
        c.line([(0.5 + k * 0.06, 0.61), (0.5 + k * 0.2, 1)], "#a69c8c", 0.003)
    for y in (0.66, 0.73, 0.83):
        c.line([(0, y), (1, y)], "#a69c8c", 0.003)
    for x in (0.13, 0.87):  # the fountains
        c.glow(x, 0.62, 0.1, "#ffffff", 0.6)
        for dx in (-0.06, -0.03, 0.03, 0.06):
            c.arc(x + dx / 2, 0.74, abs(dx) / 2 + 0.001, 0.16, 180, 360, "#e6f6ff", 0.007)
        c.oval(x, 0.76, 0.115, 0.035, fill="#8d8577")
        c.oval(x, 0.75, 0.1, 0.024, fill="#6cc3e6")
    for x, fill in ((0.04, "#d6453d"), (0.24, "#3d62b8"), (0.76, "#3d62b8"), (0.96, "#d6453d")):
        c.line([(x, 0.62), (x, 0.2)], "#6b6f78", 0.007)
        side = 1 if x < 0.5 else -1
        flag = [(0, 0.2), (0.045, 0.215), (0.08, 0.2), (0.08, 0.27), (0.045, 0.285), (0, 0.27)]
        c.poly([(x + side * dx, y) for dx, y in flag], fill)
    for x, y, h, fill in ((0.28, 0.7, 0.13, "#e8a23d"), (0.7, 0.69, 0.12, "#7a5bb0"), (0.76, 0.72, 0.14, "#3f8f6f")):
        person(c, x, y, h, fill)
    person(c, 0.06, 0.92, 0.26, "#e05263", pose="walk")
    person(c, 0.93, 0.93, 0.27, "#2f7da6")
    for x, y in ((0.2, 0.9), (0.25, 0.94), (0.78, 0.9), (0.83, 0.95)):
        c.oval(x, y, 0.017, 0.011, fill="#6d7482")
        c.oval(x + 0.014, y - 0.012, 0.007, fill="#565d6b")


def city_walk(c: Canvas) -> None:
    c.gradient(0, 0.6, "#3f3a8a", "#a85fae", "#ff9f8f", "#ffd0a0")
    skyline(c, 0.62, 0.14, 0.26, "#7a4f92", "walk", lit="#ffd98a", x0=0.34, x1=0.66)
    for side in (-1, 1):  # two rows of shops that run towards the middle
        for k, (near, far, fill, stripe) in enumerate(
            ((0.56, 0.34, "#4a2f5f", "#e2456b"), (0.34, 0.22, "#5f3a5b", "#2fa8a0"), (0.22, 0.14, "#4f3f7a", "#f2a83f"))
        ):
            x0, x1 = 0.5 + side * near, 0.5 + side * far
            scale0, scale1 = near / 0.5, far / 0.5
            high = 0.6 + 0.06 * (k % 2)

            def at(x: float, y: float, scale: float) -> tuple[float, float]:
                return x, 0.6 + (y - 0.6) * scale

            c.poly(
                [at(x0, 0.6 - high, scale0), at(x1, 0.6 - high, scale1), at(x1, 0.86, scale1), at(x0, 0.86, scale0)],
                fill,
            )
            for row in range(2):
                for j in range(3):
                    a, b = (j + 0.25) / 3, (j + 0.7) / 3
                    xa, xb = x0 + (x1 - x0) * a, x0 + (x1 - x0) * b
                    sa, sb = scale0 + (scale1 - scale0) * a, scale0 + (scale1 - scale0) * b
                    y0, y1 = 0.07 + 0.16 * row, 0.17 + 0.16 * row
                    lit = "#ffd98a" if (j + row + k) % 3 else "#8a6fa8"
                    c.poly([at(xa, y0, sa), at(xb, y0, sb), at(xb, y1, sb), at(xa, y1, sa)], lit)
            middle, scale = (x0 + x1) / 2, (scale0 + scale1) / 2
            c.glow(middle, 0.6 + 0.12 * scale, 0.2 * scale, "#ffcf7a", 0.7)
            c.poly([at(x0, 0.53, scale0), at(x1, 0.53, scale1), at(x1, 0.84, scale1), at(x0, 0.84, scale0)], "#ffe0a0")
            for j in range(5):
                x = x0 + (x1 - x0) * (j + 0.5) / 5
                c.line([at(x, 0.55, scale), at(x, 0.84, scale)], "#c98a5a", 0.006 * scale)
            for j in range(7):
                a, b = j / 7, (j + 1) / 7
                xa, xb = x0 + (x1 - x0) * a, x0 + (x1 - x0) * b
                sa, sb = scale0 + (scale1 - scale0) * a, scale0 + (scale1 - scale0) * b
                lip = -side * 0.03
                quad = [at(xa, 0.43, sa), at(xb, 0.43, sb), at(xb + lip, 0.56, sb), at(xa + lip, 0.56, sa)]
                c.poly(quad, stripe if j % 2 else "#fff3e6")
    c.poly(
        [(0.36, 0.62), (0.64, 0.62), (0.64, 0.66), (1.1, 0.9), (1.1, 1), (-0.1, 1), (-0.1, 0.9), (0.36, 0.66)],
        "#6b5580",
    )
    rng = Random("cobbles")
    for _ in range(110):
        y = 0.67 + 0.33 * rng.random()
        half = 0.14 + (y - 0.66) * 1.7
        s = 0.006 + (y - 0.66) * 0.06
        c.oval(0.5 + rng.uniform(-half, half), y, s, s * 0.4, fill=rng.choice(("#82699a", "#5b4770", "#957aa8")))
    for y, sag in ((0.08, 0.06), (0.2, 0.05)):
        cord = [(k / 20, y + sag * 4 * (k / 20) * (1 - k / 20)) for k in range(21)]
        c.line(cord, "#2b1f4a", 0.004)
        for x, cy in cord[1::2]:
            c.glow(x, cy + 0.012, 0.035, "#fff0b0")
            c.oval(x, cy + 0.012, 0.011, fill="#fff6cf")
    for x, y, h, fill in (
        (0.36, 0.76, 0.18, "#2f8f9a"),
        (0.64, 0.76, 0.18, "#e8a23f"),
        (0.26, 0.87, 0.3, "#d9486b"),
        (0.76, 0.88, 0.3, "#4d6fd9"),
    ):
        person(c, x, y, h, fill, "#2b2440", pose="walk")
    for x in (0.1, 0.9):  # café tables
        c.oval(x, 0.86, 0.075, 0.018, fill="#fff3e6")
        c.line([(x, 0.86), (x, 0.98)], "#22193b", 0.01)
        c.line([(x - 0.04, 0.985), (x + 0.04, 0.985)], "#22193b", 0.01)
        c.rect(x - 0.03, 0.825, x - 0.005, 0.856, "#e2456b", radius=0.005)
        c.rect(x + 0.012, 0.83, x + 0.034, 0.856, "#ffffff", radius=0.005)
        for side in (-1, 1):
            c.line([(x + side * 0.085, 0.8), (x + side * 0.08, 0.92), (x + side * 0.045, 0.92)], "#22193b", 0.01)
            c.line([(x + side * 0.08, 0.92), (x + side * 0.085, 1)], "#22193b", 0.009)
