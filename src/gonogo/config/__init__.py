"""Floor 4: reads `gonogo.yml`, says what is wrong with it and where, and finds values at run time.

The file is read into nodes that know their line and column (document), read against shapes made
from the dataclasses (shape, normalise, rules, procedures), and becomes one frozen Configuration.
"""
