"""Failover under a virtual clock: the shipped `decide`, `obey` and `lead` among members, lines and a store that fail at random."""
