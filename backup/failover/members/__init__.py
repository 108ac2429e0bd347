"""How the members of clusters are looked at and acted on: one file per product."""
