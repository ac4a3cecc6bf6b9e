"""Acceptance tests: real processes, real servers, through the command line."""
