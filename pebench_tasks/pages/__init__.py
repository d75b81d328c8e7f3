"""Pages that people look at: reports, comparisons, the leaderboard; their layout, style and sample browser."""
