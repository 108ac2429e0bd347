"""How the entries of clusters are moved: one file per driver."""
