"""Tests on real containers."""
