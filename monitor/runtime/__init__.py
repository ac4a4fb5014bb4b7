"""What drives a shard: embedded (one process, one journal)."""
