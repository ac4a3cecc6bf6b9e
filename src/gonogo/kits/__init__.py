"""Kits: which adapters make up an engine, one file each. `engine: local` names a kit."""
