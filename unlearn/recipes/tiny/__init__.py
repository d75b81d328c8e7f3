"""Recipes for the tiny model of the demo."""
