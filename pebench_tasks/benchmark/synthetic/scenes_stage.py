"""Scenes with a stage or a set: concert, runway, lecture and interview."""

from __future__ import annotations

from pebench_tasks.benchmark.synthetic.canvas import Canvas
from pebench_tasks.benchmark.synthetic.scenery import beam, crowd, framed, person, potted, speckles


def concert_attendance(c: Canvas) -> None:
    c.gradient(0, 1, "#1a0b3b", "#4a1a7a", "#a82a86", "#2b0f3f")
    c.glow(0.5, 0.5, 0.5, "#ff6fc0", 0.8)
    lights = ("#ff4fa055", "#8f5bff55", "#4fd0ff50", "#ffd24f48")
    for k in range(9):
        x = 0.06 + k * 0.11
        beam(c, x, 0.06, x + (0.5 - x) * (1.3 if k % 2 else -0.5), 0.78, 0.08, lights[k % 4])
    c.rect(0, 0.03, 1, 0.075, "#120826")
    for k in range(20):
        c.line([(k * 0.05, 0.035), (k * 0.05 + 0.025, 0.072), (k * 0.05 + 0.05, 0.035)], "#5b4a80", 0.004)
    for k in range(9):
        x = 0.06 + k * 0.11
        c.oval(x, 0.085, 0.02, fill="#2b1a4a")
        c.oval(x, 0.094, 0.013, fill="#ffffff")
    for x in (0.02, 0.82):  # the speaker towers
        c.rect(x, 0.22, x + 0.16, 0.72, "#150a28", radius=0.008)
        for k in range(4):
            c.oval(x + 0.08, 0.285 + 0.122 * k, 0.053, fill="#3b2a5c")
            c.oval(x + 0.08, 0.285 + 0.122 * k, 0.034, fill="#0c0518")
            c.oval(x + 0.08, 0.285 + 0.122 * k, 0.013, fill="#6b5596")
    c.rect(0, 0.66, 1, 0.78, "#1f0f3f")
    c.rect(0, 0.655, 1, 0.668, "#ff7fd0")
    for x, y, r in ((0.3, 0.58, 0.055), (0.7, 0.58, 0.055), (0.26, 0.47, 0.04), (0.74, 0.47, 0.04)):  # the drums
        c.oval(x, y, r, r, fill="#d8d3e6")
        c.oval(x, y, r * 0.82, r * 0.82, fill="#e0356f")
    for x in (0.235, 0.765):
        c.line([(x, 0.36), (x, 0.66)], "#b9aad8", 0.006)
        c.oval(x, 0.36, 0.06, 0.014, fill="#ffd24f")
    crowd(c, 0.76, 0.034, "#3d1760", "concert-far", n=15, hands=5)
    crowd(c, 0.83, 0.045, "#240c42", "concert-middle", n=11, hands=5)
    crowd(c, 0.91, 0.058, "#12061f", "concert-near", n=9, hands=4)
    speckles(c, 0, 0.1, 1, 0.6, 40, 0.005, ("#ffffff90", "#ffd24f90", "#ff9fe090"), "concert")


def fashion_show(c: Canvas) -> None:
    c.gradient(0, 1, "#17131a", "#2b2430", "#120f14")
    c.gradient(0.0, 0.6, "#f7c9d4", "#f09ab0", x0=0.33, x1=0.67)  # the lit backdrop
    c.rect(0.33, 0, 0.345, 0.6, "#ffffff")
    c.rect(0.655, 0, 0.67, 0.6, "#ffffff")
    for k in range(5):
        c.oval(0.5, 0.13, 0.12 - 0.024 * k, fill=("#ffffff", "#f09ab0")[k % 2])
    c.poly([(0.36, 0.58), (0.64, 0.58), (0.88, 1), (0.12, 1)], "#ffffff")
    c.poly([(0.4, 0.58), (0.6, 0.58), (0.72, 1), (0.28, 1)], "#efeaf2")
    c.line([(0.36, 0.58), (0.12, 1)], "#ff5c8a", 0.012)
    c.line([(0.64, 0.58), (0.88, 1)], "#ff5c8a", 0.012)
    for row, (y, r, fill) in enumerate(((0.62, 0.024, "#a892b5"), (0.7, 0.032, "#7d6889"), (0.8, 0.042, "#574862"))):
        reach = 0.3 - 0.05 * row
        crowd(c, y, r, fill, f"fashion-left-{row}", n=5, x0=0.0, x1=reach)
        crowd(c, y, r, fill, f"fashion-right-{row}", n=5, x0=1 - reach, x1=1.0)
    c.poly([(0.36, 0.58), (0.64, 0.58), (0.88, 1), (0.12, 1)], "#ffffff")
    c.poly([(0.4, 0.58), (0.6, 0.58), (0.72, 1), (0.28, 1)], "#efeaf2")
    for x, to in ((0.08, 0.22), (0.26, 0.18), (0.74, 0.82), (0.92, 0.78)):
        beam(c, x, 0.05, to, 0.84, 0.1, "#fff6e030")
    models = ((0.2, 0.88, 0.52, "#e8b52f", "#1f1a24"), (0.8, 0.88, 0.52, "#2f9aa8", "#1f1a24"))
    for x, y, h, dress, shoes in models:
        c.oval(x, y, 0.07, 0.014, fill="#c9c0cf")
        for dx in (-0.02, 0.02):
            c.line([(x + dx, y - h * 0.3), (x + dx * 1.4, y)], "#c98d62", 0.018)
            c.line([(x + dx * 1.4, y - 0.015), (x + dx * 1.4, y)], shoes, 0.02)
        c.poly(
            [(x - 0.035, y - h * 0.62), (x + 0.035, y - h * 0.62), (x + 0.1, y - h * 0.2), (x - 0.1, y - h * 0.2)],
            dress,
        )
        c.rect(x - 0.05, y - h * 0.8, x + 0.05, y - h * 0.58, dress, radius=0.02)
        c.poly(
            [(x - 0.05, y - h * 0.78), (x + 0.05, y - h * 0.66), (x + 0.05, y - h * 0.61), (x - 0.05, y - h * 0.73)],
            "#ffffff",
        )
        for side in (-1, 1):
            c.line(
                [(x + side * 0.045, y - h * 0.77), (x + side * 0.08, y - h * 0.6), (x + side * 0.05, y - h * 0.5)],
                "#c98d62",
                0.017,
            )
        c.rect(x - 0.012, y - h * 0.85, x + 0.012, y - h * 0.79, "#c98d62")
        c.oval(x, y - h * 0.9, 0.034, 0.042, fill="#c98d62")
        c.oval(x, y - h * 0.96, 0.075, 0.018, fill="#e2356f" if x < 0.5 else "#f7f2ea")
        c.oval(x, y - h * 0.98, 0.038, 0.026, fill="#e2356f" if x < 0.5 else "#f7f2ea")
    c.rect(0, 0.02, 0.33, 0.035, "#4a3f52")
    c.rect(0.67, 0.02, 1, 0.035, "#4a3f52")
    for x in (0.08, 0.17, 0.26, 0.74, 0.83, 0.92):
        c.rect(x - 0.018, 0.02, x + 0.018, 0.065, "#5b5066", radius=0.006)
        c.oval(x, 0.07, 0.017, 0.009, fill="#fff6e0")


def public_lecture(c: Canvas) -> None:
    c.gradient(0, 0.62, "#b06f3c", "#8f5529")
    for k in range(21):
        c.rect(k * 0.05, 0, k * 0.05 + 0.006, 0.62, "#7a4420")
    c.rect(0, 0, 1, 0.04, "#5b3117")
    c.glow(0.5, 0.24, 0.6, "#ffe7b8", 0.6)
    c.rect(0.14, 0.05, 0.86, 0.44, "#3b2010")
    c.rect(0.155, 0.063, 0.845, 0.425, "#f4f8ff")
    for start, end, fill in ((-90, 40, "#2f6fb8"), (40, 150, "#f0962f"), (150, 220, "#3fa37a"), (220, 270, "#d6453d")):
        c.pie(0.27, 0.24, 0.095, 0.14, start, end, fill)
    for k in range(5):
        c.rect(0.66, 0.12 + 0.055 * k, 0.82 - 0.03 * (k % 3), 0.145 + 0.055 * k, "#8fa5bf")
        c.oval(0.635, 0.132 + 0.055 * k, 0.011, fill=("#2f6fb8", "#f0962f", "#3fa37a", "#d6453d", "#8fa5bf")[k])
    c.rect(0.4, 0.09, 0.58, 0.12, "#2b3f5c")
    c.gradient(0.62, 1, "#6b3f22", "#4a2a16")
    c.poly([(0.78, 0.46), (0.94, 0.46), (0.91, 0.66), (0.81, 0.66)], "#6b3a1c")  # the lectern
    c.rect(0.765, 0.44, 0.955, 0.47, "#8a4f2b")
    c.oval(0.86, 0.55, 0.03, fill="#e3b84a")
    c.line([(0.83, 0.44), (0.82, 0.38)], "#1f1a17", 0.006)
    c.oval(0.82, 0.375, 0.011, fill="#1f1a17")
    for row, (y, r, fill, seat) in enumerate(
        ((0.66, 0.034, "#5b4a6b", "#a83a44"), (0.76, 0.046, "#42506b", "#8f2f3a"), (0.88, 0.062, "#2b3346", "#74232e"))
    ):
        crowd(c, y, r, fill, f"lecture-{row}", n=11 - 2 * row)
        for k in range(12 - 2 * row):
            w = 1 / (11 - 2 * row)
            c.rect((k - 0.46) * w, y + r * 1.35, (k + 0.46) * w, y + r * 4, seat, radius=0.02)


def media_interview(c: Canvas) -> None:
    c.gradient(0, 0.74, "#2f4a54", "#5f8a90", "#86aaa9")
    c.glow(0.5, 0.35, 0.5, "#dff3ea", 0.7)
    for k in range(4):  # the set's wooden slats and its monitors
        c.rect(0.4 + 0.055 * k, 0.0, 0.425 + 0.055 * k, 0.74, "#c99a6b40")
    for x0, x1, screen in ((0.34, 0.49, "#6fc3e6"), (0.52, 0.67, "#f2b06a")):
        framed(c, x0, 0.05, x1, 0.19, "#1c2328", screen, 0.008)
        c.oval((x0 + x1) / 2, 0.105, 0.02, 0.025, fill="#ffffffb0")
        c.pie((x0 + x1) / 2, 0.18, 0.045, 0.05, 180, 360, "#ffffffb0")
    c.gradient(0.74, 1, "#8a7f74", "#5f564e")
    c.oval(0.5, 0.9, 0.5, 0.12, fill="#d9cdbd")
    for x, lean in ((0.12, 1), (0.88, -1)):  # the softboxes
        c.line([(x, 0.2), (x, 0.84)], "#1c2024", 0.01)
        c.line([(x, 0.72), (x - 0.07, 0.86)], "#1c2024", 0.009)
        c.line([(x, 0.72), (x + 0.07, 0.86)], "#1c2024", 0.009)
        c.glow(x + lean * 0.06, 0.19, 0.3, "#fffbe6", 0.95)
        c.poly(
            [(x - lean * 0.1, 0.07), (x + lean * 0.12, 0.02), (x + lean * 0.12, 0.33), (x - lean * 0.1, 0.3)], "#14181c"
        )
        c.poly(
            [(x + lean * 0.02, 0.055), (x + lean * 0.12, 0.03), (x + lean * 0.12, 0.32), (x + lean * 0.02, 0.295)],
            "#fffdf2",
        )
    for x in (0.19, 0.74):  # the armchairs
        c.rect(x - 0.1, 0.56, x + 0.1, 0.82, "#c9612f", radius=0.04)
        c.rect(x - 0.13, 0.68, x - 0.08, 0.88, "#a84d22", radius=0.025)
        c.rect(x + 0.08, 0.68, x + 0.13, 0.88, "#a84d22", radius=0.025)
        c.rect(x - 0.09, 0.76, x + 0.09, 0.87, "#dd7743", radius=0.02)
        for dx in (-0.1, 0.09):
            c.rect(x + dx, 0.88, x + dx + 0.014, 0.92, "#3b2a20")
    potted(c, 0.02, 0.84, 0.3)
    person(c, 0.955, 0.96, 0.44, "#2b3036", "#1d2024")
    c.line([(0.86, 0.66), (0.8, 0.98)], "#14181c", 0.012)  # the broadcast camera
    c.line([(0.86, 0.66), (0.86, 0.98)], "#14181c", 0.012)
    c.line([(0.86, 0.66), (0.93, 0.98)], "#14181c", 0.012)
    c.rect(0.8, 0.53, 0.94, 0.66, "#22282e", radius=0.012)
    c.rect(0.745, 0.56, 0.81, 0.635, "#343c44", radius=0.01)
    c.rect(0.735, 0.55, 0.75, 0.645, "#8fc7e0", radius=0.005)
    c.rect(0.82, 0.49, 0.92, 0.535, "#343c44", radius=0.012)
    c.oval(0.915, 0.56, 0.01, fill="#ff3b30")
    c.line([(0.0, 0.42), (0.24, 0.47)], "#1c2024", 0.008)
    c.rect(0.22, 0.455, 0.29, 0.49, "#3f464c", radius=0.016)
