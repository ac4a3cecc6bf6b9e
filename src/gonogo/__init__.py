"""gonogo runs the release procedure of a web application, from the checklist to the sign-off."""

__version__ = "0.1.0"
