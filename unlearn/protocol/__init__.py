"""The whole protocol: stages side by side, their rows, and the tiny model that the demo begins with."""
