"""Hosts are machines that commands run on; one module per kind."""
