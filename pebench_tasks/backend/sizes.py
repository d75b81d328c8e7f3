"""Which models count as large."""

# Parameters (ours). A model that was published to see and speak has more, the smallest about 200 million; with fewer it
# is one made for a trial, like the demo's.
LARGE = 100_000_000
