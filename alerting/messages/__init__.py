"""What a message says: an alert in words, by a template, in its receiver's language, fit for its channel."""
