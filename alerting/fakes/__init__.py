"""Providers as they really behave, for tests and the demo: real limits, real codes, faults on demand."""
