"""Small vulnerable applications of our own: every flaw stands beside a fixed twin that looks the same."""
