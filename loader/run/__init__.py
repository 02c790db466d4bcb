"""The commands of the loader: each is made of the stages, in a module of its name."""
