"""Scenes in shops: grocery, mall, bookstore and coffee shop."""

from __future__ import annotations

import math
from random import Random

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.scenery import (
    boards,
    bookshelf,
    bunting,
    framed,
    pendant,
    person,
    skyline,
    window,
)


def grocery_shopping(c: Canvas) -> None:
    c.gradient(0, 0.62, "#f4fbff", "#d5eae0")
    for x in (0.2, 0.5, 0.8):
        c.poly(
            [(x - 0.06, 0), (x + 0.06, 0), (0.5 + (x - 0.5) * 0.4 + 0.02, 0.22), (0.5 + (x - 0.5) * 0.4 - 0.02, 0.22)],
            "#ffffff",
        )
        c.glow(x, 0.04, 0.2, "#ffffff", 0.8)
    c.rect(0.36, 0.22, 0.64, 0.62, "#c7e3d4")
    rng = Random("grocery")
    for row in range(5):
        for k in range(9):
            fill = rng.choice(("#f2705f", "#f7c948", "#5bb5d6", "#7fc97f", "#ffffff"))
            c.rect(0.37 + 0.03 * k, 0.25 + 0.07 * row, 0.394 + 0.03 * k, 0.3 + 0.07 * row, fill)
    c.gradient(0.6, 1, "#f3f1e6", "#d9d4c2")
    for k in range(-6, 7):
        c.line([(0.5 + k * 0.05, 0.6), (0.5 + k * 0.2, 1)], "#c9c3ae", 0.003)
    kinds = ("#e2453c", "#f7a823", "#2f9e5b", "#3a7fd0", "#f6e04b", "#8a4fb0", "#ff8fab", "#ffffff")

    def at(side: int, depth: float, y: float) -> tuple[float, float]:
        """A point on the left (-1) or right (1) shelf front; depth 0 is near, 1 at the end of the aisle."""
        scale = 1 / (1 + 2.2 * depth)
        return 0.5 + side * 0.62 * scale * 0.9, 0.36 + (y - 0.36) * scale

    for side in (-1, 1):
        c.poly([at(side, 0, -0.02), at(side, 1.2, -0.02), at(side, 1.2, 1.1), at(side, 0, 1.1)], "#4f8a68")
        for row in range(5):
            top, bottom = 0.03 + 0.2 * row, 0.2 + 0.2 * row
            c.poly([at(side, 0, top), at(side, 1.2, top), at(side, 1.2, bottom), at(side, 0, bottom)], "#2f5f47")
            for k in range(16):
                near, far = k * 0.075, k * 0.075 + 0.058
                fill, h = rng.choice(kinds), rng.uniform(0.08, 0.15)
                if row == 3:  # fruit
                    for dy in (0.03, 0.075):
                        x, y = at(side, (near + far) / 2, bottom - dy)
                        c.oval(x, y, 0.036 / (1 + 2.2 * near), fill=kinds[(k // 2) % 5])
                    continue
                c.poly(
                    [
                        at(side, near, bottom - h),
                        at(side, far, bottom - h),
                        at(side, far, bottom),
                        at(side, near, bottom),
                    ],
                    fill,
                )
                mark = [at(side, near, bottom - h * 0.6), at(side, far, bottom - h * 0.6)]
                mark += [at(side, far, bottom - h * 0.35), at(side, near, bottom - h * 0.35)]
                c.poly(mark, "#ffffffa0")
            c.poly(
                [at(side, 0, bottom), at(side, 1.2, bottom), at(side, 1.2, bottom + 0.03), at(side, 0, bottom + 0.03)],
                "#f7f3e6",
            )
    for x, fruit in ((0.03, "#f2902b"), (0.16, "#d8362f")):  # crates in front
        for k in range(8):
            c.oval(x + 0.015 + 0.034 * (k % 4), 0.855 + 0.028 * (k // 4), 0.024, fill=fruit)
        c.rect(x - 0.01, 0.885, x + 0.125, 1, "#c99555")
        for y in (0.915, 0.955):
            c.rect(x - 0.01, y, x + 0.125, y + 0.007, "#94652f")
    for k, fill in enumerate(kinds[:5]):  # the trolley
        c.rect(0.75 + 0.042 * k, 0.7 - 0.02 * (k % 3), 0.785 + 0.042 * k, 0.8, fill, radius=0.006)
    c.oval(0.82, 0.7, 0.03, fill="#4fae4a")
    c.poly([(0.73, 0.76), (0.98, 0.76), (0.95, 0.9), (0.77, 0.9)], "#dfe6eacc")
    for k in range(7):
        c.line([(0.735 + 0.04 * k, 0.76), (0.775 + 0.028 * k, 0.9)], "#8a98a3", 0.005)
    for y in (0.76, 0.81, 0.86, 0.9):
        c.line([(0.73 + (y - 0.76) * 0.28, y), (0.98 - (y - 0.76) * 0.2, y)], "#8a98a3", 0.006)
    c.line([(0.98, 0.76), (1.0, 0.71)], "#d8362f", 0.014)
    c.line([(0.77, 0.9), (0.76, 0.95), (0.97, 0.95)], "#6b7882", 0.008)
    for x in (0.78, 0.95):
        c.oval(x, 0.972, 0.022, fill="#2b3036")


def shopping_mall(c: Canvas) -> None:
    c.gradient(0, 0.2, "#a8dcf5", "#e6f6fc")
    for k in range(-5, 6):
        c.line([(0.5 + 0.05 * k, 0.2), (0.5 + 0.16 * k, 0)], "#ffffff", 0.008)
    for y in (0.05, 0.12):
        c.line([(0, y), (1, y)], "#ffffff", 0.006)
    c.gradient(0.2, 1, "#fbf7fa", "#ece3ec")
    stores = ("#e2568a", "#7a5bd0", "#f2b02f", "#2fa8a0")
    for floor, (y0, y1) in enumerate(((0.2, 0.45), (0.53, 0.8))):
        for k, x in enumerate((0.0, 0.2, 0.64, 0.82)):
            fill = stores[(k + floor * 2) % 4]
            c.rect(x, y0, x + 0.18, y1, "#cfc4cf")
            c.rect(x + 0.008, y0 + 0.06, x + 0.172, y1, "#fff6d8")
            c.rect(x, y0, x + 0.18, y0 + 0.06, fill)
            c.rect(x + 0.04, y0 + 0.022, x + 0.14, y0 + 0.038, "#ffffff", radius=0.008)
            for j in range(3):
                px = x + 0.045 + 0.045 * j
                c.oval(px, y0 + 0.1, 0.012, fill="#d9c3b0")
                c.poly(
                    [
                        (px - 0.018, y0 + 0.115),
                        (px + 0.018, y0 + 0.115),
                        (px + 0.024, y1 - 0.03),
                        (px - 0.024, y1 - 0.03),
                    ],
                    stores[(j + k + floor) % 4],
                )
            c.rect(x + 0.008, y1 - 0.03, x + 0.172, y1, "#e0d3c4")
    c.rect(0, 0.45, 1, 0.53, "#ffffff")
    c.rect(0, 0.5, 1, 0.53, "#c9b9c9")
    for k in range(34):
        c.line([(k * 0.03, 0.4), (k * 0.03, 0.46)], "#9fb4c480", 0.003)
    c.rect(0, 0.395, 1, 0.405, "#9a8fa3")
    c.poly([(0.36, 0.82), (0.46, 0.82), (0.6, 0.46), (0.54, 0.46)], "#6b6f7d")  # the escalator
    for k in range(11):
        share = k / 11
        x, y = 0.36 + 0.18 * share, 0.82 - 0.36 * share
        c.line([(x, y), (x + 0.1 - 0.04 * share, y)], "#c9cdd6", 0.006)
    c.line([(0.35, 0.78), (0.54, 0.41)], "#2b2f3a", 0.013)
    c.line([(0.47, 0.78), (0.61, 0.41)], "#2b2f3a", 0.013)
    for x, fill in ((0.3, "#e2568a"), (0.42, "#7a5bd0"), (0.58, "#f2b02f"), (0.7, "#2fa8a0")):
        c.line([(x, 0), (x, 0.07)], "#8a8f9a", 0.003)
        c.poly([(x - 0.035, 0.06), (x + 0.035, 0.06), (x + 0.035, 0.26), (x, 0.225), (x - 0.035, 0.26)], fill)
        c.oval(x, 0.13, 0.02, fill="#ffffffc0")
    c.gradient(0.8, 1, "#f3e9e2", "#d6c6bd")
    for k in range(-8, 9):
        c.line([(0.5 + k * 0.08, 0.8), (0.5 + k * 0.17, 1)], "#c2afa5", 0.003)
    for x, h, fill in (
        (0.1, 0.14, "#3a7fd0"),
        (0.28, 0.14, "#e2453c"),
        (0.7, 0.14, "#2f9e5b"),
        (0.92, 0.14, "#f2902b"),
    ):
        person(c, x, 0.455, h, fill)
    c.rect(0, 0.4, 1, 0.455, "#d9eef750")
    for x, y, h, fill, bag in (
        (0.09, 0.95, 0.36, "#4a5fb0", "#e2568a"),
        (0.24, 0.88, 0.26, "#d9803a", "#2fa8a0"),
        (0.78, 0.89, 0.27, "#3f8f6b", "#f2b02f"),
        (0.92, 0.96, 0.37, "#b0466b", "#7a5bd0"),
    ):
        person(c, x, y, h, fill, pose="walk")
        for side in (-1, 1):
            bx, by = x + side * h * 0.18, y - h * 0.46
            c.rect(bx - h * 0.09, by + h * 0.03, bx + h * 0.09, by + h * 0.24, bag if side > 0 else "#ffffff")
            c.arc(bx, by + h * 0.03, h * 0.045, h * 0.05, 180, 360, "#5b5060", 0.004)


def bookstore_browsing(c: Canvas) -> None:
    pastel = ("#f2705f", "#f7a64b", "#f9d65c", "#7fc97f", "#5bb5d6", "#7f86d9", "#c986cf", "#fff5e6")
    c.gradient(0, 0.8, "#fff1dd", "#fbdcc4")
    c.rect(0.0, 0.0, 0.32, 0.06, "#4fae98")
    bookshelf(c, 0.0, 0.05, 0.3, 0.8, 5, "#7fd1bd", "#3f8f7f", "bookstore-1", pastel)
    c.rect(0.3, 0.05, 0.32, 0.8, "#4fae98")
    c.gradient(0.08, 0.56, "#bfe3f5", "#f4fbf2", x0=0.6, x1=0.97)  # the bay window
    skyline(c, 0.5, 0.1, 0.22, "#e9c7b0", "bookstore", lit="#fff3d0", x0=0.6, x1=0.97)
    c.rect(0.6, 0.5, 0.97, 0.56, "#b9cfae")
    window(c, 0.6, 0.08, 0.97, 0.56, "#ffffff", columns=3, rows=2, width=0.016)
    c.rect(0.56, 0.55, 1.0, 0.6, "#ffffff")
    c.rect(0.56, 0.6, 1.0, 0.8, "#7fd1bd")
    for k in range(4):
        c.rect(0.58 + k * 0.105, 0.63, 0.665 + k * 0.105, 0.77, "#4fae98", radius=0.008)
    c.oval(0.85, 0.515, 0.085, 0.05, fill="#e58a3c")  # the cat
    c.oval(0.775, 0.51, 0.042, 0.037, fill="#ef9a4e")
    for dx in (-0.03, 0.012):
        c.poly([(0.775 + dx, 0.485), (0.785 + dx, 0.45), (0.8 + dx, 0.485)], "#e58a3c")
    c.arc(0.9, 0.525, 0.06, 0.035, 0, 180, "#c9702a", 0.018)
    for dx in (-0.018, 0.015):
        c.arc(0.775 + dx, 0.508, 0.01, 0.007, 0, 180, "#5b2f10", 0.004)
    for x in (0.83, 0.87, 0.91):
        c.line([(x, 0.472), (x + 0.005, 0.5)], "#c9702a", 0.008)
    boards(c, 0.8, "#c98f5e", "#dba878", "#a9724688")
    for x0, x1 in ((0.0, 0.28), (0.72, 1.0)):  # the display tables
        c.rect(x0, 0.86, x1, 0.895, "#a8643a")
        c.rect(x0 + 0.02, 0.895, x0 + 0.05, 1, "#80472a")
        c.rect(x1 - 0.05, 0.895, x1 - 0.02, 1, "#80472a")
    for x, n, first in ((0.03, 5, 0), (0.12, 3, 2), (0.2, 6, 4), (0.75, 4, 1), (0.83, 6, 3), (0.91, 3, 5)):
        for k in range(n):
            shift = 0.004 * (k * 3 % 4)
            c.rect(
                x + shift, 0.835 - 0.026 * k, x + 0.065 + shift, 0.86 - 0.026 * k, pastel[(first + k) % 7], radius=0.003
            )
    bunting(c, 0.3, 0.02, 1.0, 0.02, 0.05, 12, pastel[:6])
    c.line([(0.46, 0), (0.46, 0.1)], "#8a6a4a", 0.004)
    c.oval(0.46, 0.14, 0.05, fill="#fff7dd")
    c.glow(0.46, 0.14, 0.16, "#fff0b8", 0.5)


def coffee_shop_reading(c: Canvas) -> None:
    c.gradient(0, 0.87, "#5b7f7a", "#4a6b66")
    for row in range(7):
        for k in range(14):
            c.rect(
                k * 0.075 - 0.037 * (row % 2),
                0.4 + row * 0.05,
                k * 0.075 + 0.07 - 0.037 * (row % 2),
                0.445 + row * 0.05,
                "#e8efe6",
            )
    framed(c, 0.03, 0.06, 0.32, 0.36, "#a8743f", "#26302e", 0.014)  # the chalk menu
    c.line([(0.08, 0.115), (0.2, 0.115)], "#ffd98a", 0.011)
    for k in range(5):
        c.line([(0.07, 0.155 + 0.036 * k), (0.19 - 0.02 * (k % 3), 0.155 + 0.036 * k)], "#e9efe6", 0.006)
        c.line([(0.25, 0.155 + 0.036 * k), (0.285, 0.155 + 0.036 * k)], "#e9efe6", 0.006)
    c.rect(0.68, 0.13, 1.0, 0.15, "#8a5a36")
    c.rect(0.68, 0.28, 1.0, 0.3, "#8a5a36")
    for k in range(6):
        c.rect(0.705 + 0.05 * k, 0.075, 0.735 + 0.05 * k, 0.13, ("#f2e6d0", "#c9703a", "#e3b84a")[k % 3], radius=0.006)
        c.rect(0.7 + 0.05 * k, 0.21, 0.738 + 0.05 * k, 0.28, ("#7a4a2f", "#d9a441", "#f2e6d0")[k % 3], radius=0.004)
        c.rect(0.697 + 0.05 * k, 0.2, 0.741 + 0.05 * k, 0.215, "#3b2a20")
    c.rect(0.0, 0.62, 0.36, 0.66, "#d9a860")  # the pastry counter
    c.rect(0.0, 0.66, 0.36, 0.92, "#8a5a36")
    c.rect(0.02, 0.45, 0.3, 0.62, "#e6f6f7c0")
    c.rect(0.02, 0.535, 0.3, 0.545, "#b9cfd0")
    for k in range(5):
        c.pie(0.06 + 0.05 * k, 0.535, 0.022, 0.035, 180, 360, ("#d99a45", "#e8b565", "#7a4a2f")[k % 3])
        c.pie(0.06 + 0.05 * k, 0.62, 0.022, 0.04, 180, 360, ("#f2a8b8", "#d99a45", "#c9703a")[k % 3])
    for k in range(5):
        c.rect(0.02 + 0.07 * k, 0.68, 0.025 + 0.07 * k, 0.9, "#6b4327")
    c.rect(0.64, 0.6, 1, 0.64, "#d9a860")
    c.rect(0.64, 0.64, 1, 0.92, "#8a5a36")
    c.rect(0.74, 0.4, 0.96, 0.6, "#d3d9dc", radius=0.016)  # the espresso machine
    c.rect(0.74, 0.4, 0.96, 0.46, "#b8342f", radius=0.016)
    c.rect(0.77, 0.49, 0.93, 0.585, "#4a5257")
    for x in (0.81, 0.89):
        c.rect(x - 0.012, 0.49, x + 0.012, 0.525, "#e9edef")
        c.rect(x - 0.016, 0.55, x + 0.016, 0.585, "#ffffff", radius=0.004)
        c.oval(x, 0.43, 0.013, fill="#ffffff")
    boards(c, 0.86, "#8a6a4f", "#a9825f", "#6b4f3888")
    for x, y, r in ((0.36, 0.2, 0.055), (0.6, 0.16, 0.055), (0.5, 0.1, 0.05)):
        pendant(c, x, y, r, "#d9883a")
    for x in (0.16, 0.85):
        c.oval(x, 0.86, 0.19, 0.045, fill="#6b4327")
        c.oval(x, 0.85, 0.19, 0.045, fill="#b97a48")
        c.rect(x - 0.015, 0.9, x + 0.015, 1, "#3b2a20")
    c.poly([(0.06, 0.86), (0.09, 0.74), (0.24, 0.74), (0.21, 0.86)], "#3a4149")  # laptop
    c.poly([(0.075, 0.845), (0.1, 0.752), (0.228, 0.752), (0.203, 0.845)], "#a9dcf0")
    c.poly([(0.21, 0.86), (0.29, 0.875), (0.14, 0.88), (0.06, 0.86)], "#c9d0d6")
    c.poly(
        [(0.7, 0.86), (0.73, 0.825), (0.79, 0.838), (0.85, 0.825), (0.88, 0.86), (0.79, 0.872)], "#fff9ea"
    )  # the novel
    c.line([(0.79, 0.838), (0.79, 0.872)], "#c9b48f", 0.005)
    c.rect(0.91, 0.785, 0.975, 0.85, "#ffffff", radius=0.012)
    c.ring(0.978, 0.815, 0.02, fill="#ffffff", width=0.008)
    c.oval(0.942, 0.787, 0.032, 0.009, fill="#6b3a1c")
    for dx in (-0.014, 0.014):
        steam = [(0.942 + dx + 0.009 * math.sin(k * 0.8), 0.77 - 0.009 * k) for k in range(17)]
        c.line(steam, "#ffffffb0", 0.008)
