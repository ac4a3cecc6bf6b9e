"""The command line: thin. Each command asks app/ and shows the answer."""
