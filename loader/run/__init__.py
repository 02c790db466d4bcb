"""What the loader can be asked to do: each verb a composition of the stages, in a module of its name."""
