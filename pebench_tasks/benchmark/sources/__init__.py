"""What a benchmark of the published images takes from elsewhere: the hub, real people, POPE."""
