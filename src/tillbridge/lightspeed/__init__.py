"""Lightspeed Restaurant K-Series: signing in and reading sales. Nothing here ever writes there.

Nothing is gathered here: who reads the sign-in's file needs no connections.
"""
