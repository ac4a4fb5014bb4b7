"""What the desk and the sender decide by, as functions of their arguments."""
