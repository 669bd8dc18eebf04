"""The reference implementations, one module a chapter: the course's model code. Imports nothing else of the grader."""
