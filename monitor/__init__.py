"""The slawatch daemon."""
