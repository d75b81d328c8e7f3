"""Scenes of learning and work: library, classroom, museum, gallery, office and meeting room."""

from __future__ import annotations

import math

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.scenery import beam, bookshelf, bunting, framed, person, potted, skyline, window


def library_studying(c: Canvas) -> None:
    c.gradient(0, 1, "#4a2f20", "#6b4327")
    c.rect(0.3, 0, 0.7, 0.6, "#7a5233")
    c.gradient(0.06, 0.6, "#cfe0dc", "#f2ead2", x0=0.41, x1=0.59)  # an arched window at the end of the hall
    c.pie(0.5, 0.1, 0.09, 0.09, 180, 360, "#cfe0dc")
    window(c, 0.41, 0.06, 0.59, 0.6, "#4a2f20", columns=3, rows=5, width=0.009)
    bookshelf(c, 0.31, 0.0, 0.4, 0.62, 7, "#55351f", "#2e1c11", "library-3")
    bookshelf(c, 0.6, 0.0, 0.69, 0.62, 7, "#55351f", "#2e1c11", "library-4")
    bookshelf(c, 0.0, -0.02, 0.3, 0.76, 6, "#6b4327", "#2e1c11", "library-1")
    bookshelf(c, 0.7, -0.02, 1.0, 0.76, 6, "#6b4327", "#2e1c11", "library-2")
    for x in (0.0, 0.29, 0.7, 0.985):
        c.rect(x, 0, x + 0.018, 0.78, "#8a5a36")
    c.gradient(0.76, 1, "#7a3f2a", "#55281b")
    c.poly([(0.31, 0.62), (0.69, 0.62), (0.82, 0.78), (0.18, 0.78)], "#8a4a30")
    for x, lean in ((0.76, 0.06), (0.83, 0.06)):  # the rolling ladder
        c.line([(x, 0.8), (x + lean, 0.02)], "#d9a860", 0.013)
    for k in range(9):
        y = 0.1 + k * 0.08
        x = 0.76 + 0.06 * (0.8 - y) / 0.78
        c.line([(x, y), (x + 0.07, y)], "#d9a860", 0.009)
    c.poly([(0, 0.84), (1, 0.84), (1, 0.9), (0, 0.9)], "#b5763f")
    c.rect(0, 0.9, 1, 1, "#8a5529")
    for x in (0.14, 0.88):  # the green lamps
        c.glow(x, 0.74, 0.22, "#ffe9a0", 0.75)
        c.rect(x - 0.006, 0.68, x + 0.006, 0.86, "#d8b04a")
        c.oval(x, 0.865, 0.05, 0.014, fill="#d8b04a")
        c.rect(x - 0.09, 0.64, x + 0.09, 0.705, "#1f8a5b", radius=0.03)
        c.rect(x - 0.075, 0.65, x + 0.075, 0.664, "#6fd09c", radius=0.006)
        c.rect(x - 0.075, 0.7, x + 0.075, 0.71, "#fff4c4")
    for x in (0.27, 0.73):
        c.poly(
            [(x - 0.08, 0.885), (x - 0.06, 0.85), (x, 0.86), (x + 0.06, 0.85), (x + 0.08, 0.885), (x, 0.897)], "#f7efdc"
        )
        c.line([(x, 0.86), (x, 0.897)], "#b9a88a", 0.005)
    for k, fill in enumerate(("#3f6c8c", "#b5493b", "#d9a441")):
        c.rect(0.01, 0.84 - 0.03 * k, 0.08, 0.868 - 0.03 * k, fill, radius=0.004)


def school_presentation(c: Canvas) -> None:
    c.gradient(0, 0.74, "#fff6d9", "#f7e3b0")
    framed(c, 0.17, 0.09, 0.83, 0.52, "#b98247", "#2f6b4f", 0.016)
    chalk = "#f2f7ee"
    c.line([(0.21, 0.42), (0.21, 0.2)], chalk, 0.006)
    c.line([(0.21, 0.42), (0.37, 0.42)], chalk, 0.006)
    c.line([(0.22, 0.4), (0.26, 0.34), (0.3, 0.36), (0.36, 0.22)], "#ffe08a", 0.007)
    for k, size in enumerate((0.05, 0.035)):
        c.ring(0.3 + 0.1 * k, 0.17, size, fill=chalk, width=0.005)
    c.poly([(0.66, 0.32), (0.79, 0.32), (0.79, 0.18)], "#f7b7c055")
    c.line([(0.66, 0.32), (0.79, 0.32), (0.79, 0.18), (0.66, 0.32)], chalk, 0.006)
    for k in range(3):
        c.line([(0.64, 0.38 + 0.035 * k), (0.8 - 0.03 * k, 0.38 + 0.035 * k)], chalk, 0.006)
    for k in range(4):
        c.line([(0.47, 0.14 + 0.03 * k), (0.59, 0.14 + 0.03 * k)], chalk, 0.005)
    c.rect(0.17, 0.52, 0.83, 0.54, "#d9a860")
    bunting(c, 0.0, 0.01, 1.0, 0.01, 0.05, 16)
    c.gradient(0.16, 0.46, "#a9dcf5", "#e4f6fb", x0=0.87, x1=1.0)
    window(c, 0.87, 0.16, 1.01, 0.46, "#ffffff", columns=1, rows=2, width=0.014)
    framed(c, 0.005, 0.12, 0.145, 0.33, "#8a5f36", "#8fcbe8", 0.008)  # the wall map
    for x, y, rx, ry in (
        (0.045, 0.18, 0.022, 0.02),
        (0.06, 0.25, 0.014, 0.03),
        (0.1, 0.19, 0.03, 0.025),
        (0.105, 0.26, 0.015, 0.025),
    ):
        c.oval(x, y, rx, ry, fill="#7fb858")
    c.rect(0, 0.72, 1, 0.745, "#c9965c")
    c.gradient(0.745, 1, "#e3b984", "#c4935c")
    for k in range(-6, 7):
        c.line([(0.5 + k * 0.1, 0.745), (0.5 + k * 0.2, 1)], "#a9794688", 0.003)
    c.rect(0.0, 0.58, 0.18, 0.61, "#a8643a")  # a cupboard with the globe
    c.rect(0.01, 0.61, 0.17, 0.76, "#bf7a4a")
    c.line([(0.09, 0.61), (0.09, 0.76)], "#8a4f2b", 0.005)
    c.rect(0.055, 0.565, 0.105, 0.58, "#6b4a2f", radius=0.006)
    c.arc(0.08, 0.49, 0.085, 0.085, -60, 110, "#d8b04a", 0.01)
    c.oval(0.08, 0.49, 0.07, fill="#3f8fd0")
    for x, y, rx, ry in ((0.06, 0.47, 0.028, 0.022), (0.1, 0.5, 0.02, 0.03), (0.07, 0.53, 0.018, 0.012)):
        c.oval(x, y, rx, ry, fill="#6fbf5a")
    for k, fill in enumerate(("#d6453d", "#3f6c8c", "#f0b32f", "#5d8a5a")):
        c.rect(0.125 + 0.012 * k, 0.51, 0.135 + 0.012 * k, 0.58, fill)
    potted(c, 0.94, 0.74, 0.2)
    for x, top, hair in (
        (0.11, "#4d96d9", "#3a2a20"),
        (0.29, "#f28f3b", "#7a4e2a"),
        (0.73, "#e05263", "#20202a"),
        (0.9, "#5bb08a", "#a5712f"),
    ):
        c.rect(x - 0.075, 0.9, x + 0.075, 1.02, top, radius=0.04)  # students, seen from behind
        c.oval(x, 0.85, 0.047, 0.055, fill=hair)
        c.rect(x - 0.1, 0.965, x + 0.1, 0.985, "#e9c48f")
        c.rect(x - 0.06, 0.985, x + 0.06, 1.02, "#7a5534")


def museum_tour(c: Canvas) -> None:
    c.gradient(0, 0.74, "#1d2a33", "#2f4350", "#3c5563")
    for k in range(5):
        c.rect(0.0 + k * 0.24, 0, 0.03 + k * 0.24, 0.74, "#24343f")
    c.gradient(0.74, 1, "#4a3b33", "#241b18")
    for x, y, spread in ((0.14, 0.7, 0.14), (0.5, 0.74, 0.24), (0.88, 0.7, 0.13)):
        beam(c, x, 0.0, x, y, spread, "#ffeec02c")
        beam(c, x, 0.0, x, y, spread * 0.6, "#ffeec030")
    bone, dark = "#efe4c8", "#b9a985"
    spine = [(0.2, 0.36), (0.27, 0.2), (0.36, 0.13), (0.5, 0.12), (0.62, 0.17), (0.74, 0.28), (0.86, 0.34), (0.98, 0.3)]
    c.line(spine, bone, 0.022)
    for k in range(30):
        place = k / 29 * (len(spine) - 1)
        i = min(int(place), len(spine) - 2)
        x = spine[i][0] + (spine[i + 1][0] - spine[i][0]) * (place - i)
        y = spine[i][1] + (spine[i + 1][1] - spine[i][1]) * (place - i)
        c.line([(x, y - 0.022), (x, y + 0.016)], bone, 0.008)
    for k in range(9):
        x = 0.36 + 0.032 * k
        c.arc(x, 0.25, 0.03, 0.12 - 0.006 * abs(k - 4), -90, 90, bone, 0.011)
    for x in (0.37, 0.63):
        c.line([(x, 0.22), (x + 0.05, 0.42), (x, 0.56), (x + 0.05, 0.72)], bone, 0.02)
        c.oval(x + 0.05, 0.42, 0.018, fill=dark)
    c.oval(0.16, 0.37, 0.1, 0.05, fill=bone)  # the skull
    c.poly([(0.05, 0.4), (0.2, 0.41), (0.19, 0.44), (0.08, 0.445)], bone)
    c.oval(0.17, 0.355, 0.018, fill="#1d2a33")
    for k in range(6):
        c.poly([(0.065 + k * 0.02, 0.4), (0.08 + k * 0.02, 0.4), (0.072 + k * 0.02, 0.425)], "#1d2a33")
    for x, fill, band in ((0.09, "#c4643a", "#2b1c14"), (0.21, "#3f6f8f", "#e8d9a8")):
        c.rect(x - 0.05, 0.66, x + 0.05, 0.82, "#51626d")
        c.rect(x - 0.056, 0.65, x + 0.056, 0.665, "#768994")
        c.oval(x, 0.585, 0.042, 0.05, fill=fill)
        c.rect(x - 0.018, 0.51, x + 0.018, 0.56, fill)
        c.rect(x - 0.028, 0.503, x + 0.028, 0.518, fill, radius=0.005)
        c.poly([(x - 0.03, 0.62), (x + 0.03, 0.62), (x + 0.02, 0.65), (x - 0.02, 0.65)], fill)
        c.rect(x - 0.04, 0.575, x + 0.04, 0.595, band)
    c.rect(0.82, 0.64, 0.95, 0.84, "#51626d")  # the bust
    c.rect(0.81, 0.625, 0.96, 0.645, "#768994")
    c.poly([(0.82, 0.625), (0.84, 0.56), (0.87, 0.54), (0.9, 0.54), (0.93, 0.56), (0.95, 0.625)], "#f2f0ea")
    c.rect(0.866, 0.5, 0.904, 0.56, "#dcd9d0")
    c.oval(0.885, 0.465, 0.042, 0.055, fill="#f2f0ea")
    c.oval(0.885, 0.43, 0.046, 0.03, fill="#dcd9d0")
    for x0, x1 in ((0.03, 0.28), (0.72, 0.97)):  # the ropes
        c.arc((x0 + x1) / 2, 0.84, (x1 - x0) / 2, 0.06, 0, 180, "#c22f3d", 0.014)
        for x in (x0, x1):
            c.rect(x - 0.007, 0.82, x + 0.007, 0.97, "#d8b04a")
            c.oval(x, 0.82, 0.013, fill="#f0d070")
            c.oval(x, 0.975, 0.03, 0.01, fill="#d8b04a")


def art_gallery_visit(c: Canvas) -> None:
    c.gradient(0, 0.72, "#ffffff", "#ece9e6")
    c.poly([(0, 0), (0.1, 0.08), (0.1, 0.68), (0, 0.8)], "#e2dedb")
    c.poly([(1, 0), (0.9, 0.08), (0.9, 0.68), (1, 0.8)], "#e2dedb")
    c.rect(0.1, 0.045, 0.9, 0.055, "#c9c5c2")
    for x in (0.2, 0.35, 0.5, 0.65, 0.8):
        c.poly([(x - 0.012, 0.055), (x + 0.012, 0.055), (x + 0.006, 0.085), (x - 0.006, 0.085)], "#7d7a78")
        c.glow(x, 0.15, 0.14, "#fff6dd", 0.6)
    framed(c, 0.13, 0.14, 0.34, 0.5, "#2a2a2a", "#f7f3ea", 0.006)
    c.oval(0.21, 0.26, 0.06, fill="#e6492d")
    c.rect(0.2, 0.3, 0.31, 0.42, "#2b50aa")
    c.poly([(0.15, 0.47), (0.22, 0.36), (0.3, 0.47)], "#f5c518")
    framed(c, 0.41, 0.1, 0.6, 0.24, "#2a2a2a", "#f06a8a", 0.006)
    for k, fill in enumerate(("#f9b4c0", "#ffd97a", "#7ac7c4")):
        c.rect(0.42, 0.12 + 0.035 * k, 0.59, 0.145 + 0.035 * k, fill)
    framed(c, 0.66, 0.14, 0.87, 0.5, "#2a2a2a", "#12394a", 0.006)
    for k in range(6):
        c.ring(
            0.765, 0.32, 0.095 - 0.015 * k, 0.15 - 0.024 * k, fill=("#ff8a3d", "#ffd25a", "#3fc1b0")[k % 3], width=0.01
        )
    c.gradient(0.72, 1, "#e9d9c2", "#d5bd9c")
    for k in range(-10, 11):
        c.line([(0.5 + k * 0.06, 0.72), (0.5 + k * 0.18, 1)], "#c4aa86", 0.003)
    c.poly([(0, 0.8), (0.1, 0.68), (0.1, 0.72), (0, 0.86)], "#cfcac6")
    c.poly([(1, 0.8), (0.9, 0.68), (0.9, 0.72), (1, 0.86)], "#cfcac6")
    c.oval(0.85, 0.935, 0.11, 0.02, fill="#00000022")
    c.rect(0.77, 0.72, 0.92, 0.93, "#ffffff")
    c.rect(0.88, 0.72, 0.92, 0.93, "#dedad6")
    bronze = [(0.845 + 0.05 * math.sin(k * 0.55) * (1 - k / 26), 0.715 - 0.0105 * k) for k in range(24)]
    c.line(bronze, "#8a5a2b", 0.036)
    c.line([(x - 0.008, y) for x, y in bronze], "#c98f4e", 0.012)
    c.oval(0.845, 0.45, 0.03, fill="#a36d36")
    person(c, 0.14, 0.9, 0.36, "#3b3f4a", "#22252c")
    person(c, 0.245, 0.88, 0.33, "#8a3f4a", "#2f3440")
    c.rect(0.0, 0.93, 0.3, 0.955, "#5b4a3a", radius=0.006)
    for x in (0.04, 0.24):
        c.rect(x, 0.955, x + 0.015, 1, "#3f352b")


def office_working(c: Canvas) -> None:
    c.gradient(0, 0.76, "#eef4f6", "#dbe7ea")
    c.gradient(0.07, 0.58, "#b8e0f2", "#f6fcff", x0=0.02, x1=0.52)
    for x, y, r in ((0.12, 0.5, 0.1), (0.3, 0.53, 0.08), (0.44, 0.5, 0.09)):
        c.oval(x, y, r, fill="#9ccf9a")
    c.rect(0.02, 0.55, 0.52, 0.6, "#dbe7ea")
    window(c, 0.02, 0.07, 0.52, 0.55, "#ffffff", columns=4, rows=1, width=0.018)
    for x in (0.06, 0.2):
        c.poly([(x, 0.07), (x + 0.07, 0.07), (x + 0.2, 0.55), (x + 0.1, 0.55)], "#ffffff50")
    c.rect(0.58, 0.1, 1.0, 0.66, "#9fd0d0")  # the glazed meeting room
    c.rect(0.6, 0.13, 0.98, 0.64, "#d9f0ee")
    c.rect(0.66, 0.5, 0.94, 0.525, "#7a8f94")
    c.rect(0.79, 0.525, 0.81, 0.64, "#7a8f94")
    for x in (0.64, 0.94):
        c.rect(x - 0.03, 0.42, x + 0.03, 0.56, "#3f8f8c", radius=0.015)
    c.poly([(0.7, 0.13), (0.76, 0.13), (0.66, 0.64), (0.6, 0.64)], "#ffffff70")
    for x in (0.6, 0.79, 0.98):
        c.rect(x - 0.006, 0.1, x + 0.006, 0.66, "#3d5a60")
    for k, fill in enumerate(("#ffd84d", "#ff9f8a", "#9be08a", "#8ac7ff", "#ffd84d", "#d9a8ff")):
        x, y = 0.83 + 0.045 * (k % 3), 0.2 + 0.06 * (k // 3)
        c.rect(x, y, x + 0.036, y + 0.04, fill)
    c.gradient(0.66, 1, "#b9c6c9", "#98a8ad")
    for k in range(8):
        c.rect(0.08 + 0.12 * k, 0.0, 0.17 + 0.12 * k, 0.02, "#ffffff")
    for x0, x1, screens in ((0.0, 0.31, (0.06, 0.2)), (0.69, 1.0, (0.8, 0.94))):  # the desks
        for x in screens:
            c.rect(x - 0.07, 0.6, x + 0.07, 0.745, "#2b333b", radius=0.008)
            c.rect(x - 0.062, 0.608, x + 0.062, 0.73, "#3d7fc4" if x < 0.1 or x > 0.9 else "#f7fafc")
            c.rect(x - 0.01, 0.745, x + 0.01, 0.79, "#6b757d")
            for k in range(4):
                shade = "#dcecff" if x < 0.1 or x > 0.9 else "#8aa3b5"
                c.rect(x - 0.05, 0.622 + 0.026 * k, x + 0.045 - 0.02 * (k % 3), 0.634 + 0.026 * k, shade)
        c.rect(x0, 0.79, x1, 0.825, "#f2c98f")
        c.rect(x0, 0.818, x1, 0.825, "#c99a5c")
        for x in (x0 + 0.03, x1 - 0.045):
            c.rect(x, 0.825, x + 0.015, 1, "#e9eef0")
        for x in screens:
            c.rect(x - 0.055, 0.86, x + 0.055, 1.02, "#44708f", radius=0.03)
    potted(c, 0.285, 0.79, 0.13, "#4aa567", "#ffffff")
    potted(c, 0.55, 0.68, 0.26, "#3f9a5b", "#d9dfe2")


def business_meeting(c: Canvas) -> None:
    c.gradient(0, 0.62, "#5d87b5", "#a9c4de", "#dfe8f0")
    skyline(c, 0.62, 0.16, 0.46, "#8ca6c4", "meeting-far")
    skyline(c, 0.62, 0.08, 0.34, "#54709a", "meeting-near", lit="#cfe0f2")
    for x in (0, 0.195, 0.39, 0.59, 0.785, 0.98):
        c.rect(x, 0, x + 0.02, 0.62, "#232c3b")
    c.rect(0, 0, 1, 0.03, "#232c3b")
    c.rect(0, 0.6, 1, 0.64, "#323d4f")
    framed(c, 0.33, 0.04, 0.67, 0.3, "#11161f", "#f7f9fc", 0.01)
    for k, fill in enumerate(("#7fb2e6", "#5a97d9", "#3f7fc7", "#2f66ad", "#e08a2f")):
        c.rect(0.37 + 0.054 * k, 0.23 - 0.034 * k, 0.405 + 0.054 * k, 0.27, fill)
    c.line([(0.36, 0.22), (0.48, 0.16), (0.56, 0.13), (0.65, 0.06)], "#c9392f", 0.008)
    c.gradient(0.64, 1, "#4a5568", "#2f3746")
    suits = (("#2c3e5c", 0.09, 0.44), ("#5b3f4a", 0.26, 0.36), ("#3b3f47", 0.74, 0.36), ("#1f4f57", 0.91, 0.44))
    for fill, x, h in suits:
        c.rect(x - h * 0.2, 0.74 - h * 0.62, x + h * 0.2, 0.86, "#151a22", radius=0.03)
        c.rect(x - h * 0.21, 0.74 - h * 0.36, x + h * 0.21, 0.9, fill, radius=0.05)
        c.poly([(x - h * 0.07, 0.742 - h * 0.36), (x + h * 0.07, 0.742 - h * 0.36), (x, 0.74 - h * 0.12)], "#ffffff")
        c.poly([(x - h * 0.02, 0.745 - h * 0.35), (x + h * 0.02, 0.745 - h * 0.35), (x, 0.74 - h * 0.14)], "#b8342f")
        skin = "#e0b08a" if x < 0.2 or x > 0.8 else "#9a6644"
        c.oval(x, 0.74 - h * 0.5, h * 0.115, h * 0.14, fill=skin)
        c.pie(x, 0.74 - h * 0.53, h * 0.125, h * 0.13, 180, 360, "#2b2320")
    c.oval(0.5, 0.96, 0.66, 0.16, fill="#2b1a12")
    c.oval(0.5, 0.94, 0.66, 0.16, fill="#8a5534")
    c.oval(0.5, 0.93, 0.6, 0.13, fill="#a0663f")
    for x, y in ((0.1, 0.87), (0.24, 0.84), (0.76, 0.84), (0.9, 0.87)):
        c.poly([(x - 0.05, y + 0.03), (x - 0.035, y - 0.01), (x + 0.035, y - 0.01), (x + 0.05, y + 0.03)], "#fbfbf7")
        c.line([(x - 0.02, y + 0.01), (x + 0.02, y + 0.01)], "#8ca6c4", 0.005)
    for x, y in ((0.17, 0.87), (0.83, 0.87)):
        c.rect(x - 0.014, y - 0.03, x + 0.014, y + 0.015, "#ffffff", radius=0.004)
