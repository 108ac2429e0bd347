"""Logged-in users: how they log in, what proves it, and how a scan stays one of them."""
