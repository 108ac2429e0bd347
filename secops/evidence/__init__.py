"""Evidence packs: one signed file of chained records per run, checked with nothing but the file and a public key."""
