"""Scenes in the wild: snow, stars, mountains, a forest and a lake."""

from __future__ import annotations

import math
from random import Random

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.scenery import blades, cloud, hills, peak, person, pine, speckles


def snowshoeing(c: Canvas) -> None:
    c.gradient(0, 0.6, "#b9cfe2", "#eef4f9")
    for k in range(15):
        pine(c, k * 0.072, 0.5, 0.2 + 0.05 * (k * 7 % 4) / 3, "#9fb8cc", "#e3edf5")
    hills(c, 0.5, 0.02, "#e4edf5", "snow-far")
    for x, y, h in ((0.27, 0.6, 0.42), (0.74, 0.6, 0.46), (0.12, 0.7, 0.62), (0.9, 0.72, 0.66)):
        c.oval(x + 0.05, y, h * 0.25, 0.02, fill="#b8cbdf")
        pine(c, x, y, h, "#3f6b66", "#fbfdff")
    pine(c, -0.02, 0.9, 0.8, "#2f5653", "#ffffff")
    pine(c, 1.03, 0.92, 0.76, "#2f5653", "#ffffff")
    c.poly([(0, 0.74), (0.3, 0.66), (0.62, 0.65), (1, 0.73), (1, 1), (0, 1)], "#f6fafd")
    c.poly([(0.46, 0.655), (0.52, 0.655), (0.62, 0.8), (0.5, 1), (0.16, 1), (0.42, 0.8)], "#dfe9f3")
    for k in range(14):
        y = 0.68 + 0.024 * k
        x = 0.5 - 0.02 * k + 0.05 * math.sin(k * 0.5)
        s = 0.4 + k * 0.06
        c.oval(x + (0.028 * s if k % 2 else -0.028 * s), y, 0.016 * s, 0.01 * s, fill="#a9bfd6")
    for x, y, h in ((0.24, 0.88, 0.3), (0.78, 0.86, 0.28), (0.35, 0.7, 0.13), (0.64, 0.69, 0.12)):
        c.rect(x - 0.006, y - h, x + 0.006, y, "#d63b3b")
        c.rect(x - 0.006, y - h * 0.85, x + 0.006, y - h * 0.7, "#ffffff")
    speckles(c, 0, 0, 1, 1, 130, 0.006, ("#ffffff", "#ffffffc0", "#f2f7fc"), "snow")


def night_sky_stargazing(c: Canvas) -> None:
    c.gradient(0, 0.75, "#070b26", "#131c4d", "#2b3a78", "#4a4f8f")
    rng = Random("milky way")
    for k in range(26):  # the Milky Way from the lower left to the upper right
        share = k / 25
        x, y = -0.05 + 1.1 * share, 0.62 - 0.6 * share + rng.uniform(-0.03, 0.03)
        c.glow(x, y, rng.uniform(0.08, 0.16), rng.choice(("#8fa3e6", "#b59be0", "#7fc0e6")), 0.45)
    speckles(c, 0, 0, 1, 0.66, 230, 0.0028, ("#ffffff", "#dbe6ff", "#fff3c9"), "stars")
    for _ in range(70):
        share = rng.random()
        c.oval(share, 0.6 - 0.55 * share + rng.gauss(0, 0.05), 0.003, fill="#ffffff")
    for x, y in ((0.16, 0.1), (0.34, 0.2), (0.86, 0.3), (0.66, 0.08)):
        c.glow(x, y, 0.04, "#ffffff")
        c.line([(x - 0.02, y), (x + 0.02, y)], "#ffffff", 0.003)
        c.line([(x, y - 0.02), (x, y + 0.02)], "#ffffff", 0.003)
    c.line([(0.06, 0.24), (0.2, 0.3)], "#ffffffb0", 0.005)
    hills(c, 0.68, 0.05, "#1b2350", "stars-far")
    hills(c, 0.76, 0.04, "#0c1130", "stars-near")
    for k in range(6):
        pine(c, 0.55 + 0.03 * k, 0.71 + 0.003 * k, 0.06, "#0c1130")
    c.glow(0.87, 0.8, 0.2, "#ffb347", 0.8)
    c.poly([(0.74, 0.88), (0.86, 0.68), (1.0, 0.88)], "#f59a3c")
    c.poly([(0.86, 0.68), (0.83, 0.88), (0.9, 0.88)], "#ffe2a0")
    c.line([(0.86, 0.68), (0.72, 0.9)], "#5a3d22", 0.004)
    for x, y, s in ((0.14, 0.9, 1.0), (0.68, 0.76, 0.45)):  # the telescopes
        for dx in (-0.08, 0.0, 0.08):
            c.line([(x, y - 0.2 * s), (x + dx * s, y)], "#39405f", 0.013 * s)
        c.line([(x - 0.1 * s, y - 0.15 * s), (x + 0.12 * s, y - 0.33 * s)], "#e8ecf5", 0.055 * s)
        c.line([(x + 0.09 * s, y - 0.305 * s), (x + 0.13 * s, y - 0.338 * s)], "#5f8ae0", 0.072 * s)
        c.line([(x - 0.12 * s, y - 0.134 * s), (x - 0.08 * s, y - 0.166 * s)], "#9aa3bd", 0.03 * s)
        c.oval(x, y - 0.21 * s, 0.02 * s, fill="#5b6383")
    blades(c, 0, 1, 1.0, 0.08, 80, "#060920", "stars")


def mountain_hiking(c: Canvas) -> None:
    c.gradient(0, 0.6, "#3f93e0", "#bfe2f7")
    cloud(c, 0.55, 0.1, 0.2)
    peak(c, 0.5, 0.6, 0.5, 0.36, "#a9b7c7", "#8fa0b3", "#ffffff")
    peak(c, 0.14, 0.62, 0.62, 0.56, "#8a94a3", "#6a7484", "#ffffff")
    peak(c, 0.88, 0.62, 0.66, 0.52, "#7d8796", "#5d6675", "#ffffff")
    c.poly([(0, 0.56), (0.3, 0.6), (0.6, 0.57), (1, 0.55), (1, 1), (0, 1)], "#7fb347")
    c.poly([(0, 0.7), (0.4, 0.66), (1, 0.72), (1, 1), (0, 1)], "#6aa53b")
    trail = [(0.74, 0.56), (0.84, 0.6), (0.56, 0.64), (0.9, 0.7), (0.3, 0.77), (0.66, 0.88), (0.3, 1.02)]
    for k in range(len(trail) - 1):
        c.line(trail[k : k + 2], "#e5d3ae", 0.014 + 0.011 * k)
        c.oval(*trail[k + 1], 0.007 + 0.0055 * k, fill="#e5d3ae")
    for x, y, r in ((0.08, 0.86, 0.07), (0.17, 0.9, 0.04), (0.86, 0.9, 0.07), (0.95, 0.93, 0.05), (0.3, 0.66, 0.02)):
        c.poly([(x - r, y), (x - r * 0.7, y - r * 0.8), (x + r * 0.1, y - r), (x + r, y)], "#a4a9ab")
        c.poly([(x + r * 0.1, y - r), (x + r, y), (x + r * 0.2, y)], "#83898d")
    c.rect(0.2, 0.46, 0.225, 0.84, "#7a5534")
    c.poly([(0.08, 0.48), (0.28, 0.48), (0.28, 0.545), (0.08, 0.545), (0.05, 0.512)], "#c58b4f")
    c.poly([(0.14, 0.57), (0.3, 0.57), (0.335, 0.6), (0.3, 0.63), (0.14, 0.63)], "#b37a42")
    c.line([(0.1, 0.512), (0.25, 0.512)], "#f3e2c2", 0.01)
    c.line([(0.17, 0.6), (0.29, 0.6)], "#f3e2c2", 0.01)
    person(c, 0.8, 0.67, 0.11, "#e2483d", pose="walk")
    person(c, 0.87, 0.69, 0.11, "#f0b32f", pose="walk")
    speckles(c, 0, 0.75, 1, 1, 50, 0.006, ("#ffffff", "#f9d44f", "#e879a8"), "meadow")


def mountain_cabin_retreat(c: Canvas) -> None:
    c.gradient(0, 0.6, "#8f7fc4", "#e79bb0", "#fbd2a8")
    peak(c, 0.3, 0.62, 0.9, 0.58, "#b58aa6", "#8d6f9a", "#ffe6e0")
    peak(c, 0.85, 0.62, 0.7, 0.4, "#a37ba0", "#7b6392", "#ffd9d4")
    for k in range(14):
        pine(c, 0.02 + k * 0.076, 0.62, 0.17 + 0.05 * (k * 5 % 3) / 2, "#4b5a78")
    c.gradient(0.6, 1, "#5c7358", "#3b5244")
    c.poly([(0.66, 0.42), (0.98, 0.42), (0.98, 0.74), (0.66, 0.74)], "#8c5a35")
    for k in range(8):
        c.rect(0.65, 0.43 + k * 0.04, 0.99, 0.457 + k * 0.04, "#a46c40", radius=0.012)
    c.rect(0.9, 0.16, 0.95, 0.36, "#6d5a57")
    for k, (dx, r) in enumerate(((0, 0.02), (-0.02, 0.028), (-0.05, 0.036), (-0.09, 0.046), (-0.15, 0.055))):
        c.oval(0.925 + dx, 0.13 - k * 0.028, r, fill="#fff4ee" + ("d0", "b0", "90", "70", "50")[k])
    c.poly([(0.6, 0.44), (0.82, 0.23), (1.05, 0.44)], "#4b3038")
    c.poly([(0.6, 0.44), (0.82, 0.23), (1.05, 0.44), (1.05, 0.47), (0.82, 0.265), (0.6, 0.47)], "#6b4650")
    for x in (0.7, 0.88):
        c.glow(x + 0.04, 0.56, 0.12, "#ffcf6b", 0.8)
        c.rect(x, 0.51, x + 0.08, 0.61, "#ffdf8c")
        c.line([(x + 0.04, 0.51), (x + 0.04, 0.61)], "#5b3a26", 0.007)
        c.line([(x, 0.56), (x + 0.08, 0.56)], "#5b3a26", 0.007)
    c.rect(0.79, 0.54, 0.86, 0.74, "#5b3524")
    for row in range(4):  # the firewood
        for k in range(5 - row % 2):
            c.oval(0.73 + 0.05 * k + 0.025 * (row % 2), 0.87 - row * 0.042, 0.026, fill="#8a5f3a")
            c.oval(0.73 + 0.05 * k + 0.025 * (row % 2), 0.87 - row * 0.042, 0.018, fill="#e3c08f")
    for x, y, h in ((0.06, 0.86, 0.76), (0.22, 0.76, 0.52)):
        pine(c, x, y, h, "#22403f")
    pine(c, 0.34, 0.68, 0.3, "#2d4d4b")
    pine(c, -0.04, 1.02, 0.6, "#18302f")
    blades(c, 0, 1, 1.0, 0.06, 70, "#2c4034", "cabin")


def nature_photography(c: Canvas) -> None:
    c.gradient(0, 0.75, "#d6e88e", "#8dbb62", "#4f8a4c")
    c.glow(0.6, 0.05, 0.55, "#fdfbd0", 0.9)
    rng = Random("photography trunks")
    for k in range(11):
        x, w = 0.02 + k * 0.095, rng.uniform(0.015, 0.03)
        c.rect(x, 0, x + w, 0.66, "#6a9458")
    for x, spread in ((0.45, 0.05), (0.6, 0.06), (0.78, 0.05)):
        c.poly([(x + 0.1, 0), (x + 0.16, 0), (x - 0.2 + spread, 0.75), (x - 0.28 - spread, 0.75)], "#fffde03c")
    c.gradient(0.64, 1, "#6b9a45", "#2f5a34")
    for x, w in ((0.0, 0.13), (0.27, 0.06), (0.93, 0.1)):  # the mossy trunks
        c.poly([(x - w * 0.5, 0.78), (x, 0.6), (x, 0), (x + w, 0), (x + w, 0.6), (x + w * 1.5, 0.8)], "#5d4632")
        c.poly([(x - w * 0.5, 0.78), (x, 0.6), (x, 0.1), (x + w * 0.4, 0.3), (x + w * 0.3, 0.79)], "#7ba23e")
    deer = "#b9783f"
    for x in (0.75, 0.78, 0.87, 0.895):
        c.line([(x, 0.55), (x, 0.72)], "#9a6233", 0.014)
    c.oval(0.825, 0.53, 0.095, 0.055, fill=deer)
    c.poly([(0.73, 0.52), (0.7, 0.38), (0.745, 0.38), (0.8, 0.5)], deer)
    c.oval(0.71, 0.375, 0.045, 0.03, fill=deer)
    c.oval(0.672, 0.383, 0.012, fill="#3b2719")
    c.oval(0.705, 0.365, 0.006, fill="#20140b")
    for side in (-1, 1):
        c.line([(0.725, 0.355), (0.725 + side * 0.03, 0.3), (0.725 + side * 0.06, 0.24)], "#e9d8b4", 0.009)
        c.line([(0.725 + side * 0.03, 0.3), (0.725 + side * 0.065, 0.3)], "#e9d8b4", 0.008)
        c.line([(0.725 + side * 0.045, 0.27), (0.725 + side * 0.03, 0.22)], "#e9d8b4", 0.008)
    speckles(c, 0.77, 0.49, 0.88, 0.54, 8, 0.006, ("#f3dcb8",), "deer")
    for dx in (-0.08, 0.0, 0.08):  # the camera
        c.line([(0.17, 0.6), (0.17 + dx, 0.9)], "#2a2c31", 0.014)
    c.rect(0.1, 0.48, 0.24, 0.6, "#26282d", radius=0.015)
    c.rect(0.14, 0.45, 0.2, 0.5, "#26282d", radius=0.008)
    c.rect(0.22, 0.505, 0.31, 0.575, "#3c4047", radius=0.01)
    c.rect(0.295, 0.495, 0.315, 0.585, "#7fa8c9", radius=0.006)
    c.oval(0.125, 0.5, 0.009, fill="#e2483d")
    blades(c, 0, 0.3, 1.0, 0.16, 34, "#3f7d35", "ferns-left")
    blades(c, 0.7, 1, 1.0, 0.16, 34, "#3f7d35", "ferns-right")
    for x, y, r in ((0.06, 0.93, 0.035), (0.8, 0.9, 0.03), (0.86, 0.93, 0.04)):
        c.rect(x - r * 0.3, y - r * 0.2, x + r * 0.3, y + r * 1.2, "#f7efdf")
        c.pie(x, y, r, r, 180, 360, "#d8362f")
        for dx in (-0.5, 0.05, 0.5):
            c.oval(x + dx * r, y - r * 0.4, r * 0.14, fill="#ffffff")
    for x, y, fill in ((0.3, 0.2, "#f28f3b"), (0.2, 0.33, "#4d96d9"), (0.88, 0.16, "#f2d24b")):
        for side in (-1, 1):
            c.poly([(x, y), (x + side * 0.035, y - 0.03), (x + side * 0.03, y + 0.02)], fill)


def fishing_trip(c: Canvas) -> None:
    c.gradient(0, 0.46, "#4f8f92", "#9cc9b8", "#eaf0cf")
    c.glow(0.3, 0.34, 0.3, "#fffbd6")
    c.oval(0.3, 0.34, 0.045, fill="#fffef0")
    hills(c, 0.36, 0.05, "#5f937f", "fishing-far")
    hills(c, 0.43, 0.03, "#3a6e5a", "fishing-near")
    for k in range(20):
        pine(c, k * 0.053, 0.47, 0.06 + 0.04 * (k * 7 % 5) / 4, "#1f5044")
    c.gradient(0.46, 1, "#a9d0b4", "#3f8a7c", "#154a48")
    c.rect(0.0, 0.44, 1, 0.5, "#ffffff66", radius=0.03)
    c.rect(0.1, 0.53, 0.7, 0.545, "#ffffff50", radius=0.007)
    for k in range(14):
        y = 0.56 + 0.028 * k
        c.line([((k * 0.41) % 1 - 0.05, y), ((k * 0.41) % 1 + 0.12, y)], "#ffffff45", 0.005)
    for k in range(3):
        c.ring(0.84, 0.62, 0.05 + 0.035 * k, 0.013 + 0.009 * k, fill="#ffffffa0", width=0.005)
    c.poly([(0.8, 0.58), (0.79, 0.5), (0.83, 0.44), (0.87, 0.43), (0.86, 0.49), (0.83, 0.56)], "#e08a4f")  # the fish
    c.poly([(0.8, 0.57), (0.76, 0.6), (0.77, 0.545)], "#c8703a")
    c.poly([(0.8, 0.5), (0.83, 0.44), (0.8, 0.44)], "#c8703a")
    c.oval(0.853, 0.455, 0.007, fill="#2b1c10")
    speckles(c, 0.74, 0.54, 0.92, 0.61, 14, 0.006, ("#ffffff",), "splash")
    c.poly([(0.3, 0.68), (0.7, 0.68), (0.98, 1), (0.02, 1)], "#a97c50")  # the jetty
    for k in range(7):
        y = 0.7 + 0.04 * k + 0.003 * k * k
        half = 0.2 + 0.28 * (y - 0.68) / 0.32
        c.line([(0.5 - half, y), (0.5 + half, y)], "#7d5838", 0.006)
    for x, y in ((0.27, 0.78), (0.73, 0.78), (0.12, 0.98), (0.88, 0.98)):
        c.rect(x - 0.018, y - 0.14, x + 0.018, y + 0.02, "#6b4a2f", radius=0.006)
    for base, tip, bob in (((0.24, 0.86), (0.05, 0.2), (0.1, 0.62)), ((0.82, 0.86), (1.0, 0.2), (0.75, 0.68))):
        c.line([base, tip], "#5b3a1f", 0.011)
        c.line([tip, bob], "#ffffffb0", 0.003)
        c.oval(*bob, 0.013, fill="#e2342d")
        c.pie(*bob, 0.013, 0.013, 0, 180, "#ffffff")
    c.poly([(0.14, 0.86), (0.25, 0.86), (0.235, 0.97), (0.155, 0.97)], "#4d7fb0")
    c.arc(0.195, 0.86, 0.055, 0.05, 180, 360, "#39404f", 0.007)
    c.ring(0.84, 0.83, 0.055, 0.035, fill="#6b4a2f", width=0.009)
    c.pie(0.84, 0.84, 0.05, 0.09, 0, 180, "#f3efdf90")
    blades(c, 0, 0.16, 0.86, 0.36, 22, "#3f7d4a", "reeds-left")
    blades(c, 0.9, 1, 0.8, 0.3, 16, "#3f7d4a", "reeds-right")
