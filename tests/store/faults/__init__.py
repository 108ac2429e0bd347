"""What goes wrong between us and Elasticsearch, each compared with a ledger that was fed the same."""
