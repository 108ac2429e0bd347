"""Products without a coordinator of their own, whose replica is promoted by a playbook; one file each."""
