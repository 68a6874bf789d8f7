"""From a spec to the network it means."""
