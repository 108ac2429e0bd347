"""Alert channels out, and Alertmanager in. None yet: the metrics and their alert rules are in `dashboards`."""
