"""Floor 6: what a command or a page asks for: start a run, drive it, answer it, look at it."""
