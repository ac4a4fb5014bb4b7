"""The shard offline: replays, explanations, simulated traffic."""
