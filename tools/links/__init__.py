"""Whether what the classes in a jar refer to is there on a class path: `python -m tools.links JAR FOLDER`."""
