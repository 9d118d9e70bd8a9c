"""Carries every sale from Lightspeed Restaurant K-Series into Connecteam, each exactly once."""

__version__ = "0.1.0"
