"""Migrators move a schema; one module per tool."""
