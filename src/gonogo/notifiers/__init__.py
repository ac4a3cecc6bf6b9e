"""Notifiers: how people are told. One file each."""
