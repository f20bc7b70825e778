"""Qdrant's own engine behind the part of Qdrant's REST form that we use, as a process of its own."""
