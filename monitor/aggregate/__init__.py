"""Figures over several shops: what shards publish of them, and the rules on teams, platforms and agents."""
