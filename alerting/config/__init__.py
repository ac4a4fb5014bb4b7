"""``alerting.yaml``: what it may say, read and checked, and what is made of it."""
