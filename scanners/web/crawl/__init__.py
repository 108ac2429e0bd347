"""The crawler: finds what a site can be asked, plan apart from act."""
