"""Databases can be copied and put back; one module per kind."""
