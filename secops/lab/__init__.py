"""Three centres and their clients on one machine, as network namespaces with a WAN that can be hurt."""
