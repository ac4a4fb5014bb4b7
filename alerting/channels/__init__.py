"""Ways out: each one typed, honest about what its provider answered, and aware of its limits."""
