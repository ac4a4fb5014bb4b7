"""The API, the first page and its live stream."""

API = "/api/v1"
