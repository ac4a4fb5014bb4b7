"""One shard: what its engine counts, judged by rules; what of it is stored, and the way back. Pure."""
