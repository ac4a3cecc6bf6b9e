"""Engines run instances of services; one module per engine."""
