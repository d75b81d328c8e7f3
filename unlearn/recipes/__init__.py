"""Recipes: one file per method and target, only what differs from the defaults."""
