"""Many checks against many sites as one plan: what is asked is asked once, and every (target, check) ends."""
