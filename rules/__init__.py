"""Packs and rules: what a platform counts, where its lines are, and when to warn."""
