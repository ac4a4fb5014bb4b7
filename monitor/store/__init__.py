"""One database for shard state and desk."""
