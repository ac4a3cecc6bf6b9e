"""Targets keep the state that lies beside the application; one module per kind."""
