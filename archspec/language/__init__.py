"""From YAML text to a spec, with the place of everything that is written."""
