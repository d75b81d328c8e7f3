"""Attacks on a checkpoint's weights, and looks inside them."""
