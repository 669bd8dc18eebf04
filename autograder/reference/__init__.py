"""The reference implementations, one module a chapter: the model code of the course. Imports nothing else of the grader."""
