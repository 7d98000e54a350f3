"""The commands of `atom`, one module or package for each command or command group."""
