"""The lean daemon of a centre: it looks, reports, leads when it is elected, decides and obeys."""
