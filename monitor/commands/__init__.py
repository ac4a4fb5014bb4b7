"""What ``slawatch`` does, a module a command. They are thin: they ask, call and print."""
