"""Proxies move traffic; one module per proxy."""
