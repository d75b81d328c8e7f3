"""Scenes of sport: gym, park, race, bike lane and forest trail."""

from __future__ import annotations

from random import Random

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.scenery import (
    PARTY,
    bicycle,
    bunting,
    framed,
    hills,
    person,
    skyline,
    speckles,
    tree,
)


def gym_workout(c: Canvas) -> None:
    c.gradient(0, 0.7, "#e6e9ec", "#cfd5da")
    for y, fill in ((0.16, "#ff7a1a"), (0.25, "#ffa04d"), (0.32, "#3a4149")):
        c.poly([(0, y + 0.1), (1, y - 0.08), (1, y - 0.02), (0, y + 0.16)], fill)
    c.rect(0, 0, 1, 0.05, "#3a4149")
    for k in range(5):
        c.rect(0.05 + 0.2 * k, 0.03, 0.17 + 0.2 * k, 0.055, "#ffffff")
    framed(c, 0.68, 0.1, 0.99, 0.56, "#3a4149", "#dff0f5", 0.012)  # the mirror
    for k in range(3):
        c.poly(
            [(0.7 + 0.1 * k, 0.54), (0.78 + 0.1 * k, 0.12), (0.8 + 0.1 * k, 0.12), (0.73 + 0.1 * k, 0.54)], "#ffffff90"
        )
    c.gradient(0.68, 1, "#4a525b", "#2f353c")
    speckles(c, 0, 0.7, 1, 1, 120, 0.004, ("#6b757f", "#22272d", "#ff7a1a"), "rubber floor")
    for x, h in ((0.08, 0.5), (0.3, 0.44)):  # the treadmills
        y = 0.9 if x < 0.2 else 0.8
        c.poly([(x - 0.07, y - 0.07), (x + 0.1, y - 0.07), (x + 0.14, y + 0.07), (x - 0.11, y + 0.07)], "#c3ccd3")
        c.poly([(x - 0.05, y - 0.06), (x + 0.08, y - 0.06), (x + 0.11, y + 0.05), (x - 0.08, y + 0.05)], "#1b1f24")
        for dx in (-0.07, 0.11):
            c.line([(x + dx, y + 0.02), (x + dx * 0.8, y - h * 0.72)], "#2b3138", 0.02)
            c.line([(x + dx * 0.85, y - h * 0.5), (x + dx * 0.95, y - h * 0.5 + 0.04)], "#ff7a1a", 0.018)
        c.rect(x - 0.09, y - h * 0.9, x + 0.12, y - h * 0.66, "#2b3138", radius=0.015)
        c.rect(x - 0.07, y - h * 0.86, x + 0.1, y - h * 0.7, "#57c7e6", radius=0.008)
        c.line(
            [(x - 0.06, y - h * 0.74), (x - 0.02, y - h * 0.8), (x + 0.03, y - h * 0.75), (x + 0.09, y - h * 0.84)],
            "#ffffff",
            0.007,
        )
    c.line([(0.76, 0), (0.76, 0.16)], "#6b757f", 0.008)  # the punching bag
    c.line([(0.72, 0.22), (0.76, 0.15), (0.8, 0.22)], "#6b757f", 0.007)
    c.rect(0.705, 0.21, 0.815, 0.64, "#c9302b", radius=0.04)
    c.rect(0.79, 0.23, 0.815, 0.62, "#9c211d", radius=0.012)
    for y in (0.29, 0.52):
        c.rect(0.705, y, 0.815, y + 0.025, "#ffffff")
    for y in (0.66, 0.77, 0.88):  # the dumbbell rack
        c.rect(0.68, y + 0.05, 1.0, y + 0.07, "#9aa5ae")
        for k in range(4):
            x, r = 0.72 + 0.078 * k, 0.022 + 0.003 * (y - 0.6) * 20
            fill = ("#ff7a1a", "#3fa7d6", "#59cd90", "#fac05e")[(k + int(y * 10)) % 4]
            c.rect(x - 0.03, y + 0.018, x + 0.03, y + 0.034, "#d3dade")
            for dx in (-0.022, 0.022):
                c.rect(x + dx - 0.011, y + 0.025 - r, x + dx + 0.011, y + 0.025 + r, fill, radius=0.007)
    for x in (0.675, 0.985):
        c.rect(x, 0.66, x + 0.016, 1, "#6b757f")


def park_jogging(c: Canvas) -> None:
    c.gradient(0, 0.45, "#a7dcf0", "#f4fbe8")
    skyline(c, 0.42, 0.05, 0.16, "#c3d9dc", "park")
    hills(c, 0.42, 0.02, "#8cc97a", "park-far")
    for x, h in ((0.32, 0.2), (0.47, 0.24), (0.6, 0.2), (0.7, 0.22)):
        tree(c, x, 0.46, h, "#6fb36a", "#8cc97a")
    c.gradient(0.45, 1, "#8fd06c", "#5fae4c")
    c.poly(
        [(0.44, 0.46), (0.5, 0.46), (0.62, 0.6), (0.42, 0.76), (0.62, 1.0), (0.1, 1.0), (0.18, 0.76), (0.5, 0.6)],
        "#ecd9b4",
    )
    c.oval(0.82, 0.62, 0.2, 0.06, fill="#cfe6c0")
    c.oval(0.82, 0.62, 0.185, 0.05, fill="#6cc0dd")
    c.oval(0.78, 0.61, 0.08, 0.012, fill="#ffffff60")
    for x, y in ((0.78, 0.635), (0.9, 0.615)):
        c.oval(x, y, 0.022, 0.013, fill="#f7f0dc")
        c.oval(x + 0.02, y - 0.016, 0.009, fill="#2e7d4f")
        c.poly([(x + 0.027, y - 0.02), (x + 0.042, y - 0.014), (x + 0.027, y - 0.01)], "#f2a530")
    tree(c, 0.1, 0.66, 0.62, "#3f9a4f", "#66bb62")
    tree(c, 0.93, 0.5, 0.42, "#4aa558", "#79c56e")
    person(c, 0.24, 0.7, 0.22, "#f2545b", "#2b3a55", pose="walk")
    person(c, 0.72, 0.56, 0.14, "#4d6fd9", "#2b2f3a", pose="walk")
    for x in (0.76, 0.95):
        c.rect(x, 0.78, x + 0.015, 0.91, "#4a4f57")
    for y in (0.74, 0.77, 0.82):
        c.rect(0.73, y, 0.99, y + 0.02, "#b3713c", radius=0.005)
    c.line([(0.04, 0.9), (0.04, 0.62)], "#3c4a52", 0.012)
    c.oval(0.04, 0.61, 0.026, fill="#fff3c4")
    speckles(c, 0, 0.84, 0.18, 1, 22, 0.008, ("#ffffff", "#f9c74f", "#f28fb1"), "park")


def marathon_running(c: Canvas) -> None:
    c.gradient(0, 0.5, "#56b4f2", "#d9f0fb")
    skyline(c, 0.56, 0.16, 0.34, "#e3cfc0", "marathon-left", lit="#b59a8a", x0=0.0, x1=0.3)
    skyline(c, 0.56, 0.16, 0.34, "#d6c4c9", "marathon-right", lit="#a68f9c", x0=0.7, x1=1.0)
    skyline(c, 0.56, 0.05, 0.12, "#b9cbd9", "marathon-middle", x0=0.3, x1=0.7)
    bunting(c, 0.0, 0.2, 0.5, 0.02, 0.05, 12)
    bunting(c, 1.0, 0.2, 0.5, 0.02, 0.05, 12)
    c.gradient(0.55, 1, "#7f8791", "#5f6670")
    c.poly([(0.495, 0.56), (0.505, 0.56), (0.53, 1), (0.47, 1)], "#ffffff")
    for x in (0.14, 0.78):  # the finish arch
        c.rect(x, 0.2, x + 0.08, 0.74, "#ff3d5a", radius=0.03)
        for y in (0.36, 0.5, 0.64):
            c.rect(x, y, x + 0.08, y + 0.045, "#ffffff")
    c.rect(0.14, 0.1, 0.86, 0.25, "#ff3d5a", radius=0.05)
    for row in range(3):
        for k in range(18):
            fill = "#1b1f26" if (k + row) % 2 else "#ffffff"
            c.rect(0.2 + 0.0334 * k, 0.13 + 0.03 * row, 0.2334 + 0.0334 * k, 0.16 + 0.03 * row, fill)
    rng = Random("marathon")
    for x0, x1 in ((0.0, 0.24), (0.76, 1.0)):
        for row in range(2):
            for k in range(4):
                x = x0 + (k + 0.5 + 0.3 * row) * (x1 - x0) / 4.4
                person(c, x, 0.84 + 0.05 * row, 0.26, rng.choice(PARTY), pose="cheer" if (k + row) % 2 else "stand")
        c.rect(x0, 0.8, x1, 0.93, "#ffd23f")
        c.rect(x0, 0.8, x1, 0.82, "#e8ecef")
        for k in range(3):
            c.rect(x0 + 0.03 + 0.075 * k, 0.845, x0 + 0.075 + 0.075 * k, 0.9, "#1f6fd0", radius=0.01)
    for x, y, h, fill in (
        (0.32, 0.72, 0.22, "#1f9ad0"),
        (0.42, 0.66, 0.15, "#8a4fd0"),
        (0.58, 0.66, 0.15, "#2fa85b"),
        (0.68, 0.72, 0.22, "#ff8a1f"),
        (0.28, 0.95, 0.36, "#e8f04b"),
        (0.73, 0.95, 0.36, "#4be0f0"),
    ):
        person(c, x, y, h, fill, "#22262d", pose="walk")
        c.rect(x - h * 0.07, y - h * 0.7, x + h * 0.07, y - h * 0.56, "#ffffff")
        c.line([(x - h * 0.04, y - h * 0.63), (x + h * 0.04, y - h * 0.63)], "#22262d", h * 0.035)
    for k, (x, y) in enumerate(((0.06, 0.34), (0.11, 0.27), (0.03, 0.24), (0.94, 0.34), (0.89, 0.27), (0.97, 0.24))):
        c.line([(x, y), (0.06 if x < 0.5 else 0.94, 0.58)], "#ffffffb0", 0.003)
        c.oval(x, y, 0.034, 0.042, fill=PARTY[k % 5])
        c.oval(x - 0.01, y - 0.015, 0.008, fill="#ffffff90")


def city_bike_ride(c: Canvas) -> None:
    c.gradient(0, 0.5, "#bfe8e0", "#f0faf2")
    c.oval(0.82, 0.12, 0.05, fill="#fffbe0")
    skyline(c, 0.48, 0.1, 0.3, "#a3d0cd", "bike-far")
    skyline(c, 0.48, 0.06, 0.36, "#5f9aa6", "bike-left", lit="#d9f2ec", x0=0.0, x1=0.26)
    skyline(c, 0.48, 0.06, 0.22, "#7fb5b5", "bike-right", lit="#e6f7f2", x0=0.82, x1=1.0)
    c.gradient(0.46, 0.62, "#58aacb", "#8fd0e0")
    for k in range(9):
        c.line([(0.1 * k, 0.5 + 0.012 * (k % 5)), (0.1 * k + 0.09, 0.5 + 0.012 * (k % 5))], "#ffffff70", 0.004)
    for x in (0.36, 0.74):  # the suspension bridge
        c.rect(x - 0.012, 0.14, x + 0.012, 0.52, "#e0653a")
        c.rect(x - 0.03, 0.2, x + 0.03, 0.215, "#e0653a")
    for start, end in ((0.36, 0.74),):
        cable = [(start + (end - start) * k / 16, 0.15 + 0.22 * (1 - ((k - 8) / 8) ** 2)) for k in range(17)]
        c.line(cable, "#e0653a", 0.007)
        for x, y in cable[1:-1]:
            c.line([(x, y), (x, 0.43)], "#e0653a", 0.003)
    c.line([(0.36, 0.15), (0.16, 0.43)], "#e0653a", 0.007)
    c.line([(0.74, 0.15), (0.96, 0.43)], "#e0653a", 0.007)
    c.rect(0.1, 0.42, 1, 0.44, "#b84a2a")
    c.rect(0, 0.61, 1, 0.64, "#e9e4d9")
    for k in range(21):
        c.rect(0.05 * k, 0.55, 0.05 * k + 0.006, 0.62, "#51606d")
    c.rect(0, 0.545, 1, 0.557, "#51606d")
    c.gradient(0.64, 1, "#cfc9be", "#a8a296")
    c.poly([(0, 0.73), (1, 0.69), (1, 0.87), (0, 0.93)], "#3fae6b")  # the lane
    c.line([(0, 0.73), (1, 0.69)], "#ffffff", 0.011)
    c.line([(0, 0.93), (1, 0.87)], "#ffffff", 0.011)
    for x, y, s, fill, top in ((0.15, 0.84, 0.26, "#e2453c", "#f6c945"), (0.83, 0.8, 0.24, "#2b50aa", "#f28fb1")):
        bicycle(c, x, y, s, fill)
        hip, neck, hand = (x - s * 0.12, y - s * 0.6), (x + s * 0.02, y - s * 1.0), (x + s * 0.2, y - s * 0.64)
        c.line([hip, (x + s * 0.1, y - s * 0.42), (x, y - s * 0.18)], "#2f3a55", s * 0.12)
        c.line([hip, neck], top, s * 0.22)
        c.line([neck, (x + s * 0.16, y - s * 0.76), hand], top, s * 0.08)
        c.oval(x + s * 0.07, y - s * 1.16, s * 0.115, fill="#c98d62")
        c.pie(x + s * 0.07, y - s * 1.18, s * 0.14, s * 0.13, 180, 360, "#ffffff")
    for k in range(3):
        bicycle(c, 0.02 + 0.115 * k, 1.0, 0.15, "#ff8a3d")
        bicycle(c, 0.76 + 0.115 * k, 0.99, 0.15, "#ff8a3d")
    for x in (0.27, 0.97):
        c.rect(x, 0.3, x + 0.014, 0.72 if x < 0.5 else 0.7, "#39454d")
        c.rect(x - 0.016, 0.24, x + 0.03, 0.38, "#22282d", radius=0.012)
        for k, fill in enumerate(("#5b2a26", "#6b5a26", "#4be08a")):
            c.oval(x + 0.007, 0.265 + 0.045 * k, 0.015, fill=fill)


def biking_trail(c: Canvas) -> None:
    c.gradient(0, 0.6, "#f7d9a0", "#fdf0cf")
    c.glow(0.5, 0.3, 0.5, "#fff6c4")
    for k in range(12):
        x = k * 0.093
        tree(c, x, 0.58, 0.3 + 0.06 * (k * 5 % 3), ("#e9a85a", "#dd8a45", "#efc069")[k % 3], "#f5d389", "#b08a62")
    c.gradient(0.54, 1, "#c99a4c", "#94632f")
    c.poly(
        [(0.47, 0.54), (0.52, 0.54), (0.64, 0.66), (0.5, 0.8), (0.7, 1), (0.22, 1), (0.26, 0.8), (0.52, 0.66)],
        "#e8cfa2",
    )
    c.poly(
        [(0.5, 0.54), (0.52, 0.54), (0.64, 0.66), (0.5, 0.8), (0.7, 1), (0.58, 1), (0.44, 0.8), (0.6, 0.66)], "#d3b27e"
    )
    for x, w in ((0.03, 0.05), (0.2, 0.035), (0.8, 0.04), (0.96, 0.05)):  # the birches
        c.rect(x - w / 2, 0, x + w / 2, 0.78, "#f3efe6")
        c.rect(x + w * 0.2, 0, x + w / 2, 0.78, "#d8cfc0")
        for k in range(9):
            y = 0.06 + k * 0.085 + w
            c.rect(x - w / 2 if k % 2 else x, y, x if k % 2 else x + w / 2, y + 0.012, "#3f3a36")
    rng = Random("autumn")
    for _ in range(120):
        x, y = rng.random(), rng.random() ** 1.8 * 0.3
        c.oval(
            x,
            y,
            rng.uniform(0.02, 0.04),
            rng.uniform(0.014, 0.026),
            fill=rng.choice(("#e0662b", "#f0962f", "#f5b93c", "#c94b24")),
        )
    for y in (0.66, 0.73):
        for x0, x1 in ((0, 0.3), (0.72, 1)):
            c.rect(x0, y, x1, y + 0.016, "#6b4a2f")
    for x in (0.1, 0.28, 0.73, 0.9):
        c.rect(x, 0.62, x + 0.02, 0.82, "#7d5838")
    bicycle(c, 0.15, 0.9, 0.3, "#1f8a8c")
    bicycle(c, 0.86, 0.88, 0.28, "#c9283e")
    speckles(c, 0, 0.8, 1, 1, 70, 0.011, ("#e0662b", "#f5b93c", "#c94b24"), "fallen")
    speckles(c, 0, 0.3, 1, 0.8, 24, 0.009, ("#e0662b", "#f0962f"), "falling")
