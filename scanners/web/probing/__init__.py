"""What active checks share: the contract, its driver, and the ways to be sure."""
