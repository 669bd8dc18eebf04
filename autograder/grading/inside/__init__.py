"""What of ours stands where student code runs: a stand-in for the package, what asks it, and what starts and runs it.

These modules are copied into the sandbox (`autograder.grading.sandbox.furnish`) and run there; no other part of the
grader imports them. They hold no reference, no known mistake, no case, and no verdict.
"""
