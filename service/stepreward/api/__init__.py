"""HTTP: the routes, and the one place where an error becomes a status."""
