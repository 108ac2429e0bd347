"""How soon a finding has to be mended: the business calendar, the policy, and the deadline of one finding."""
