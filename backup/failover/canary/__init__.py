"""The client's truth: business transactions through the real entry, and what came of each."""
