"""Jindun 津盾: security monitoring and disaster-recovery orchestration for a city."""

__version__ = "0.1.0"
