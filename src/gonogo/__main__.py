"""`python -m gonogo`."""

from gonogo.cli.main import main

main()
