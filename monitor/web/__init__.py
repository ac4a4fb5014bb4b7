"""The API, the first page and its live stream."""
